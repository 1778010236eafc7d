// A process whose wall clock the test can step.
#include "tests/support/wall_clock.hpp"

#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace vitals::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("stepped clock: " + what + ": " + std::strerror(errno));
}

/// In the child: from now on its calls for the wall clock go to whoever holds the descriptor.
int filter_wall_clock() {
  std::array<sock_filter, 6> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

std::uintptr_t stack_pointer(pid_t pid) {
  user_regs_struct registers{};
  iovec whole{&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &whole) != 0) fail("no registers");
#if defined(__aarch64__)
  return registers.sp;
#else
  return registers.rsp;
#endif
}

std::uintptr_t word_at(pid_t pid, std::uintptr_t address) {
  errno = 0;
  const long word = ptrace(PTRACE_PEEKDATA, pid, address, nullptr);
  if (errno != 0) fail("can't read its stack");
  return static_cast<std::uintptr_t>(word);
}

/// At the first instruction after exec: argc, argv, 0, environment, 0, and the kernel's own words,
/// one of which says where the clocks are that need no system call.
void take_vdso_away(pid_t pid) {
  constexpr std::uintptr_t word = sizeof(std::uintptr_t);
  std::uintptr_t at = stack_pointer(pid);
  at += (word_at(pid, at) + 2) * word;
  while (word_at(pid, at) != 0) at += word;
  at += word;
  for (; word_at(pid, at) != AT_NULL; at += 2 * word) {
    if (word_at(pid, at) != AT_SYSINFO_EHDR) continue;
    if (ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE) != 0) fail("can't write its stack");
    return;
  }
}

struct Strings {
  explicit Strings(std::vector<std::string> words) : words_(std::move(words)) {
    for (auto& word : words_) pointers.push_back(word.data());
    pointers.push_back(nullptr);
  }
  std::vector<char*> pointers;

 private:
  std::vector<std::string> words_;
};

Strings lines_of(const std::map<std::string, std::string>& environment) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment) {
    std::string line = name;
    line += '=';
    line += value;
    lines.push_back(line);
  }
  return Strings(lines);
}

/// Never returns. Says on `tell` which descriptor the notifications come to.
[[noreturn]] void become(const Strings& argv, const Strings& environment, int tell) {
  const int listener = filter_wall_clock();
  if (write(tell, &listener, sizeof listener) != sizeof listener || listener < 0) _exit(127);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The descriptor ends with exec, so it is taken before.
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 && raise(SIGSTOP) == 0) {
    execve(argv.pointers[0], argv.pointers.data(), environment.pointers.data());
  }
  _exit(127);
}

}  // namespace

std::string SteppedProcess::forbidden() {
  if (geteuid() != 0) return "only root may write into a process that keeps its memory to itself";
  try {
    const SteppedProcess process({"/bin/sleep", "100"}, {});
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

SteppedProcess::SteppedProcess(std::vector<std::string> argv,
                               std::map<std::string, std::string> environment) {
  const Strings words(std::move(argv));
  const Strings variables = lines_of(environment);
  int ends[2] = {-1, -1};
  if (pipe(ends) != 0) fail("no pipe");
  const Fd told(ends[0]);
  Fd tell(ends[1]);
  pid_ = fork();
  if (pid_ == 0) become(words, variables, tell.get());
  if (pid_ < 0) fail("no process");
  tell.reset();
  try {
    take_over(told.get());
  } catch (...) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    throw;
  }
  thread_ = std::thread([this] { answer(); });
}

void SteppedProcess::await_stop() const {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status)) fail("it did not start");
}

void SteppedProcess::take_over(int told) {
  int number = -1;
  if (read(told, &number, sizeof number) != sizeof number || number < 0) fail("no notifications");
  await_stop();
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  listener_.reset(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  if (!listener_) fail("its descriptor can't be taken");
  if (ptrace(PTRACE_CONT, pid_, nullptr, nullptr) != 0) fail("can't let it start");
  await_stop();  // once exec has succeeded
  take_vdso_away(pid_);
  if (ptrace(PTRACE_DETACH, pid_, nullptr, nullptr) != 0) fail("can't let it go");
}

SteppedProcess::~SteppedProcess() {
  kill(pid_, SIGCONT);
  kill(pid_, SIGTERM);
  // The answers go on until the last of its threads is gone.
  thread_.join();
  waitpid(pid_, nullptr, 0);
}

void SteppedProcess::answer() {
  while (true) {
    pollfd entry{listener_.get(), POLLIN, 0};
    if (poll(&entry, 1, -1) < 0) continue;
    if ((entry.revents & POLLIN) == 0) return;  // nobody is left to ask
    seccomp_notif question{};
    if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) continue;
    ++asked_;
    timespec time{};
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += offset_;
    const iovec ours{&time, sizeof time};
    const iovec theirs{reinterpret_cast<void*>(question.data.args[1]), sizeof time};
    const auto written =
        process_vm_writev(static_cast<pid_t>(question.pid), &ours, 1, &theirs, 1, 0);
    seccomp_notif_resp reply{};
    reply.id = question.id;
    reply.error = written == static_cast<ssize_t>(sizeof time) ? 0 : -EFAULT;
    ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }
}

}  // namespace vitals::test
