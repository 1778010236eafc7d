// Forks, sets up what is ours to set up, and execs.
#include "agent/child/spawn.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/child/say.hpp"
#include "agent/child/terminal.hpp"

namespace vitals::child {
namespace {

constexpr int code_failure = 1;
constexpr int code_not_found = 127;
constexpr int code_not_executable = 126;

struct StartFailure {
  StartStage stage = StartStage::exec;
  int error = 0;
};

void give_back_signals(const Origin& origin) {
  sigaction(SIGCHLD, &origin.on_child, nullptr);
  sigprocmask(SIG_SETMASK, &origin.mask, nullptr);
}

/// The supplementary groups go first: afterwards we may not.
bool become(const Account& account, StartStage& stage) {
  if (!account.change) return true;
  stage = StartStage::setgroups;
  if (setgroups(account.group_count, account.groups.data()) != 0) return false;
  stage = StartStage::setgid;
  if (setresgid(account.gid, account.gid, account.gid) != 0) return false;
  stage = StartStage::setuid;
  return setresuid(account.uid, account.uid, account.uid) == 0;
}

/// The kernel drops this wish when credentials change, so it comes after become().
void die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(code_not_executable);
}

[[noreturn]] void report(int pipe_end, StartStage stage) {
  const StartFailure failure{stage, errno};
  // Nobody is left to tell when this fails.
  if (write(pipe_end, &failure, sizeof failure) < 0) _exit(code_not_found);
  _exit(code_not_executable);
}

[[noreturn]] void run_app(const AppOptions& options, pid_t parent, int pipe_end) {
  setpgid(0, 0);
  if (options.foreground) give_terminal(getpid());
  StartStage stage = StartStage::exec;
  if (!become(options.account, stage)) report(pipe_end, stage);
  die_with(parent);
  give_back_signals(options.origin);
  execvp(options.argv[0], options.argv);
  report(pipe_end, StartStage::exec);
}

/// Nothing of ours nor of our parent's gets into a helper, but these and stderr.
void keep_only(const HelperDescriptors& descriptors) {
  if (const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC); nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
  }
  // Beyond their places first: one of them may stand where the other has to go.
  constexpr int first = STDERR_FILENO + 1;
  constexpr int beyond = first + static_cast<int>(std::tuple_size_v<HelperDescriptors>);
  HelperDescriptors moved{};
  for (std::size_t i = 0; i < moved.size(); ++i) {
    moved[i] = descriptors[i] < 0 ? -1 : fcntl(descriptors[i], F_DUPFD_CLOEXEC, beyond);
  }
  // On exec and not now: our own binary is one of them.
  if (syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    constexpr int usual_max = 1'024;  // Linux before 5.11
    for (int fd = first; fd < usual_max; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  for (std::size_t i = 0; i < moved.size(); ++i) {
    if (moved[i] >= 0) dup2(moved[i], first + static_cast<int>(i));
  }
}

/// What the supervisor sends a helper waits until that looks: early in its life it would die of it.
void hold_orders_back() {
  sigset_t orders;
  sigemptyset(&orders);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&orders, number);
  sigprocmask(SIG_SETMASK, &orders, nullptr);
}

}  // namespace

Origin take_over_signals() {
  Origin origin;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &origin.mask);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &usual, &origin.on_child);
  return origin;
}

AppStart start_app(const AppOptions& options) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return {0, errno};
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return {0, errno};
  if (pid == 0) run_app(options, parent, writing.get());
  setpgid(pid, pid);  // whoever is first: signals may come for the group at once
  writing.reset();
  StartFailure failure;
  ssize_t got = 0;
  do {
    got = read(reading.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof failure)) return {pid, 0};
  return {0, failure.error, failure.stage};
}

AppStart exec_app(char* const* argv, const Account& account) {
  StartStage stage = StartStage::exec;
  if (become(account, stage)) {
    stage = StartStage::exec;
    execvp(argv[0], argv);
  }
  return {0, errno, stage};
}

int start_failure_code(const AppStart& start) {
  const bool missing = start.error == ENOENT || start.error == ENOTDIR;
  return start.stage == StartStage::exec && missing ? code_not_found : code_not_executable;
}

void complain_of_start(const AppStart& start, const char* program) {
  const char* const cause = strerrordesc_np(start.error);
  switch (start.stage) {
    case StartStage::exec:
      if (start_failure_code(start) == code_not_found) {
        complain(program, ": not found; is it in the image, in PATH, and its interpreter too?");
      } else {
        complain(program, ": can't be executed: ", cause);
      }
      return;
    case StartStage::setgroups:
    case StartStage::setgid:
    case StartStage::setuid:
      complain("can't become [app] user: ", cause, "; that takes root");
      return;
  }
}

Fd inherited_descriptor(int fd) {
  Fd found(fcntl(fd, F_GETFD) < 0 ? -1 : fd);
  if (found) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return found;
}

OwnBinary::OwnBinary() {
  Fd file(open("/proc/self/exe", O_PATH | O_CLOEXEC));
  const auto* const name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (!file && name != nullptr) file.reset(open(name, O_PATH | O_CLOEXEC));
  // Above the places where a helper's descriptors go.
  if (file) file_.reset(fcntl(file.get(), F_DUPFD_CLOEXEC, agent_config_fd + 1));
}

void OwnBinary::exec(char* const* argv, char* const* environment) const {
  syscall(SYS_execveat, file_.get(), "", argv, environment, AT_EMPTY_PATH);
}

pid_t start_helper(const OwnBinary& binary, const HelperOptions& options) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  keep_only(options.descriptors);
  hold_orders_back();
  char* const nothing[] = {nullptr};
  binary.exec(options.words.data(), options.keeps_environment ? environ : nothing);
  complain("can't start the agent beside the app: ", strerrordesc_np(errno));
  _exit(code_failure);
}

}  // namespace vitals::child
