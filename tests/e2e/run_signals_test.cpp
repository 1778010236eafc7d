// `vitals run`: signals, the order of a drain, and the processes that an app leaves behind.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <future>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

/// Writes each signal it gets, by name, as a line into ARGV[0]; "ready" first. Ends on USR2 with 3.
constexpr auto recorder = R"(
$| = 1; open(my $out, '>>', $ARGV[0]); $out->autoflush(1);
for my $name (qw(TERM INT HUP QUIT USR1 USR2 WINCH ALRM CONT TTIN TTOU PIPE URG IO)) {
  $SIG{$name} = sub { print $out "$_[0]\n"; exit 3 if $_[0] eq 'USR2' };
}
print $out "ready\n";
sleep 1 while 1;
)";

/// Ignores TERM and INT.
constexpr auto stubborn = R"($SIG{TERM} = $SIG{INT} = 'IGNORE';
open(my $out, '>', $ARGV[0]); print $out "ready\n"; close $out; sleep 1 while 1;)";

bool has_line(const std::string& path, const std::string& line) {
  const auto lines = lines_of(path);
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST_CASE("run: every signal that can be caught reaches the app, one by one") {
  const TempDir folder;
  const auto record = (folder.path() / "record").string();
  Agent agent("[app]\nstop_timeout = \"20s\"\n",
              {.command = perl("use IO::Handle;" + std::string(recorder), {record})});
  REQUIRE(eventually([&] { return has_line(record, "ready"); }));
  const std::vector<std::pair<int, std::string>> signals{
      {SIGHUP, "HUP"},   {SIGQUIT, "QUIT"}, {SIGUSR1, "USR1"}, {SIGWINCH, "WINCH"},
      {SIGALRM, "ALRM"}, {SIGCONT, "CONT"}, {SIGTTIN, "TTIN"}, {SIGTTOU, "TTOU"},
      {SIGPIPE, "PIPE"}, {SIGURG, "URG"},   {SIGIO, "IO"},     {SIGTERM, "TERM"},
      {SIGINT, "INT"},   {SIGTERM, "TERM"}};
  std::vector<std::string> expected{"ready"};
  for (const auto& [number, name] : signals) {
    CAPTURE(name);
    agent.process().signal(number);
    expected.push_back(name);
    REQUIRE(eventually([&] { return lines_of(record) == expected; }));
  }
  agent.process().signal(SIGUSR2);
  CHECK(agent.process().wait(10s) == 3);
}

TEST_CASE("run: HUP is the app's and reloads our config, too") {
  const TempDir folder;
  const auto record = (folder.path() / "record").string();
  Agent agent("", {.command = perl("use IO::Handle;" + std::string(recorder), {record})});
  REQUIRE(eventually([&] { return has_line(record, "ready"); }));
  agent.reload("[app]\nstop_timeout = \"300ms\"\n");
  CHECK(eventually([&] { return has_line(record, "HUP"); }));
  CHECK(eventually(
      [&] { return agent.process().output().find("config reloaded") != std::string::npos; }));
  // The new limit holds: the recorder survives TERM, but not KILL 300 ms later.
  const Stopwatch watch;
  CHECK(agent.process().stop(SIGTERM, 10s) == 128 + SIGKILL);
  CHECK(watch.took().own() < 3s);
}

TEST_CASE("run: an app that ignores TERM is killed after stop_timeout, not before") {
  const TempDir folder;
  const auto mark = (folder.path() / "mark").string();
  Agent agent("[app]\nstop_timeout = \"1s\"\n", {.command = perl(stubborn, {mark})});
  REQUIRE(eventually([&] { return has_line(mark, "ready"); }));
  const Stopwatch watch;
  CHECK(agent.process().stop(SIGTERM, 10s) == 128 + SIGKILL);
  const Took took = watch.took();
  CHECK(took.elapsed >= 1s);
  CHECK(took.own() < 3s);
}

TEST_CASE(
    "run: on TERM the verdict goes first, then drain_delay, then the app's signal, then the "
    "request in flight, then its code") {
  const auto port = free_port();
  Agent agent("[app]\ndrain_delay = \"2s\"\nstop_timeout = \"20s\"\n", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  REQUIRE(eventually([&] { return agent.get("/health").status == 200; }));
  auto request = std::async(std::launch::async, [&] { return http(port, "/slow?6000"); });
  REQUIRE(eventually([&] { return serves_slowly(agent.process().output()); }));

  const auto begin = SteadyClock::now();
  const Stopwatch watch;
  agent.process().signal(SIGTERM);
  REQUIRE(eventually([&] { return agent.get("/health?format=line").body == "fail: draining\n"; }));
  const Took drained = watch.took();
  CHECK(agent.get("/health/ready").status == 503);
  CHECK(http(agent.port(), "/undrain", {}, "POST").status == 204);
  CHECK(agent.get("/health").status == 503);
  // Sooner than the app's signal: that comes 2 s later.
  CHECK(drained.own() < 500ms);
  CHECK(request.get().status == 200);
  const auto answered = SteadyClock::now() - begin;
  const Stopwatch rest;
  CHECK(agent.process().wait(20s) == 7);
  // The signal came while the request ran: the app ended when that was over, and with its code.
  CHECK(answered >= 2s);
  CHECK(rest.took().own() < 3s);
}

TEST_CASE(
    "run: the app has no signal before drain_delay is over, and a second one ends the delay") {
  const TempDir folder;
  const auto record = (folder.path() / "record").string();
  Agent agent("[app]\ndrain_delay = \"60s\"\nstop_timeout = \"2s\"\n",
              {.command = perl("use IO::Handle;" + std::string(recorder), {record})});
  REQUIRE(eventually([&] { return has_line(record, "ready"); }));
  agent.process().signal(SIGTERM);
  REQUIRE(eventually([&] { return agent.get("/health").status == 503; }));
  CHECK(!has_line(record, "TERM"));
  agent.process().signal(SIGINT);
  CHECK(agent.process().wait(30s) == 128 + SIGKILL);
  CHECK(has_line(record, "TERM"));
}

TEST_CASE("run: in a stop the rest of the group has its time, too") {
  const TempDir folder;
  const auto mark = (folder.path() / "mark").string();
  // The shell dies of TERM at once; its child needs half a second more to write its mark.
  const auto script = R"($SIG{TERM} = sub { select(undef, undef, undef, 0.5);
      open(my $o, '>', $ARGV[0] . '.late'); print $o "late\n"; close $o; exit 0 };
      open(my $o, '>', $ARGV[0]); print $o "ready\n"; close $o; sleep 1 while 1;)";
  Agent agent("", {.environment = {{"SCRIPT", script}, {"MARK", mark}},
                   .command = {"sh", "-c", "perl -e \"$SCRIPT\" \"$MARK\" & wait"}});
  REQUIRE(eventually([&] { return has_line(mark, "ready"); }));
  CHECK(agent.process().stop(SIGTERM, 10s) == 128 + SIGTERM);
  CHECK(has_line(mark + ".late", "late"));
}

TEST_CASE("run: when the app ends by itself, nothing of its group is left") {
  const TempDir folder;
  const auto mark = (folder.path() / "pid").string();
  const auto word = (folder.path() / "word").string();
  REQUIRE(run({{"mkfifo", word}}).code == 0);
  Agent agent("",
              {.command = {"sh", "-c",
                           "sleep 1000 & echo $! > " + mark + "; read go < " + word + "; exit 5"}});
  std::ofstream(word) << "go\n";
  CHECK(agent.process().wait(10s) == 5);
  const auto lines = lines_of(mark);
  REQUIRE(lines.size() == 1);
  const int left = std::atoi(lines[0].c_str());
  CHECK(eventually([&] {
    const auto all = all_processes();
    return std::none_of(all.begin(), all.end(), [&](const ProcessLine& process) {
      return process.pid == left && process.state != 'Z';
    });
  }));
}

TEST_CASE("run: grandchildren that daemonise, and a thousand orphans at once, leave no zombie") {
  const TempDir folder;
  const auto mark = (folder.path() / "mark").string();
  const auto script = R"(
    use POSIX 'setsid';
    for (1 .. 1000) { my $p = fork; if (!$p) { my $q = fork; if (!$q) { setsid(); exit 0 } exit 0 }
                      waitpid($p, 0); }
    open(my $o, '>', $ARGV[0]); print $o "ready\n"; close $o; sleep 1 while 1;)";
  Agent agent("", {.command = perl(script, {mark})});
  REQUIRE(eventually([&] { return has_line(mark, "ready"); }, 60s));
  CHECK(eventually([&] {
    const auto children = children_of(agent.process().pid());
    return children.size() == 2 && std::none_of(children.begin(), children.end(),
                                                [](const auto& c) { return c.state == 'Z'; });
  }));
}

TEST_CASE("run: signals that come before the app end the start") {
  const TempDir folder;
  // The config comes through a pipe that nobody writes: the agent never gets ready.
  const auto pipe = folder.path() / "vitals.toml";
  REQUIRE(run({{"mkfifo", pipe.string()}}).code == 0);
  Process process({{vitals_binary(), "run", "--config", pipe.string(), "--", "true"}});
  REQUIRE(eventually([&] { return agent_of(process.pid()) != 0; }));
  CHECK(process.stop(SIGTERM, 10s) == 128 + SIGTERM);
}

}  // namespace
}  // namespace vitals::test
