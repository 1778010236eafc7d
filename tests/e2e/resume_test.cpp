// A Machine that was suspended and comes back: everything stands still for a while, or the wall
// clock jumps. No false red, no false green.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/wall_clock.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

/// A minute takes the same path as a suspend of more than 5 s does.
constexpr auto asleep = 8s;
void expect_standstill(Agent& agent) {
  REQUIRE(eventually([&] { return agent.process().stopped(); }));
  CHECK(stays([&] { return agent.process().stopped(); }, asleep));
}

/// A process and all below it, parents first.
std::vector<int> tree_of(int root) {
  std::vector<int> tree{root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    for (const auto& child : children_of(tree[i])) tree.push_back(child.pid);
  }
  return tree;
}

void suspend(const std::vector<int>& tree) {
  for (const int pid : tree) kill(pid, SIGSTOP);
}
void resume(const std::vector<int>& tree) {
  for (auto pid = tree.rbegin(); pid != tree.rend(); ++pid) kill(*pid, SIGCONT);
}

/// Stale 3.8 s after its last result: on a machine that stands still for some seconds it is not.
std::string quick_check(const std::string& name, const std::string& kind, const std::string& place,
                        const std::string& more = {}) {
  return "[checks." + name + "]\nkind = \"" + kind + "\"\n" + place +
         "interval = \"1s\"\ntimeout = \"800ms\"\n" + more;
}

TEST_CASE(
    "resume: a Machine that stood still comes back without a false red: agent, front door, "
    "watchdog and app") {
  const auto upstream = free_port();
  const auto front = free_port();
  Agent agent("[app]\nfront = \"127.0.0.1:" + std::to_string(front) +
                  "\"\nupstream = \"127.0.0.1:" + std::to_string(upstream) +
                  "\"\nwatchdog = \"app\"\nwatchdog_after = \"2s\"\n" +
                  quick_check("app", "http",
                              "url = \"http://127.0.0.1:" + std::to_string(upstream) + "/\"\n"),
              {.command = {"node", (source_dir() / "tests/support/front_app.js").string(),
                           std::to_string(upstream)}});
  REQUIRE(eventually(
      [&] { return http(front, "/health").status == 200 && app_of(agent.process().pid()) != 0; }));
  // The watchdog looks once a second, and has to have seen it pass.
  CHECK(stays([&] { return http(front, "/health").status == 200; }, 1'500ms));
  const auto tree = tree_of(agent.process().pid());
  REQUIRE(tree.size() == 4);  // the supervisor, the agent, the door, and Node
  RawClient kept(front);
  CHECK(kept.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")->status == 200);

  suspend(tree);
  expect_standstill(agent);
  resume(tree);

  const auto end = SteadyClock::now() + 7s;
  int asked = 0;
  while (SteadyClock::now() < end) {
    ++asked;
    REQUIRE(http(front, "/health").status == 200);
    REQUIRE(http(front, "/health/ready").status == 200);
    const auto answer = agent.get("/health");
    REQUIRE(answer.status == 200);
    REQUIRE(answer.body.find("stale") == std::string::npos);
  }
  CHECK(asked > 10);
  CHECK(kept.ask("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")->body == "app GET /b");
  CHECK(agent.metric("vitals_resumes_total") == 1);
  CHECK(agent.metric("vitals_health_transitions_total", {{"from", "pass"}, {"to", "fail"}}) == 0);
  CHECK(agent.metric("vitals_check_transitions_total",
                     {{"check", "app"}, {"from", "pass"}, {"to", "fail"}}) == 0);
  CHECK(agent.metric("vitals_process_restarts_total", {{"process", "app"}}) == 0);
  CHECK(tree_of(agent.process().pid()) == tree);
}

TEST_CASE("resume: what died while the Machine stood still is green for 5 s at most") {
  std::optional<RedisServer> dependency;
  dependency.emplace();
  Agent agent(quick_check("db", "tcp",
                          "address = \"127.0.0.1:" + std::to_string(dependency->port()) + "\"\n",
                          "impact = \"critical\"\n"),
              {.command = {"sleep", "1000"}});
  REQUIRE(eventually([&] { return agent.get("/health").status == 200; }));
  // The app may start a moment after the agent answers.
  REQUIRE(eventually([&] { return app_of(agent.process().pid()) != 0; }));
  const auto tree = tree_of(agent.process().pid());
  REQUIRE(tree.size() == 3);
  suspend(tree);
  dependency.reset();
  expect_standstill(agent);
  resume(tree);
  // Three attempts, or the end of the grace, whichever comes first; the rest is for a busy machine.
  CHECK(eventually([&] { return agent.get("/health").status == 503; }, 6s));
  const auto end = SteadyClock::now() + 3s;
  while (SteadyClock::now() < end) REQUIRE(agent.get("/health").status == 503);
  CHECK(agent.field_of("db", "reason") == "refused");
  CHECK(agent.metric("vitals_resumes_total") == 1);
}

/// `vitals serve` with one check that would be asked once an hour.
class SteppedAgent {
 public:
  explicit SteppedAgent(const std::string& url)
      : process_(
            {vitals_binary(), "serve", "--config",
             folder_
                 .write("vitals.toml", "[server]\nlisten = \"127.0.0.1:" + std::to_string(port_) +
                                           "\"\n[log]\nlevel = \"error\"\n[checks.app]\nkind "
                                           "= \"http\"\nurl = \"" +
                                           url +
                                           "\"\nimpact = \"critical\"\ninterval = \"1h\"\n"
                                           "retry_interval = \"1s\"\n")
                 .string()},
            {}) {
    REQUIRE(eventually([&] { return get("/health").status == 200; }));
  }
  [[nodiscard]] HttpAnswer get(const std::string& path) const { return http(port_, path); }
  [[nodiscard]] bool counts(const std::string& sample) const {
    return get("/metrics").body.find("\n" + sample + "\n") != std::string::npos;
  }
  SteppedProcess& process() { return process_; }

 private:
  TempDir folder_;
  std::uint16_t port_ = free_port();
  SteppedProcess process_;
};

/// Says loudly when nothing can be shown here.
bool possible() {
  static const std::string why = SteppedProcess::forbidden();
  if (why.empty()) return true;
  MESSAGE("SKIPPED, a wall clock can't be stepped for one process here: " << why);
  return false;
}

TEST_CASE(
    "resume: a wall clock that jumps asks everything at once, in both directions, and no red") {
  if (!possible()) return;
  const ScriptedServer app(answering(http_answer("200 OK", "ok")));
  SteppedAgent agent(app.url());
  CHECK(agent.process().asked() > 0);
  CHECK(agent.counts("vitals_resumes_total 0"));
  int resumes = 0;
  for (const auto step : {3'600s, -3'600s, 30s}) {
    const auto before = app.requests().size();
    agent.process().step(step);
    ++resumes;
    CHECK(eventually([&] { return app.requests().size() > before; }));
    const auto end = SteadyClock::now() + 1s;
    while (SteadyClock::now() < end) {
      const auto answer = agent.get("/health");
      REQUIRE(answer.status == 200);
      REQUIRE(answer.body.find("stale") == std::string::npos);
    }
    CHECK(agent.counts("vitals_resumes_total " + std::to_string(resumes)));
  }
  CHECK(agent.counts("vitals_health_transitions_total{from=\"pass\",to=\"fail\"} 0"));
}

TEST_CASE("resume: after a jump of the wall clock a dead dependency is green for 5 s at most") {
  if (!possible()) return;
  std::optional<ScriptedServer> app;
  app.emplace(answering(http_answer("200 OK", "ok")));
  SteppedAgent agent(app->url());
  app.reset();
  CHECK(agent.get("/health").status == 200);
  agent.process().step(86'400s);
  CHECK(eventually([&] { return agent.get("/health").status == 503; }, 7s));
  const auto end = SteadyClock::now() + 3s;
  while (SteadyClock::now() < end) REQUIRE(agent.get("/health").status == 503);
  CHECK(agent.counts("vitals_resumes_total 1"));
}

}  // namespace
}  // namespace vitals::test
