// `vitals run`: restarts, their budget, the watchdog, and kills for want of memory.
#include <doctest/doctest.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/skipped.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

double process_metric(const Agent& agent, const std::string& name) {
  return agent.metric("vitals_process_" + name, {{"process", "app"}});
}

bool says(const Agent& agent, const std::string& text) {
  return const_cast<Agent&>(agent).process().output().find(text) != std::string::npos;
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string web_check(std::uint16_t port, const std::string& more = "") {
  return "[checks.web]\nkind = \"http\"\nurl = \"http://127.0.0.1:" + std::to_string(port) +
         "/\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\nfall = 2\nrise = 1\n" + more;
}

TEST_CASE("run: an app that fails is started again, and tells so in metrics and log") {
  const auto port = free_port();
  Agent agent("[app]\nrestart = \"on-failure\"\n", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  // Down for 1 s, 2 s, and 4 s: the last is long enough to be seen for sure.
  for (int restart = 1; restart <= 3; ++restart) {
    CAPTURE(restart);
    const int last = pid_of_web_app(port);
    REQUIRE(last != 0);
    http(port, "/exit?9");
    if (restart == 3) CHECK(eventually([&] { return process_metric(agent, "up") == 0; }));
    CHECK(eventually([&] { return process_metric(agent, "last_exit_code") == 9; }));
    CHECK(eventually([&] {
      const int now = pid_of_web_app(port);
      return now != 0 && now != last;
    }));
    CHECK(eventually([&] { return process_metric(agent, "restarts_total") == restart; }));
    CHECK(process_metric(agent, "up") == 1);
  }
  for (const char* delay : {"1000", "2000", "4000"}) {
    CHECK(eventually([&] {
      return says(agent,
                  std::string("msg=\"app ended\" code=9 cause=exited restart_in_ms=") + delay);
    }));
  }
  // Success is no failure.
  http(port, "/exit?0");
  CHECK(agent.process().wait(30s) == 0);
}

TEST_CASE("run: without restart the app's end is the end of everything") {
  const auto port = free_port();
  Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  http(port, "/exit?9");
  CHECK(agent.process().wait(30s) == 9);
  CHECK(!accepts_tcp(agent.port()));
}

// 1 + 2 + 4 + 8 + 16 s: in real time, for this is the promise.
TEST_CASE("run: an app in a crash loop is given up after five restarts, with its code") {
  const TempDir folder;
  const auto mark = (folder.path() / "starts").string();
  const auto begin = SteadyClock::now();
  Agent agent("[app]\nrestart = \"on-failure\"\n",
              {.command = {"sh", "-c", "echo x >> " + mark + "; exit 23"}});
  CHECK(agent.process().wait(60s) == 23);
  CHECK(SteadyClock::now() - begin >= 31s);
  CHECK(lines_of(mark).size() == 6);
}

TEST_CASE("run: TERM while the app waits for its next start ends with its last code") {
  Agent agent("[app]\nrestart = \"on-failure\"\n", {.command = {"sh", "-c", "exit 6"}});
  REQUIRE(eventually([&] { return says(agent, "restart_in_ms"); }));
  CHECK(agent.process().stop() == 6);
}

TEST_CASE(
    "run: the watchdog starts an app again that stopped answering, once, and the verdict "
    "recovers") {
  const auto port = free_port();
  Agent agent(web_check(port) +
                  "[app]\nwatchdog = \"web\"\nwatchdog_after = \"2s\"\nstop_timeout = \"1s\"\n",
              {.command = web_app(port)});
  REQUIRE(eventually([&] { return agent.get("/health").status == 200; }));
  const int stuck = pid_of_web_app(port);
  // It looks once a second, and has to have seen it pass.
  REQUIRE(stays([&] { return agent.get("/health").status == 200; }, 2s));
  kill(stuck, SIGSTOP);
  CHECK(eventually([&] { return agent.get("/health").status == 503; }));
  CHECK(eventually([&] { return agent.get("/health").status == 200; }, 30s));
  const int next = pid_of_web_app(port);
  CHECK(next != 0);
  CHECK(next != stuck);
  CHECK(kill(stuck, 0) != 0);
  CHECK(process_metric(agent, "restarts_total") == 1);
  // What was stopped is woken with its TERM, and so could even end in order.
  CHECK(process_metric(agent, "last_exit_code") == 7);
  CHECK(process_metric(agent, "oom_kills_total") == 0);
  CHECK(count_of(agent.process().output(), "watchdog: the app is stuck") == 1);
  CHECK(says(agent, "cause=watchdog"));
  CHECK(agent.process().stop() == 7);
}

TEST_CASE(
    "run: the watchdog is quiet while a shared critical check fails, and before the app "
    "passed once") {
  const auto port = free_port();
  ScriptedServer shared(answering(http_answer("500 Broken", "no")));
  Agent agent(web_check(port) + "[checks.db]\nkind = \"http\"\nurl = \"" + shared.url() +
                  "\"\nscope = \"shared\"\nimpact = \"critical\"\ninterval = \"500ms\"\n"
                  "timeout = \"400ms\"\nfall = 1\n"
                  "[app]\nwatchdog = \"web\"\nwatchdog_after = \"1s\"\nstop_timeout = \"1s\"\n",
              {.command = web_app(port)});
  REQUIRE(eventually([&] { return agent.status_of("web") == "pass"; }));
  REQUIRE(eventually([&] { return agent.status_of("db") == "fail"; }));
  const int app = pid_of_web_app(port);
  REQUIRE(stays([&] { return agent.status_of("web") == "pass"; }, 2s));
  kill(app, SIGSTOP);
  REQUIRE(eventually([&] { return agent.status_of("web") == "fail"; }));
  // Four times as long as it would wait.
  CHECK(stays([&] { return kill(app, 0) == 0 && !says(agent, "watchdog:"); }, 4s));
  kill(app, SIGCONT);
}

TEST_CASE("run: a KILL from anybody else is no kill for want of memory") {
  const auto port = free_port();
  Agent agent("[app]\nrestart = \"on-failure\"\n", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  kill(pid_of_web_app(port), SIGKILL);
  CHECK(eventually([&] { return process_metric(agent, "last_exit_code") == 137; }));
  CHECK(process_metric(agent, "oom_kills_total") == 0);
  CHECK(eventually([&] { return says(agent, "msg=\"app ended\" code=137 cause=killed"); }));
}

/// A memory cgroup of 24 MB, of version 1 or 2; empty where this machine gives none.
class MemoryCgroup {
 public:
  MemoryCgroup() {
    const std::string name = "vitals-test-" + std::to_string(getpid());
    for (const auto& [root, limit] : {std::pair{"/sys/fs/cgroup/memory/", "memory.limit_in_bytes"},
                                      std::pair{"/sys/fs/cgroup/", "memory.max"}}) {
      const std::filesystem::path path = root + name;
      std::error_code failed;
      if (!std::filesystem::create_directory(path, failed) || failed) continue;
      if (std::filesystem::exists(path / limit) && write(path / limit, "25165824")) {
        write(path / "memory.swap.max", "0");
        path_ = path;
        return;
      }
      std::filesystem::remove(path, failed);
    }
  }
  ~MemoryCgroup() {
    if (path_.empty()) return;
    // Its last process may be a zombie for a moment.
    eventually([&] { return rmdir(path_.c_str()) == 0; });
  }
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;
  [[nodiscard]] bool made() const { return !path_.empty(); }
  [[nodiscard]] std::string members() const { return (path_ / "cgroup.procs").string(); }

 private:
  static bool write(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out(file);
    out << text << std::flush;
    return out.good();
  }
  std::filesystem::path path_;
};

TEST_CASE("run: an app that the kernel kills for want of memory: exit 137, metric, one log line") {
  const MemoryCgroup cgroup;
  if (!cgroup.made()) {
    skipped("no memory cgroup can be made here: the kill for want of memory");
    return;
  }
  // The app alone is in the cgroup, as if the Machine were small. It waits for a word: the end of
  // the app is the end of everything, and the agent has to be seen first.
  const TempDir folder;
  const auto word = (folder.path() / "word").string();
  const std::vector<std::string> hog{"sh", "-c",
                                     "while [ ! -e " + word +
                                         " ]; do sleep 0.05; done; echo $$ > " + cgroup.members() +
                                         " && exec perl -e 'my @a; push @a, \"x\" x 1e6 while 1'"};
  {
    Agent agent("[app]\nrestart = \"on-failure\"\n", {.command = hog});
    folder.write("word", "go");
    CHECK(eventually([&] { return process_metric(agent, "oom_kills_total") >= 1; }, 30s));
    CHECK(process_metric(agent, "last_exit_code") == 137);
    CHECK(eventually([&] {
      return says(agent, "level=error msg=\"app killed for want of memory\" code=137 cause=oom");
    }));
    agent.process().stop();
  }
  std::filesystem::remove(word);
  Agent agent("", {.command = hog});
  folder.write("word", "go");
  CHECK(agent.process().wait(30s) == 137);
  CHECK(count_of(agent.process().output(), "app killed for want of memory") == 1);
}

}  // namespace
}  // namespace vitals::test
