// Kind process with real processes: alive, killed, a zombie, started again, another user's.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/skipped.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;
using test::Process;

ConfiguredCheck process(const std::string& more) {
  return test::make_check("kind = \"process\"\n" + more);
}

std::string mistakes_of(const std::string& body) {
  try {
    process(body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A program of its own name that does nothing.
struct Sleeper {
  test::TempDir folder;
  std::string name = "sleeper-" + std::to_string(getpid());  // no other program's
  fs::path program = folder.path() / name;
  std::unique_ptr<Process> running;

  Sleeper() {
    fs::copy_file("/bin/sleep", program);
    start();
  }
  void start(const std::string& user = "") {
    running =
        std::make_unique<Process>(test::Command{.argv = {program.string(), "600"}, .user = user});
    // Until it has become itself: between fork and exec it is a copy of us.
    REQUIRE(test::eventually([&] {
      std::error_code error;
      const auto link = "/proc/" + std::to_string(running->pid()) + "/exe";
      return fs::read_symlink(link, error) == program;
    }));
  }
  [[nodiscard]] std::string pid() const { return std::to_string(running->pid()); }
};

/// "REASON DETAIL" of what an agent without rights is told.
std::string as_nobody(const std::function<ProbeResult()>& question) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t nobody = 65'534;
    const bool dropped = setgid(nobody) == 0 && setuid(nobody) == 0;
    const auto result = question();
    const auto answer = std::string(to_label(result.reason)) + " " + result.detail;
    _exit(dropped && write(writer.get(), answer.data(), answer.size()) > 0 ? 0 : 1);
  }
  writer = Fd();
  std::array<char, 4096> answer{};
  const auto length = read(reader.get(), answer.data(), answer.size());
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  return {answer.data(), static_cast<std::size_t>(std::max<ssize_t>(0, length))};
}

TEST_SUITE("process probe") {
  TEST_CASE("process: a real one is found by name, exe and pid file, with what it uses") {
    Sleeper sleeper;
    const auto pid_file = sleeper.folder.write("app.pid", sleeper.pid() + "\n");
    for (const std::string& by :
         {"name = \"" + sleeper.name + "\"", "exe = \"" + sleeper.program.string() + "\"",
          "pid_file = \"" + pid_file.string() + "\""}) {
      CAPTURE(by);
      const auto result = test::ask(process(by));
      CHECK(result.outcome == Outcome::pass);
      CHECK(result.detail.starts_with("pid " + sleeper.pid() + ", up "));
      CHECK(test::measured(result, "process_up") == 1);
      CHECK(test::measured(result, "process_threads") == 1);
      CHECK(test::measured(result, "process_open_fds").value_or(0) >= 3);
      CHECK(test::measured(result, "process_max_fds").value_or(0) >= 64);
      CHECK(test::measured(result, "process_resident_memory_bytes").value_or(0) > 4096);
      CHECK(test::measured(result, "process_cpu_seconds_total").has_value());
      const double started = test::measured(result, "process_start_time_seconds").value_or(0);
      CHECK(started <= unix_now() + 0.1);
      CHECK(started > unix_now() - 60);
    }
  }

  TEST_CASE("process: killed it is fail(exited) at once, as a zombie and when it is reaped") {
    // A child of ours that we do not wait for stays a zombie.
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    REQUIRE(child > 0);
    const test::TempDir folder;
    const auto file = folder.write("app.pid", std::to_string(child));
    const auto check = process("pid_file = \"" + file.string() + "\"");
    CHECK(test::ask(check).outcome == Outcome::pass);
    kill(child, SIGKILL);
    REQUIRE(test::eventually([&] { return test::ask(check).outcome == Outcome::fail; }));
    auto result = test::ask(check);
    CHECK(result.reason == Reason::exited);
    CHECK(result.decisive);
    CHECK(result.detail == "pid " + std::to_string(child) + " is a zombie: it has ended");
    CHECK(test::measured(result, "process_up") == 0);
    waitpid(child, nullptr, 0);
    result = test::ask(check);
    CHECK(result.decisive);
    CHECK(result.detail == "pid " + std::to_string(child) + " is gone");
  }

  TEST_CASE("process: started again it is another process with another start time") {
    Sleeper sleeper;
    const auto check = process("exe = \"" + sleeper.program.string() + "\"");
    const auto before = test::measured(test::ask(check), "process_start_time_seconds");
    sleeper.running->stop();
    CHECK(test::ask(check).reason == Reason::exited);
    sleeper.start();
    const auto result = test::ask(check);
    CHECK(result.detail.starts_with("pid " + sleeper.pid()));
    CHECK(test::measured(result, "process_start_time_seconds") > before);
  }

  TEST_CASE("process: a replaced program is still the one that runs") {
    Sleeper sleeper;
    fs::remove(sleeper.program);
    CHECK(test::ask(process("exe = \"" + sleeper.program.string() + "\"")).outcome ==
          Outcome::pass);
  }

  TEST_CASE("process: from an unprivileged agent, another user's process is alive all the same") {
    if (geteuid() != 0) return test::skipped("to be another user takes root");
    Sleeper sleeper;
    const test::TempDir folder;
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    const auto check = process("exe = \"" + sleeper.program.string() + "\"");
    const pid_t child = fork();
    if (child == 0) {
      constexpr uid_t nobody = 65'534;
      const bool dropped = setgid(nobody) == 0 && setuid(nobody) == 0;
      const auto result = test::ask(check);
      const bool right = dropped && result.outcome == Outcome::pass &&
                         !test::measured(result, "process_open_fds").has_value() &&
                         test::measured(result, "process_threads") == 1;
      const char answer = right ? 'y' : 'n';
      _exit(write(pipe_ends[1], &answer, 1) == 1 ? 0 : 1);
    }
    char answer = '?';
    CHECK(read(pipe_ends[0], &answer, 1) == 1);
    CHECK(answer == 'y');
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
  }

  TEST_CASE("process: what an unprivileged agent may not see is internal, not fail(exited)") {
    if (geteuid() != 0) return;
    Sleeper sleeper;
    // Its first word is no path: only the link to its file, hidden from others, tells what it runs.
    sleeper.running = std::make_unique<Process>(
        test::Command{.argv = {"sh", "-c",
                               "cd '" + sleeper.folder.path().string() + "' && exec ./" +
                                   sleeper.name + " 600"}});
    const auto check = process("exe = \"" + sleeper.program.string() + "\"");
    REQUIRE(test::eventually(
        [&] { return test::ask(check).detail.starts_with("pid " + sleeper.pid()); }));
    const auto unseen =
        as_nobody([&] { return test::ask(process("exe = \"" + sleeper.program.string() + "\"")); });
    CHECK(unseen.find("internal no process runs " + sleeper.program.string() + " as far as") == 0);
    CHECK(unseen.find("run vitals as the user of that process or as root, or find it by name or "
                      "pid_file") != std::string::npos);
    CHECK(as_nobody([&] {
            return test::ask(process("name = \"" + sleeper.name + "\""));
          }).find("none pid " + sleeper.pid()) == 0);
    CHECK(as_nobody([&] { return test::ask(process("name = \"nobody-runs-this\"")); }) ==
          "exited no process named nobody-runs-this");
  }

  TEST_CASE("process: bad settings are named, and the defaults are those of a local check") {
    CHECK(mistakes_of("").find("give one of pid_file, exe and name") != std::string::npos);
    CHECK(mistakes_of("name = \"a\"\nexe = \"/a\"").find("alone") != std::string::npos);
    CHECK(mistakes_of("exe = \"app\"").find("not a path from the root") != std::string::npos);
    CHECK(mistakes_of("pid_file = \"app.pid\"").find("not a path") != std::string::npos);
    CHECK(mistakes_of("name = \"/usr/bin/app\"").find("for a path there is exe") !=
          std::string::npos);
    CHECK(mistakes_of("name = \"\"").find("without slashes") != std::string::npos);
    const auto check = process("name = \"app\"");
    CHECK(check.spec->impact == Impact::critical);
    CHECK(check.spec->scope == Scope::local);
  }
}

}  // namespace
}  // namespace vitals
