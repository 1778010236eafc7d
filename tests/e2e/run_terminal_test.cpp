// `vitals run -- bash` on a terminal, under a shell with job control: as without us.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// An interactive bash on a terminal of its own, typed at by the test.
class Terminal {
 public:
  Terminal() {
    int master = -1;
    winsize size{24, 80, 0, 0};
    shell_ = forkpty(&master, nullptr, nullptr, &size);
    if (shell_ == 0) {
      setenv("VITALS_LISTEN", "127.0.0.1:0", 1);
      setenv("VITALS_LOG_LEVEL", "error", 1);
      setenv("PS1", "outer> ", 1);
      setenv("TERM", "dumb", 1);
      setenv("HISTFILE", "", 1);
      execlp("bash", "bash", "--norc", "--noprofile", "-i", nullptr);
      _exit(127);
    }
    master_.reset(master);
    fcntl(master, F_SETFD, FD_CLOEXEC);
  }
  ~Terminal() {
    kill(shell_, SIGHUP);
    for (const auto& process : all_processes()) {
      if (getsid(process.pid) == shell_) kill(process.pid, SIGKILL);
    }
    kill(shell_, SIGKILL);
    master_.reset();
    waitpid(shell_, nullptr, 0);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) {
    seen_.clear();
    const ssize_t written = write(master_.get(), keys.data(), keys.size());
    CHECK(written == static_cast<ssize_t>(keys.size()));
  }
  /// Until `text` appears on the screen after the last type().
  bool shows(const std::string& text, std::chrono::milliseconds limit = 60s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (seen_.find(text) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      pollfd entry{master_.get(), POLLIN, 0};
      if (left.count() <= 0 || poll(&entry, 1, static_cast<int>(left.count())) <= 0) return false;
      char buffer[4096];
      const ssize_t got = read(master_.get(), buffer, sizeof buffer);
      if (got <= 0) return false;
      seen_.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
  }
  void resize(unsigned short columns) {
    winsize size{24, columns, 0, 0};
    ioctl(master_.get(), TIOCSWINSZ, &size);
  }
  [[nodiscard]] pid_t foreground() const { return tcgetpgrp(master_.get()); }
  /// True while that program has the terminal.
  [[nodiscard]] bool has_it(const std::string& program) const {
    const auto name = lines_of("/proc/" + std::to_string(foreground()) + "/comm");
    return !name.empty() && name[0] == program;
  }
  [[nodiscard]] const std::string& seen() const { return seen_; }

  /// Types a command for vitals to wrap.
  void run(const std::string& command) { type(vitals_binary() + " run -- " + command + "\n"); }

 private:
  pid_t shell_ = -1;
  Fd master_;
  std::string seen_;
};

constexpr auto ctrl_c = "\x03";
constexpr auto ctrl_z = "\x1a";

TEST_CASE("run on a terminal: a shell has it, with job control, and gives it back") {
  Terminal terminal;
  REQUIRE(terminal.shows("outer> "));
  const pid_t outer = terminal.foreground();
  terminal.run("bash --norc --noprofile -i");
  // Both prompts look alike; the inner one is set apart first.
  terminal.type("PS1='inner> '\n");
  REQUIRE(terminal.shows("\ninner> "));
  CHECK(terminal.foreground() != outer);
  CAPTURE(terminal.seen());
  CHECK(terminal.seen().find("no job control") == std::string::npos);

  terminal.type("sleep 1000\n");
  REQUIRE(terminal.shows("sleep 1000\r\n"));
  REQUIRE(eventually([&] { return terminal.has_it("sleep"); }));
  terminal.type(ctrl_z);
  CHECK(terminal.shows("Stopped"));
  terminal.type("jobs; bg; kill %1; wait; echo fine-$((40+2))\n");
  CHECK(terminal.shows("fine-42"));
  terminal.type("sleep 1000\n");
  REQUIRE(eventually([&] { return terminal.has_it("sleep"); }));
  terminal.type(ctrl_c);
  REQUIRE(terminal.shows("inner> "));
  terminal.type("echo code-$?\n");
  CHECK(terminal.shows("code-130"));
  terminal.type("stty size\n");
  CHECK(terminal.shows("24 80"));
  terminal.resize(101);
  terminal.type("stty size\n");
  CHECK(terminal.shows("24 101"));
  terminal.type("exit 12\n");
  REQUIRE(terminal.shows("outer> "));
  CHECK(terminal.foreground() == outer);
  terminal.type("echo code-$?\n");
  CHECK(terminal.shows("code-12"));
}

TEST_CASE("run on a terminal: Ctrl-C is the app's own, and its code comes back") {
  Terminal terminal;
  REQUIRE(terminal.shows("outer> "));
  terminal.run(
      "perl -e '$|=1; $SIG{INT}=sub{print \"caught\\n\"; exit 33}; print \"up\\n\"; "
      "sleep 1 while 1'");
  REQUIRE(terminal.shows("\nup"));
  terminal.type(ctrl_c);
  CHECK(terminal.shows("caught"));
  REQUIRE(terminal.shows("outer> "));
  terminal.type("echo code-$?\n");
  CHECK(terminal.shows("code-33"));
}

TEST_CASE("run on a terminal: Ctrl-Z stops us with the app, fg and bg go on, a resize is seen") {
  Terminal terminal;
  REQUIRE(terminal.shows("outer> "));
  const pid_t outer = terminal.foreground();
  terminal.run(
      "perl -e '$|=1; $SIG{WINCH}=sub{print \"resized\\n\"}; print \"up\\n\"; "
      "while (<STDIN>) { print \"read $_\" }'");
  REQUIRE(terminal.shows("\nup"));
  const pid_t app = terminal.foreground();
  CHECK(app != outer);
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    terminal.type(ctrl_z);
    REQUIRE(terminal.shows("Stopped"));
    CHECK(eventually([&] { return terminal.foreground() == outer; }));
    terminal.type("fg\n");
    CHECK(eventually([&] { return terminal.foreground() == app; }));
    terminal.type("hello\n");
    CHECK(terminal.shows("read hello"));
  }
  terminal.resize(99);
  CHECK(terminal.shows("resized"));
  terminal.type(ctrl_z);
  REQUIRE(terminal.shows("Stopped"));
  // In the background it must not take the terminal; when it reads, it stops, and the shell knows.
  terminal.type("bg\n");
  CHECK(eventually([&] {
    terminal.type("jobs\n");
    return terminal.shows("Stopped", 500ms);
  }));
  CHECK(terminal.foreground() == outer);
  terminal.type("fg\n");
  CHECK(eventually([&] { return terminal.foreground() == app; }));
  terminal.type("again\n");
  CHECK(terminal.shows("read again"));
  terminal.type("\x04");
  REQUIRE(terminal.shows("outer> "));
  terminal.type("echo code-$?\n");
  CHECK(terminal.shows("code-0"));
}

TEST_CASE("run on a terminal: started in the background it leaves the terminal alone") {
  Terminal terminal;
  REQUIRE(terminal.shows("outer> "));
  const pid_t outer = terminal.foreground();
  terminal.run("sh -c 'echo quietly-up; sleep 1000' &");
  REQUIRE(terminal.shows("quietly-up\r\n"));
  CHECK(terminal.foreground() == outer);
  terminal.type("kill %1; wait %1; echo code-$?\n");
  CHECK(terminal.shows("code-143"));
}

}  // namespace
}  // namespace vitals::test
