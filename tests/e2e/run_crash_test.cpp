// `vitals run`: the agent dies, the supervisor dies, and what the app is given at its start.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/occurrences.hpp"
#include "tests/support/skipped.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/time_slice.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

/// 0: that process has no such thread.
int thread_named(int pid, const std::string& name) {
  const auto threads = std::filesystem::path("/proc") / std::to_string(pid) / "task";
  for (const auto& thread : std::filesystem::directory_iterator(threads)) {
    const auto lines = lines_of((thread.path() / "comm").string());
    if (!lines.empty() && lines.front() == name) return std::stoi(thread.path().filename());
  }
  return 0;
}

TEST_CASE(
    "run: the agent dies ten times, the app's requests notice nothing, and the agent comes "
    "back within 2 s knowing the app") {
  const auto port = free_port();
  Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  const int app = pid_of_web_app(port);
  REQUIRE(eventually([&] { return agent.metric("vitals_process_up", {{"process", "app"}}) == 1; }));
  const double started = agent.metric("vitals_process_start_time_seconds", {{"process", "app"}});
  CHECK(started > 1.7e9);

  std::atomic<int> served{0};
  std::atomic<int> failed{0};
  std::jthread client([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) ++(http(port, "/").status == 200 ? served : failed);
  });
  const int supervisor = agent.process().pid();
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    const int victim = agent_of(supervisor);
    REQUIRE(victim != 0);
    kill(victim, i % 2 == 0 ? SIGKILL : SIGSEGV);
    const Stopwatch watch;
    REQUIRE(eventually([&] { return kill(victim, 0) != 0; }));
    // Nobody is refused: who asks now is answered by the next agent.
    CHECK(agent.get("/health").status == 200);
    CHECK(watch.took().own() < 2s);
    const bool back = eventually([&] {
      const int next = agent_of(supervisor);
      return next != 0 && next != victim && agent.get("/health").status == 200;
    });
    REQUIRE_MESSAGE(back, agent.process().output());
    CHECK(watch.took().own() < 2s);
    CHECK(agent.metric("vitals_process_start_time_seconds", {{"process", "app"}}) == started);
    CHECK(agent.metric("vitals_process_restarts_total", {{"process", "app"}}) == 0);
  }
  client.request_stop();
  client.join();
  CHECK(failed == 0);
  CHECK(served > 10);
  CHECK(pid_of_web_app(port) == app);
  CHECK(eventually([&] {
    return agent.process().output().find("a process beside the app died and is started again") !=
           std::string::npos;
  }));
  CHECK(agent.process().stop() == 7);
}

TEST_CASE("run: an agent that dies after its file went bad comes back with what was in force") {
  const auto port = free_port();
  const std::string before =
      "[checks.app]\nkind = \"tcp\"\ninterval = \"1s\"\naddress = \"127.0.0.1:" +
      std::to_string(port) + "\"\n";
  Agent agent(before, {.command = web_app(port)});
  REQUIRE(eventually([&] { return agent.status_of("app") == "pass"; }));
  const TempDir& folder = agent.directory();
  folder.write("vitals.toml", "[checks.app\n");
  const int victim = agent_of(agent.process().pid());
  REQUIRE(victim != 0);
  kill(victim, SIGKILL);
  REQUIRE(eventually([&] {
    const int next = agent_of(agent.process().pid());
    return next != 0 && next != victim && agent.status_of("app") == "pass";
  }));
  CHECK(agent.metric("vitals_config_last_reload_successful") == 0);
  CHECK(eventually([&] {
    return agent.process().output().find("config rejected, nothing changed") != std::string::npos;
  }));
  // What is in force is what the next one gets, too.
  const int second = agent_of(agent.process().pid());
  REQUIRE(second != 0);
  kill(second, SIGKILL);
  CHECK(eventually([&] {
    const int next = agent_of(agent.process().pid());
    return next != 0 && next != second && agent.status_of("app") == "pass";
  }));
}

TEST_CASE("run: an agent that dies after its file is gone does not go by the environment") {
  const TempDir folder;
  const auto port = free_port();
  const auto file =
      folder.write("vitals.toml", "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) +
                                      "\"\n[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                                      std::to_string(free_port()) + "\"\n");
  Process supervisor({.argv = {vitals_binary(), "run", "--", "sleep", "100000"},
                      .environment = {{"VITALS_LISTEN", "127.0.0.1:" + std::to_string(port)}},
                      .directory = folder.path()});
  REQUIRE(eventually([&] { return http(port, "/health/check/app").status == 503; }));
  std::filesystem::remove(file);
  const int victim = agent_of(supervisor.pid());
  REQUIRE(victim != 0);
  kill(victim, SIGKILL);
  REQUIRE(eventually([&] {
    const int next = agent_of(supervisor.pid());
    return next != 0 && next != victim && http(port, "/health/check/app").status == 503;
  }));
  const int second = agent_of(supervisor.pid());
  kill(second, SIGHUP);
  CHECK(eventually(
      [&] { return occurrences(supervisor.output(), "config rejected, nothing changed") == 2; }));
  CHECK(http(port, "/health/check/app").status == 503);
}

TEST_CASE("run: an agent that dies after a reload to an address it can't have stays where it was") {
  const DeafListener other;
  Agent agent("", {.command = web_app(free_port())});
  REQUIRE(eventually([&] { return agent.get("/health").status == 200; }));
  const std::string ours = std::to_string(agent.port());
  const auto count = [&](const std::string& text) {
    return occurrences(agent.process().output(), text);
  };
  std::size_t reloads = 0;
  // Somebody else's, and one where the listener that the supervisor keeps is in the way.
  for (const std::string& listen :
       {"127.0.0.1:" + std::to_string(other.port()), "0.0.0.0:" + ours}) {
    CAPTURE(listen);
    agent.directory().write("vitals.toml", "[server]\nlisten = \"" + listen + "\"\n");
    const int victim = agent_of(agent.process().pid());
    kill(victim, SIGHUP);
    REQUIRE(eventually([&] { return count("config reloaded") == reloads + 1; }));
    ++reloads;
    const std::size_t told = count("a new listen address needs a restart");
    kill(victim, SIGKILL);
    REQUIRE(eventually([&] {
      const int next = agent_of(agent.process().pid());
      return next != 0 && next != victim && agent.get("/health").status == 200;
    }));
    CHECK(eventually([&] { return count("a new listen address needs a restart") == told + 1; }));
  }
  CHECK(count("msg=listening address=127.0.0.1:" + ours) == 3);
}

TEST_CASE("run: an agent that dies while files of its secrets are gone comes back without them") {
  const auto port = free_port();
  const TempDir secrets;
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/";
  const auto in_file = [&](const std::string& name, const std::string& content) {
    return "{ file = \"" + secrets.write(name, content).string() + "\" }";
  };
  Agent agent("[checks.app]\nkind = \"http\"\ninterval = \"2s\"\nurl = " + in_file("url", url) +
                  "\nca_file = \"" + secrets.write("ca.pem", "no CA").string() + "\"\n",
              {.server_lines = "token = " + in_file("token", "token-of-the-test") + "\n",
               .command = web_app(port)});
  REQUIRE(eventually([&] { return agent.status_of("app") == "pass"; }));
  const int app = pid_of_web_app(port);
  for (const char* name : {"url", "token", "ca.pem"}) {
    std::filesystem::remove(secrets.path() / name);
  }
  // Twice: what is in force is what the next one gets, too.
  for (int i = 0; i < 2; ++i) {
    CAPTURE(i);
    const int victim = agent_of(agent.process().pid());
    REQUIRE(victim != 0);
    kill(victim, SIGKILL);
    // What is gone is not asked with: only loading goes by what it was.
    REQUIRE(eventually([&] {
      const int next = agent_of(agent.process().pid());
      const std::string status = agent.status_of("app");
      return next != 0 && next != victim && !status.empty() && status != "pass";
    }));
    CHECK(eventually([&] { return agent.metric("vitals_config_last_reload_successful") == 0; }));
  }
  CHECK(eventually(
      [&] { return agent.process().output().find("cannot read") != std::string::npos; }));
  secrets.write("url", url);
  CHECK(eventually([&] { return agent.status_of("app") == "pass"; }, 30s));
  CHECK(pid_of_web_app(port) == app);
}

TEST_CASE("run: an agent that comes back in the midst of a shared outage is ready again") {
  const auto port = free_port();
  std::optional<DeafListener> shared(std::in_place);
  const auto tcp = [](const std::string& name, std::uint16_t to) {
    return "[checks." + name + "]\nkind = \"tcp\"\ninterval = \"500ms\"\nimpact = \"critical\"\n" +
           "address = \"127.0.0.1:" + std::to_string(to) + "\"\n";
  };
  Agent agent(tcp("app", port) + tcp("db", shared->port()) + "scope = \"shared\"\n",
              {.command = web_app(port)});
  const auto is_ready = [&] { return agent.get("/health/ready").status == 200; };
  REQUIRE(eventually(is_ready));
  shared.reset();
  REQUIRE(eventually([&] { return agent.status_of("db") == "fail"; }));
  CHECK(is_ready());
  const int victim = agent_of(agent.process().pid());
  REQUIRE(victim != 0);
  kill(victim, SIGKILL);
  REQUIRE(eventually([&] {
    const int next = agent_of(agent.process().pid());
    return next != 0 && next != victim && agent.status_of("db") == "fail";
  }));
  CHECK(eventually(is_ready));
  CHECK(agent.metric("vitals_fail_open") == 1);
}

TEST_CASE(
    "run: the supervisor dies: the app gets TERM at once, the agent drains, ends, and frees "
    "its port") {
  const auto port = free_port();
  Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  const int app = pid_of_web_app(port);
  const int beside = agent_of(agent.process().pid());
  agent.process().signal(SIGKILL);
  CHECK(eventually([&] { return kill(app, 0) != 0; }));
  CHECK(eventually([&] { return kill(beside, 0) != 0; }));
  CHECK(!accepts_tcp(agent.port()));
  CHECK(eventually(
      [&] { return agent.process().output().find("the supervisor died") != std::string::npos; }));
}

TEST_CASE(
    "run: the supervisor dies over an app that ignores TERM: the agent kills it, all of its "
    "group, after stop_timeout") {
  const TempDir folder;
  const auto mark = (folder.path() / "pids").string();
  const auto script = R"($SIG{TERM} = 'IGNORE'; my $p = fork; if (!$p) { sleep 1 while 1 }
      open(my $o, '>', $ARGV[0]); print $o "$$\n$p\n"; close $o; sleep 1 while 1;)";
  Agent agent("[app]\nstop_timeout = \"4s\"\n", {.command = perl(script, {mark})});
  REQUIRE(eventually([&] { return lines_of(mark).size() == 2; }));
  const auto begin = SteadyClock::now();
  agent.process().signal(SIGKILL);
  CHECK(eventually([&] { return agent.get("/health?format=line").body == "fail: draining\n"; }));
  for (const auto& line : lines_of(mark)) {
    const int pid = std::atoi(line.c_str());
    CHECK(eventually([&] {
      // A killed orphan is init's to reap.
      for (const auto& process : all_processes()) {
        if (process.pid == pid && process.state != 'Z') return false;
      }
      return true;
    }));
  }
  CHECK(SteadyClock::now() - begin >= 4s);
}

/// Prints what it was born with, and the result of the same without us.
TEST_CASE(
    "run: the app is born as without us: mask, dispositions, limits, descriptors, "
    "environment") {
  const auto script = R"(
    open(my $s, '<', '/proc/self/status'); while (<$s>) { print if /^(Sig(Blk|Ign|Cgt)|NoNewPrivs)/ }
    open(my $l, '<', '/proc/self/limits'); print <$l>;
    opendir(my $d, '/proc/self/fd'); my $own = fileno($d) // -1;
    for (sort grep { /\d/ } readdir $d) { my $to = readlink "/proc/self/fd/$_";
      print "fd $_\n" if defined $to && $to !~ m{/proc/|^/.*/fd$} && $_ > 2 }
    print "$_=$ENV{$_}\n" for sort grep { $_ ne 'VITALS_LISTEN' } keys %ENV;
    print "dumpable\n" if -r '/proc/self/environ'; print "cwd ", `pwd`;
    print 'stdin ', -t STDIN ? 'tty' : readlink('/proc/self/fd/0'), "\n";)";
  // Odd ones on purpose: USR1 ignored, USR2 blocked, low limits, an open descriptor.
  const auto wrap = [&](const std::string& prefix) {
    return run(
        {{"perl", "-e",
          "use POSIX; $SIG{USR1} = 'IGNORE'; $SIG{CHLD} = 'IGNORE';"
          "POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2));"
          "exec 'sh', '-c', 'ulimit -Sn 512; ulimit -Sc 0; exec 7</etc/passwd; exec \"$@\"',"
          "'sh', @ARGV;",
          "--", "sh", "-c", prefix + "perl -e \"$SCRIPT\" > \"$OUT\""},
         {{"SCRIPT", script}, {"VITALS_LISTEN", "127.0.0.1:0"}, {"BINARY", vitals_binary()}}});
  };
  const TempDir folder;
  const auto born = [&](const std::string& name, const std::string& words) {
    const auto out = (folder.path() / name).string();
    const auto finished = wrap("OUT='" + out + "'; " + words);
    CAPTURE(finished.output);
    CHECK(finished.code == 0);
    return lines_of(out);
  };
  const auto bare = born("bare", "exec ");
  const auto wrapped = born("wrapped", "exec \"$BINARY\" run -- ");
  CHECK(bare.size() > 20);
  CHECK(wrapped == bare);
}

TEST_CASE("run: [app] user is who the app becomes, with its groups and no way back") {
  if (geteuid() != 0) return skipped("[app] user takes root");
  const auto who = [](const std::string& user, const std::map<std::string, std::string>& more) {
    const TempDir folder;
    const auto file = folder.write("vitals.toml", "[app]\nuser = \"" + user + "\"\n");
    auto environment = more;
    environment["VITALS_LISTEN"] = "127.0.0.1:0";
    environment["PATH"] = "/usr/bin:/bin";
    const auto out = folder.path() / "out";
    const auto mark = folder.write("out", "");
    std::filesystem::permissions(mark, std::filesystem::perms::all);
    const auto finished =
        vitals({"run", "--config", file.string(), "--", "sh", "-c",
                "(id -u; id -g; id -G; grep '^[UG]id' /proc/self/status) > " + out.string()},
               environment);
    CAPTURE(finished.output);
    CHECK(finished.code == 0);
    return lines_of(out.string());
  };
  const std::vector<std::string> nobody{"65534", "65534", "65534",
                                        "Uid:\t65534\t65534\t65534\t65534",
                                        "Gid:\t65534\t65534\t65534\t65534"};
  CHECK(who("nobody", {}) == nobody);
  CHECK(who("65534:65534", {}) == nobody);
  CHECK(who("nobody", {{"RELEASE_COMMAND", "1"}}) == nobody);
  const TempDir folder;
  const auto file = folder.write("vitals.toml", "[app]\nuser = \"nobody-here\"\n");
  for (const char* one_off : {"", "1"}) {
    const auto refused = vitals({"run", "--config", file.string(), "--", "true"},
                                {{"VITALS_LISTEN", "127.0.0.1:0"}, {"RELEASE_COMMAND", one_off}});
    CHECK(refused.code == 3);
    CHECK(refused.output.find("there is no user 'nobody-here'") != std::string::npos);
  }
}

TEST_CASE("run: who answers takes short turns of the CPU, the app those of everybody") {
  const auto port = free_port();
  Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  const auto usual = time_slice(getpid());
  CHECK(time_slice(pid_of_web_app(port)) == usual);
  const auto answering = thread_named(agent_of(agent.process().pid()), "http");
  REQUIRE(answering != 0);
  if (usual.count() == 0) return skipped("turns of a chosen length take Linux 6.12");
  CHECK(time_slice(answering) < usual);
}

TEST_CASE("run: the supervisor owns less than 1 MB, and rests when nothing happens") {
  const auto port = free_port();
  Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  const auto pid = std::to_string(agent.process().pid());
  double dirty_kib = -1;
  for (const auto& line : lines_of("/proc/" + pid + "/smaps_rollup")) {
    if (line.starts_with("Private_Dirty:")) dirty_kib = std::atof(line.c_str() + 14);
  }
  if (geteuid() == 0) {  // it is not dumpable: nobody else may look
    CHECK(dirty_kib > 0);
    CHECK(dirty_kib <= 1'000);
  } else {
    skipped("what the supervisor owns is for root to see");
  }
  const auto switches = [&] {
    for (const auto& line : lines_of("/proc/" + pid + "/status")) {
      if (line.starts_with("voluntary_ctxt_switches:")) return std::atol(line.c_str() + 24);
    }
    return -1L;
  };
  // The last of the start may still be on its way.
  CHECK(eventually([&] {
    const long before = switches();
    REQUIRE(before > 0);
    return stays([&] { return switches() == before; }, 1500ms);
  }));
}

}  // namespace
}  // namespace vitals::test
