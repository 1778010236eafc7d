// The process probe over a made-up /proc: zombies, reused pids, look-alikes, and no /proc at all.
#include "probes/process_probe.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "probes/process_facts.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, const std::string& content) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << content;
}

/// Field by field as in proc_pid_stat(5).
std::string stat_line(int pid, const std::string& comm, char state, int start) {
  return std::to_string(pid) + " (" + comm + ") " + state +
         " 1 2 3 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 " + std::to_string(start) +
         " 1000000 25 18446744073709551615 1 1 0\n";
}

/// A /proc with what the test puts there.
struct FakeProc {
  test::TempDir folder;
  std::string root = (folder.path() / "proc").string();
  std::string pid_file = (folder.path() / "app.pid").string();

  FakeProc() { write(fs::path(root) / "self/stat", stat_line(1, "vitals", 'S', 1)); }
  void process(int pid, const std::string& comm, char state = 'S', int start = 100,
               const std::string& command = "", const std::string& exe = "") const {
    const fs::path place = fs::path(root) / std::to_string(pid);
    write(place / "stat", stat_line(pid, comm, state, start));
    write(place / "cmdline", command);
    if (!exe.empty() && !fs::is_symlink(place / "exe")) fs::create_symlink(exe, place / "exe");
  }
  void end(int pid) const { fs::remove_all(fs::path(root) / std::to_string(pid)); }
  [[nodiscard]] std::unique_ptr<Probe> by_name(const std::string& name) const {
    return make_process_probe({.pid_file = {}, .exe = {}, .name = name}, root);
  }
  [[nodiscard]] std::unique_ptr<Probe> by_exe(const std::string& exe) const {
    return make_process_probe({.pid_file = {}, .exe = exe, .name = {}}, root);
  }
  [[nodiscard]] std::unique_ptr<Probe> by_file() const {
    return make_process_probe({.pid_file = pid_file, .exe = {}, .name = {}}, root);
  }
};

ProbeResult ask(Probe& probe) {
  return probe.run(Attempt{.deadline = Deadline::after(Duration(1'000))});
}

TEST_SUITE("process probe") {
  TEST_CASE("process: stat is read past a name with blanks and parentheses") {
    const auto facts = parse_process(stat_line(42, "a) S (b", 'R', 777));
    REQUIRE(facts);
    CHECK(facts->parent == 1);
    CHECK(facts->pid == 42);
    CHECK(facts->comm == "a) S (b");
    CHECK(facts->state == 'R');
    CHECK(facts->start_ticks == 777);
    CHECK(facts->threads == 7);
    CHECK(facts->cpu_seconds == 200.0 / static_cast<double>(sysconf(_SC_CLK_TCK)));
    CHECK(facts->resident_bytes == 25.0 * getpagesize());
    CHECK_FALSE(parse_process("42 (cut) S 1 2 3"));
    CHECK_FALSE(parse_process(""));
    CHECK_FALSE(parse_process("x (y) S"));
    CHECK_FALSE(parse_process("42 no parentheses"));
  }

  TEST_CASE("process: alive is pass, gone after that is fail(exited) at once, back is pass") {
    const FakeProc proc;
    proc.process(42, "app");
    const auto probe = proc.by_name("app");
    const auto alive = ask(*probe);
    CHECK(alive.outcome == Outcome::pass);
    CHECK(alive.detail.starts_with("pid 42, up "));
    CHECK(test::measured(alive, "process_up") == 1);
    CHECK(test::measured(alive, "process_threads") == 7);
    CHECK_FALSE(test::measured(alive, "process_open_fds").has_value());

    proc.end(42);
    const auto gone = ask(*probe);
    CHECK(gone.outcome == Outcome::fail);
    CHECK(gone.reason == Reason::exited);
    CHECK(gone.decisive);
    CHECK(gone.detail == "pid 42 is gone");
    CHECK(test::measured(gone, "process_up") == 0);
    CHECK_FALSE(test::measured(gone, "process_threads").has_value());

    proc.process(43, "app", 'S', 200);
    CHECK(ask(*probe).detail.starts_with("pid 43, up "));
  }

  TEST_CASE("process: one that never was there fails with patience: it may be starting") {
    const FakeProc proc;
    proc.process(7, "other");
    const auto result = ask(*proc.by_name("app"));
    CHECK(result.reason == Reason::exited);
    CHECK_FALSE(result.decisive);
    CHECK(result.detail == "no process named app");
    CHECK(ask(*proc.by_exe("/usr/bin/app")).detail == "no process runs /usr/bin/app");
  }

  TEST_CASE("process: a zombie has exited") {
    const FakeProc proc;
    proc.process(42, "app", 'Z');
    const auto by_name = ask(*proc.by_name("app"));
    CHECK(by_name.reason == Reason::exited);
    CHECK(by_name.decisive);
    CHECK(by_name.detail == "pid 42 is a zombie: it has ended");
    write(proc.pid_file, "42\n");
    const auto by_file = ask(*proc.by_file());
    CHECK(by_file.reason == Reason::exited);
    CHECK(by_file.decisive);
    // A brother of the zombie that lives is the process.
    proc.process(43, "app");
    CHECK(ask(*proc.by_name("app")).outcome == Outcome::pass);
  }

  TEST_CASE(
      "process: a pid that another process took over is fail(exited), until the file is new") {
    const FakeProc proc;
    write(proc.pid_file, "42\n");
    proc.process(42, "app", 'S', 100);
    const auto probe = proc.by_file();
    CHECK(ask(*probe).outcome == Outcome::pass);
    proc.process(42, "cron", 'S', 999);
    for (int i = 0; i < 2; ++i) {
      const auto reused = ask(*probe);
      CHECK(reused.reason == Reason::exited);
      CHECK(reused.decisive);
      CHECK(reused.detail == "pid 42 is gone, another process has its number");
    }
    // The app came back, by chance with its old number, and wrote its file anew.
    fs::remove(proc.pid_file);
    write(proc.pid_file, "42\n");
    fs::last_write_time(proc.pid_file, fs::file_time_type::clock::now() + std::chrono::seconds(5));
    CHECK(ask(*probe).outcome == Outcome::pass);
  }

  TEST_CASE("process: by name, a reused pid is not the process any more") {
    const FakeProc proc;
    proc.process(42, "app", 'S', 100);
    const auto probe = proc.by_name("app");
    CHECK(ask(*probe).outcome == Outcome::pass);
    proc.process(42, "cron", 'S', 999);
    CHECK(ask(*probe).reason == Reason::exited);
  }

  TEST_CASE("process: pid files that are missing, empty, odd or name nobody") {
    const FakeProc proc;
    const auto probe = proc.by_file();
    const auto missing = ask(*probe);
    CHECK(missing.reason == Reason::exited);
    CHECK_FALSE(missing.decisive);
    CHECK(missing.detail == "cannot read " + proc.pid_file + ": No such file or directory");
    for (const char* content : {"", "\n", "app", "0", "-1", "99999999999999999999", "4194305"}) {
      CAPTURE(content);
      write(proc.pid_file, content);
      const auto odd = ask(*probe);
      CHECK(odd.reason == Reason::exited);
      CHECK(odd.detail == proc.pid_file + " holds no pid");
    }
    write(proc.pid_file, "43");
    const auto nobody = ask(*probe);
    CHECK(nobody.decisive);
    CHECK(nobody.detail == "pid 43 is gone");
    write(proc.pid_file, " 44 \nmore\n");
    proc.process(44, "app");
    CHECK(ask(*probe).outcome == Outcome::pass);
  }

  TEST_CASE("process: the name is its comm, its program's or its first word's last part") {
    const FakeProc proc;
    using namespace std::string_literals;
    proc.process(1, "MainThread", 'S', 100, "/usr/bin/node\0server.js\0"s, "/opt/node22");
    for (const char* name : {"MainThread", "node", "node22"}) {
      CAPTURE(name);
      CHECK(ask(*proc.by_name(name)).outcome == Outcome::pass);
    }
    for (const char* name : {"nod", "server.js", "bin", "Main"}) {
      CAPTURE(name);
      CHECK(ask(*proc.by_name(name)).outcome == Outcome::fail);
    }
  }

  TEST_CASE("process: exe is the program's file, also one that a deploy has replaced") {
    const FakeProc proc;
    using namespace std::string_literals;
    proc.process(1, "app", 'S', 100, "sh\0"s, "/srv/app (deleted)");
    proc.process(2, "other", 'S', 100, "/srv/hidden\0-x\0"s);
    CHECK(ask(*proc.by_exe("/srv/app")).detail.starts_with("pid 1,"));
    CHECK(ask(*proc.by_exe("/srv/hidden")).detail.starts_with("pid 2,"));
    CHECK(ask(*proc.by_exe("sh")).outcome == Outcome::fail);
  }

  TEST_CASE("process: exe may be a link to the program, as all of /bin is") {
    const FakeProc proc;
    const fs::path usr = fs::canonical(proc.folder.path());
    write(usr / "usr/bin/app", "");
    write(usr / "usr/bin/other", "");
    fs::create_directory_symlink("usr/bin", usr / "bin");
    fs::create_symlink("app", usr / "usr/bin/app-1.2");
    proc.process(42, "app", 'S', 100, "app", usr / "usr/bin/app");
    CHECK(ask(*proc.by_exe(usr / "bin/app")).outcome == Outcome::pass);
    CHECK(ask(*proc.by_exe(usr / "bin/app-1.2")).outcome == Outcome::pass);
    CHECK(ask(*proc.by_exe(usr / "bin/other")).reason == Reason::exited);
    CHECK(ask(*proc.by_exe(usr / "bin/nowhere")).reason == Reason::exited);
  }

  TEST_CASE("process: of several the oldest is watched, and kept while it lives") {
    const FakeProc proc;
    proc.process(30, "app", 'S', 300);
    proc.process(20, "app", 'S', 200);
    const auto probe = proc.by_name("app");
    CHECK(ask(*probe).detail.starts_with("pid 20,"));
    proc.process(10, "app", 'S', 100);
    CHECK(ask(*probe).detail.starts_with("pid 20,"));
    proc.end(20);
    CHECK(ask(*probe).detail.starts_with("pid 10,"));
  }

  TEST_CASE("process: without /proc it is internal, and says what to do") {
    const test::TempDir empty;
    const auto probe =
        make_process_probe({.pid_file = {}, .exe = {}, .name = "app"}, empty.path().string());
    const auto result = ask(*probe);
    CHECK(result.reason == Reason::internal);
    CHECK(result.detail.find("mount it, or remove this check") != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals
