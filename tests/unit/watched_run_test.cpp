// Nothing of a test program outlives it, however it ends.
#include "tests/support/watched_run.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/process.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// A daemon that no Process object knows: neither child nor group of ours. Its pid is in `mark`.
void start_daemon(const std::string& mark) {
  const std::string script = "setsid sh -c 'echo $$ > " + mark + ".new; mv " + mark + ".new " +
                             mark + "; exec sleep 1000' & wait";
  if (fork() == 0) {
    execlp("sh", "sh", "-c", script.c_str(), nullptr);
    _exit(127);
  }
  eventually([&] { return std::filesystem::exists(mark); });
}

pid_t pid_in(const std::string& mark) {
  pid_t pid = 0;
  std::ifstream(mark) >> pid;
  return pid;
}

bool gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

/// A test program with one case, which leaves a daemon and a file and then does `ends`.
class Program {
 public:
  explicit Program(int (*ends)()) {
    pid_ = fork();
    if (pid_ != 0) return;
    const auto note = folder_.path();
    const auto body = [&] {
      std::ofstream(note / "folder") << std::getenv("TMPDIR");
      std::ofstream(std::string(std::getenv("TMPDIR")) + "/file") << "left";
      std::ofstream(note / "cases") << getpid();
      start_daemon(mark());
      return ends();
    };
    _exit(watched_run(body, 100ms));
  }
  ~Program() {
    if (pid_ > 0) kill(pid_, SIGTERM);
    static_cast<void>(code());
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] bool runs() const { return std::filesystem::exists(mark()); }
  [[nodiscard]] pid_t daemon() const { return pid_in(mark()); }
  [[nodiscard]] pid_t cases() const { return pid_in((folder_.path() / "cases").string()); }
  [[nodiscard]] std::string folder() const {
    std::string name;
    std::ifstream(folder_.path() / "folder") >> name;
    return name;
  }
  void signal(int number) const { kill(pid_, number); }
  int code() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, 0) == pid_) {
      pid_ = 0;
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return code_;
  }

 private:
  [[nodiscard]] std::string mark() const { return (folder_.path() / "daemon").string(); }

  TempDir folder_;
  pid_t pid_ = -1;
  int code_ = -1;
};

void expect_nothing_left(const Program& program) {
  CHECK(program.daemon() > 0);
  CHECK(gone(program.daemon()));
  CHECK(program.folder().find("vitals-run-") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(program.folder()));
}

int pass() { return 0; }
int crash() {
  std::signal(SIGSEGV, SIG_DFL);
  return raise(SIGSEGV);
}
int wait_for_ever() {
  while (true) pause();
}

TEST_CASE("watched run: what cases leave running is ended, named and a failure of theirs") {
  Program program(pass);
  CHECK(program.code() == 1);
  expect_nothing_left(program);
}

TEST_CASE("watched run: a crash leaves nothing, and its code is told") {
  Program program(crash);
  CHECK(program.code() == 128 + SIGSEGV);
  expect_nothing_left(program);
}

TEST_CASE("watched run: who ends the watcher ends the cases and everything of theirs") {
  Program program(wait_for_ever);
  REQUIRE(eventually([&] { return program.runs(); }));
  program.signal(SIGTERM);
  CHECK(program.code() == 128 + SIGTERM);
  expect_nothing_left(program);
}

TEST_CASE("watched run: what a watcher left that was killed is cleared away by the next run") {
  Program killed(wait_for_ever);
  REQUIRE(eventually([&] { return killed.runs(); }));
  killed.signal(SIGKILL);
  CHECK(killed.code() == 128 + SIGKILL);
  CHECK(std::filesystem::exists(killed.folder()));
  CHECK(eventually([&] { return gone(killed.cases()); }));
  // Nobody is left who would end it, but for the watcher of this program at its end.
  kill(killed.daemon(), SIGKILL);
  Program next(pass);
  CHECK(next.code() == 1);
  CHECK_FALSE(std::filesystem::exists(killed.folder()));
}

}  // namespace
}  // namespace vitals::test
