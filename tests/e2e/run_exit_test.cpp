// `vitals run`: how it ends, and what it refuses to begin.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

const std::map<std::string, std::string> anywhere{{"VITALS_LISTEN", "127.0.0.1:0"},
                                                  {"PATH", "/usr/bin:/bin"}};

Finished run_command(const std::vector<std::string>& command,
                     std::map<std::string, std::string> environment = anywhere) {
  std::vector<std::string> words{"run", "--"};
  words.insert(words.end(), command.begin(), command.end());
  return vitals(words, environment);
}

std::map<std::string, std::string> with(const std::string& name, const std::string& value) {
  auto environment = anywhere;
  environment[name] = value;
  return environment;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("run: exit codes 0 to 255 are the app's own") {
  for (int code = 0; code <= 255; ++code) {
    CAPTURE(code);
    CHECK(run_command({"sh", "-c", "exit " + std::to_string(code)}).code == code);
  }
}

TEST_CASE("run: an app that a signal ends gives 128 + its number") {
  for (const int signal :
       {SIGHUP,    SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,    SIGFPE,  SIGKILL,
        SIGUSR1,   SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
        SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSYS,  34,      64}) {
    CAPTURE(signal);
    CHECK(run_command({"sh", "-c", "ulimit -c 0; kill -" + std::to_string(signal) + " $$"}).code ==
          128 + signal);
  }
}

TEST_CASE("run: a command that is not there is 127, one that can't be executed 126, both say so") {
  const auto missing = run_command({"no-such-program-of-vitals"});
  CHECK(missing.code == 127);
  CHECK(contains(missing.output, "vitals: no-such-program-of-vitals: not found"));
  CHECK(run_command({"/no/such/path"}).code == 127);
  CHECK(run_command({""}).code == 127);
  const auto data = run_command({"/etc/passwd"});
  CHECK(data.code == 126);
  CHECK(contains(data.output, "vitals: /etc/passwd: can't be executed: Permission denied"));
  CHECK(run_command({"/"}).code == 126);
}

TEST_CASE("run: without a command it is usage, exit 3") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run"}, {"run", "--"}, {"run", "true"}, {"run", "--link", "0"}}) {
    const auto answer = vitals(words);
    CHECK(answer.code == 3);
    CHECK(contains(answer.output, "vitals run -- node server.js"));
    CHECK(contains(answer.output, "vitals run [--config FILE] -- CMD [ARG...]"));
  }
  const auto typo = vitals({"run", "--confg", "x", "--", "true"});
  CHECK(typo.code == 3);
  CHECK(contains(typo.output, "did you mean '--config'?"));
}

TEST_CASE("run: a bad config starts nothing, lists every mistake, exit 3") {
  const TempDir folder;
  const auto file = folder.write("vitals.toml", "[app]\nrestart = \"always\"\nfront = \"x\"\n");
  const auto mark = folder.path() / "started";
  const auto answer =
      vitals({"run", "--config", file.string(), "--", "touch", mark.string()}, anywhere);
  CHECK(answer.code == 3);
  CHECK(contains(answer.output, "vitals.toml:2:1: app: 'restart'"));
  CHECK(contains(answer.output, "vitals.toml:3:1: app: 'front'"));
  CHECK(!std::filesystem::exists(mark));
}

TEST_CASE(
    "run: a user that is not there starts nothing, exit 3; validate alone says so, for it may be "
    "elsewhere") {
  const TempDir folder;
  const auto file = folder.write(
      "vitals.toml", "[app]\nstop_timeout = \"1s\"\nuser = \"no-such-user-of-vitals\"\n");
  const auto mark = folder.path() / "started";
  const std::string said = "vitals.toml:3:1: app: 'user': ";
  const std::string way_out = "write \"uid:gid\", or create it in the image";
  for (const char* release : {"", "1"}) {
    CAPTURE(release);
    const auto answer = vitals({"run", "--config", file.string(), "--", "touch", mark.string()},
                               with("RELEASE_COMMAND", release));
    CHECK(answer.code == 3);
    CHECK(contains(answer.output, said + "there is no user 'no-such-user-of-vitals'"));
    CHECK(contains(answer.output, way_out));
    CHECK(!std::filesystem::exists(mark));
  }
  const auto validated = vitals({"validate", "--config", file.string()});
  CHECK(validated.code == 0);
  CHECK(contains(validated.output, said + "on this machine there is no user"));
  CHECK(contains(validated.output, way_out));
}

TEST_CASE("run: a one-off command minds no mistake of the config but in its own user") {
  const TempDir folder;
  const auto ends = [&](const std::string& text) {
    const auto file = folder.write("vitals.toml", text);
    return vitals({"run", "--config", file.string(), "--", "sh", "-c", "echo migrated; exit 7"},
                  with("RELEASE_COMMAND", "1"));
  };
  const auto migrated = ends(
      "[app]\nrestart = \"always\"\nfront = \"x\"\n[checks.web]\nkind = \"http\"\n"
      "url = \"http://${UNSET}/\"\n[checks.other]\nkind = \"htp\"\n[nonsense]\n");
  CHECK(migrated.code == 7);
  CHECK(migrated.output == "migrated\n");

  const auto bad_user = ends("[app]\nuser = \"a:b:c\"\nrestart = \"always\"\n");
  CHECK(bad_user.code == 3);
  CHECK(contains(bad_user.output, "vitals.toml:2:1: app: 'user'"));
  CHECK(!contains(bad_user.output, "restart"));
  const auto unset = ends("[app]\nuser = \"${UNSET}\"\n");
  CHECK(unset.code == 3);
  CHECK(contains(unset.output, "UNSET"));
  CHECK(ends("[app]\nuser = \"no-such-user-of-vitals\"\n").code == 3);
  CHECK(ends("app = 3\n").code == 3);
  const auto broken = ends("[app\n");
  CHECK(broken.code == 3);
  CHECK(contains(broken.output, "vitals.toml:1:"));
  const auto absent =
      vitals({"run", "--config", "/no/such/file.toml", "--", "true"}, with("RELEASE_COMMAND", "1"));
  CHECK(absent.code == 3);
}

TEST_CASE("run: when it can't listen, nothing is started, exit 1") {
  const DeafListener taken;
  const TempDir folder;
  const auto mark = folder.path() / "started";
  const auto answer = run_command(
      {"touch", mark.string()}, with("VITALS_LISTEN", "127.0.0.1:" + std::to_string(taken.port())));
  CHECK(answer.code == 1);
  CHECK(contains(answer.output, std::to_string(taken.port())));
  CHECK(!std::filesystem::exists(mark));
}

TEST_CASE("run: a one-off command of Fly takes our place, without agent") {
  for (const char* variable : {"RELEASE_COMMAND", "FLY_TEST_COMMAND"}) {
    CAPTURE(variable);
    const auto answer = run_command({"sh", "-c", "echo only this; exit 4"}, with(variable, "1"));
    CHECK(answer.code == 4);
    CHECK(answer.output == "only this\n");
    CHECK(run_command({"sh", "-c", "kill -9 $$"}, with(variable, "1")).code == 128 + SIGKILL);
    CHECK(run_command({"/no/such/path"}, with(variable, "1")).code == 127);
    // Empty is not set: the agent runs.
    CHECK(contains(run_command({"true"}, with(variable, "")).output, "msg=listening"));
  }
}

}  // namespace
}  // namespace vitals::test
