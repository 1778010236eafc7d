// A subreaper, so that whatever loses its parent down there becomes its child.
#include "tests/support/watched_run.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <vitals/fd.hpp>

#include "tests/support/process.hpp"
#include "tests/support/stalls.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kill_patience = 10s;
constexpr const char* folder_prefix = "vitals-run-";

/// Everything that a run puts into the system's temporary folder is in this one, whose lock says
/// that the run lives.
class RunFolder {
 public:
  RunFolder() {
    const auto pattern = (fs::temp_directory_path() / folder_prefix).string() + "XXXXXX";
    do {
      path_ = pattern;
      if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
      lock_ = locked(path_, LOCK_EX);
    } while (!fs::exists(path_));  // somebody took it for a dead one before we had the lock
    chmod(path_.c_str(), 01777);   // as the folder that it stands for
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  void remove() const { remove_all(path_); }

  /// Those that nobody holds any more.
  static void remove_dead() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(fs::temp_directory_path(), ignored)) {
      if (!entry.path().filename().string().starts_with(folder_prefix)) continue;
      if (const Fd lock = locked(entry.path().string(), LOCK_EX | LOCK_NB)) remove_all(entry);
    }
  }

 private:
  static Fd locked(const std::string& path, int how) {
    Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd && flock(fd.get(), how) != 0) fd.reset();
    return fd;
  }
  static void remove_all(const fs::path& path) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }

  std::string path_;
  Fd lock_;
};

/// Names of the form vitals-…PID or vitals-…PID-N below these are ours: Machines, MemoryCgroup.
void remove_by_pid(const std::function<bool(pid_t)>& gone) {
  std::error_code ignored;
  for (const char* root : {"/run/netns", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"}) {
    for (const auto& entry : fs::directory_iterator(root, ignored)) {
      const auto name = entry.path().filename().string();
      const auto number = name.find_first_of("0123456789");
      if (!name.starts_with("vitals-") || number == std::string::npos) continue;
      if (!gone(std::atoi(name.c_str() + number))) continue;
      if (std::string(root) == "/run/netns") {
        run({.argv = {"ip", "netns", "del", name}});
      } else {
        rmdir(entry.path().c_str());
      }
    }
  }
}

struct Child {
  pid_t pid = 0;
  std::string name;
};

/// Living children of this process.
std::vector<Child> children() {
  std::vector<Child> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid == 0) continue;
    std::ostringstream text;
    text << std::ifstream(entry.path() / "stat").rdbuf();
    const auto stat = text.str();
    const auto begin = stat.find('(');
    const auto end = stat.rfind(')');
    if (end == std::string::npos) continue;
    std::istringstream rest(stat.substr(end + 1));
    char state = 0;
    pid_t parent = 0;
    rest >> state >> parent;
    if (parent == getpid() && state != 'Z') {
      found.push_back({pid, stat.substr(begin + 1, end - begin - 1)});
    }
  }
  return found;
}

/// True when no child is left, not even a dead one.
bool all_reaped() {
  pid_t pid = 0;
  while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) continue;
  return pid < 0 && errno == ECHILD;
}

/// Kills generation after generation: the children of a killed one become ours.
void kill_all() {
  eventually(
      [] {
        for (const auto& child : children()) kill(child.pid, SIGKILL);
        return all_reaped();
      },
      kill_patience);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// The code of the cases' process; nothing when somebody wants us to end instead.
std::optional<int> wait_for(pid_t cases, const sigset_t& wanted) {
  while (true) {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == cases) return code_of(status);
    }
    int signal = 0;
    if (sigwait(&wanted, &signal) == 0 && signal != SIGCHLD) return std::nullopt;
  }
}

/// What nobody ended says so, by name; processes that are about to end get a moment.
bool nothing_runs(std::chrono::milliseconds patience) {
  const bool ended = eventually(all_reaped, patience);
  for (const auto& child : children()) {
    std::cerr << "left behind: process " << child.pid << " (" << child.name << ")\n";
  }
  return ended;
}

[[noreturn]] void be_the_cases(const std::function<int()>& cases, const RunFolder& folder,
                               pid_t watcher, const sigset_t& mask) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != watcher) _exit(128 + SIGKILL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  setenv("TMPDIR", folder.path().c_str(), 1);
  free_port();  // what it claims stays open: no test's descriptor
  std::exit(cases());
}

}  // namespace

int watched_run(const std::function<int()>& cases, std::chrono::milliseconds patience) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  RunFolder::remove_dead();
  remove_by_pid([](pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; });
  const RunFolder folder;

  sigset_t wanted;
  sigset_t before;
  sigemptyset(&wanted);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&wanted, signal);
  sigprocmask(SIG_BLOCK, &wanted, &before);
  const pid_t watcher = getpid();
  StallWatch stalls;
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) be_the_cases(cases, folder, watcher, before);
  stalls.start();

  const auto ended = wait_for(pid, wanted);
  const bool clean = !ended || *ended >= 128 || nothing_runs(patience);
  kill_all();
  remove_by_pid([pid](pid_t owner) { return owner == pid; });
  folder.remove();
  if (!ended) return 128 + SIGTERM;
  return *ended == 0 && !clean ? 1 : *ended;
}

}  // namespace vitals::test
