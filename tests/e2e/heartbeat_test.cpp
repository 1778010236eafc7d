// A nightly job that calls in, and one that does not, by post and by file; and groups, as a user
// sees them.
#include <doctest/doctest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto by_post = "[checks.nightly]\nkind = \"heartbeat\"\nevery = \"2s\"\ngrace = \"1s\"\n";

int post(const Agent& agent, const std::string& name) {
  return http(agent.port(), "/heartbeat/" + name, {}, "POST").status;
}

std::string verdict(const Agent& agent) {
  const auto body = nlohmann::json::parse(agent.get("/health").body, nullptr, false);
  return body.is_object() ? body.value("status", "") : "";
}

bool becomes(const Agent& agent, const std::string& check, const std::string& status) {
  return eventually([&] { return agent.status_of(check) == status; }, 30s);
}

TEST_CASE(
    "heartbeat: a job that stops calling in is fail(stale), the verdict warns; a call heals") {
  const Agent agent(by_post);
  REQUIRE(becomes(agent, "nightly", "unknown"));
  CHECK(verdict(agent) == "pass");
  // At once, not an interval of 10 s later. A call counts for 3 s: one that is missed is repeated.
  std::optional<Stopwatch> watch;
  CHECK(eventually(
      [&] {
        watch.emplace();
        CHECK(post(agent, "nightly") == 204);
        return agent.status_of("nightly") == "pass" && verdict(agent) == "pass";
      },
      5s));

  REQUIRE(becomes(agent, "nightly", "fail"));
  const Took took = watch->took();
  CHECK(took.elapsed > 2s);
  CHECK(took.own() < 8s);  // every + grace, and not an interval more
  CHECK(agent.field_of("nightly", "reason") == "stale");
  CHECK(verdict(agent) == "warn");
  CHECK(agent.get("/health").status == 200);
  CHECK(agent.metric("vitals_check_failures_total", {{"check", "nightly"}, {"reason", "stale"}}) >=
        1);

  CHECK(eventually(
      [&] {
        CHECK(post(agent, "nightly") == 204);
        return agent.status_of("nightly") == "pass" && verdict(agent) == "pass";
      },
      30s));
}

TEST_CASE("heartbeat: only heartbeats take calls, over HTTP and from the command line") {
  const DeafListener listener;
  const std::string patient = "[checks.nightly]\nkind = \"heartbeat\"\nevery = \"1h\"\n";
  const Agent agent(patient + "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                    std::to_string(listener.port()) + "\"\n");
  CHECK(post(agent, "app") == 404);
  CHECK(post(agent, "nosuch") == 404);
  CHECK(agent.get("/heartbeat/nightly").status == 405);
  CHECK(http(agent.port(), "/heartbeat/nightly", {{"Fly-Client-IP", "1.2.3.4"}}, "POST").status ==
        403);
  REQUIRE(becomes(agent, "nightly", "unknown"));

  const std::string config = agent.config_file().string();
  CHECK(vitals({"heartbeat", "nightly", "--config", config}).code == 0);
  CHECK(becomes(agent, "nightly", "pass"));
  const auto wrong = vitals({"heartbeat", "app", "--config", config});
  CHECK(wrong.code == 3);
  CHECK(wrong.output.find("'app' is no heartbeat") != std::string::npos);
  CHECK(vitals({"heartbeat", "--config", config}).code == 3);
}

TEST_CASE("heartbeat: by file, also one from before the start; a restart does not cry wolf") {
  const TempDir folder;
  const auto file = folder.path() / "backup.done";
  const std::string config = "[checks.backup]\nkind = \"heartbeat\"\nevery = \"8s\"\nfile = \"" +
                             file.string() +
                             "\"\n[checks.nightly]\nkind = \"heartbeat\"\nevery = \"1h\"\n";
  folder.write("backup.done", "");
  {
    const Agent agent(config);
    CHECK(becomes(agent, "backup", "pass"));
    CHECK(post(agent, "nightly") == 204);
    CHECK(becomes(agent, "nightly", "pass"));
    REQUIRE(becomes(agent, "backup", "fail"));
    CHECK(agent.field_of("backup", "reason") == "stale");
    CHECK(verdict(agent) == "warn");
  }
  folder.write("backup.done", "again");
  const Agent restarted(config);
  CHECK(becomes(restarted, "backup", "pass"));
  CHECK(becomes(restarted, "nightly", "unknown"));
  CHECK(verdict(restarted) == "pass");
}

TEST_CASE("heartbeat: a suspend makes no call late, by post or by file; the awake time counts on") {
  const TempDir folder;
  const auto file = folder.write("done", "");
  const std::string often = "kind = \"heartbeat\"\nevery = \"6s\"\nimpact = \"critical\"\n";
  Agent agent("[checks.posted]\n" + often + "[checks.touched]\n" + often + "file = \"" +
              file.string() + "\"\n");
  CHECK(post(agent, "posted") == 204);
  REQUIRE(becomes(agent, "posted", "pass"));
  REQUIRE(becomes(agent, "touched", "pass"));
  folder.write("done", "again");
  CHECK(post(agent, "posted") == 204);
  agent.process().signal(SIGSTOP);
  REQUIRE(eventually([&] { return agent.process().stopped(); }));
  CHECK(stays([&] { return agent.process().stopped(); }, 9s));
  agent.process().signal(SIGCONT);
  for (int i = 0; i < 20; ++i) CHECK(agent.get("/health").status == 200);
  CHECK(agent.metric("vitals_health_transitions_total", {{"from", "pass"}, {"to", "fail"}}) == 0);
  REQUIRE(becomes(agent, "posted", "fail"));
  CHECK(agent.field_of("posted", "reason") == "stale");
  CHECK(becomes(agent, "touched", "fail"));
}

TEST_CASE("heartbeat: a critical group of them that nobody has fed keeps nobody from being ready") {
  const std::string often = "kind = \"heartbeat\"\nevery = \"2s\"\n";
  const std::string config =
      "[checks.a]\n" + often + "[checks.b]\n" + often +
      "grace = \"1500ms\"\n[groups.jobs]\nmembers = [\"a\", \"b\"]\nneed = 2\n"
      "impact = \"critical\"\n";
  const Agent agent(config);
  CHECK(eventually([&] { return agent.get("/health/startup").status == 200; }));
  REQUIRE(becomes(agent, "a", "unknown"));
  CHECK(verdict(agent) == "pass");
  CHECK(agent.get("/health/ready").status == 200);
  CHECK(post(agent, "a") == 204);
  REQUIRE(becomes(agent, "a", "fail"));
  CHECK(becomes(agent, "jobs", "fail"));
  CHECK(verdict(agent) == "fail");

  const auto validated = vitals({"validate", "--config", agent.config_file().string()});
  CHECK(validated.code == 0);
  CHECK(validated.output.find("a: heartbeat, info, local, every 10s, worst-case detection 2.0s") !=
        std::string::npos);
  CHECK(validated.output.find("worst-case detection 3.5s") != std::string::npos);
  const auto explained = vitals({"explain", "b", "--config", agent.config_file().string()});
  CHECK(explained.output.find("at worst 3.5 s from the moment it dies: every + grace") !=
        std::string::npos);
}

TEST_CASE("heartbeat: a critical one that nobody has fed keeps nobody from being ready") {
  const Agent agent("[checks.hb]\nkind = \"heartbeat\"\nevery = \"1h\"\nimpact = \"critical\"\n");
  CHECK(eventually([&] { return agent.get("/health/ready").status == 200; }, 30s));
  CHECK(agent.get("/health/startup").status == 200);
  CHECK(agent.status_of("hb") == "unknown");
  const auto checks = [&] { return nlohmann::json::parse(agent.get("/health").body)["checks"]; };
  CHECK(checks().contains("hb:age"));
  CHECK(post(agent, "hb") == 204);
  REQUIRE(becomes(agent, "hb", "pass"));
  CHECK(checks().contains("hb:age"));
}

TEST_CASE("heartbeat: a reload keeps the last call, also with another grace") {
  Agent agent("[checks.nightly]\nkind = \"heartbeat\"\nevery = \"1h\"\n");
  CHECK(post(agent, "nightly") == 204);
  REQUIRE(becomes(agent, "nightly", "pass"));
  agent.reload("[checks.nightly]\nkind = \"heartbeat\"\nevery = \"1h\"\ngrace = \"5m\"\n");
  CHECK(becomes(agent, "nightly", "pass"));
  CHECK(eventually([&] { return agent.metric("vitals_config_last_reload_successful") == 1; }));
}

TEST_CASE("groups: one of two is enough, none of two is the group's failure; check asks groups") {
  ScriptedServer good(answering(http_answer("200 OK", "ok")));
  const RefusingPort refusing;
  const auto http_check = [](const std::string& name, const std::string& url) {
    return "[checks." + name + "]\nkind = \"http\"\nurl = \"" + url +
           "\"\nfall = 1\nrise = 1\ninterval = \"500ms\"\n";
  };
  const std::string dead = "http://127.0.0.1:" + std::to_string(refusing.port()) + "/";
  const std::string members = "members = [\"a\", \"b\"]\nimpact = \"critical\"\n";
  Agent agent(http_check("a", good.url()) + http_check("b", dead) + "[groups.search]\n" + members);
  REQUIRE(becomes(agent, "search", "pass"));
  REQUIRE(becomes(agent, "b", "fail"));
  CHECK(verdict(agent) == "pass");
  CHECK(agent.field_of("search", "output") == "1 of 2: b refused");
  CHECK(agent.field_of("search", "kind") == "group");
  CHECK(agent.field_of("b", "impact") == "info");
  CHECK(agent.get("/health/startup").status == 200);
  CHECK(agent.get("/health/check/search").status == 200);
  CHECK(agent.metric("vitals_check_up", {{"check", "search"}, {"kind", "group"}}) == 1);
  CHECK(agent.metric("vitals_check_info", {{"check", "search"}, {"kind", "group"}}) == 1);

  agent.reload(http_check("a", dead) + http_check("b", dead) + "[groups.search]\n" + members);
  REQUIRE(becomes(agent, "search", "fail"));
  CHECK(agent.field_of("search", "reason") == "refused");
  CHECK(agent.field_of("search", "output") == "0 of 2: a refused, b refused");
  CHECK(agent.get("/health").status == 503);
  CHECK(agent.get("/health/check/search").status == 503);
  CHECK(agent.get("/health?format=line").body.starts_with("fail: search refused "));

  const std::string config = agent.config_file().string();
  const auto asked = vitals({"check", "search", "--config", config});
  CHECK(asked.code == 2);
  CHECK(asked.output.find("search: refused, 0 of 2: a refused, b refused") != std::string::npos);
  // Asked for by name it counts for what the group does, as /health/check/b is 503.
  CHECK(agent.get("/health/check/b").status == 503);
  CHECK(vitals({"check", "b", "--config", config}).code == 2);
  CHECK(vitals({"validate", "--config", config})
            .output.find("search: group, critical, local, 1 of "
                         "a b") != std::string::npos);
  const auto printed = vitals({"validate", "--print", "--config", config});
  CHECK(printed.output.find("[groups.search]\nmembers = [\"a\", \"b\"]\nneed = 1\n") !=
        std::string::npos);
}

TEST_CASE("parent: a child of a failing parent is suppressed end to end, and counts again after") {
  const RefusingPort refusing;
  const DeafListener listener;
  const auto tcp = [](const std::string& name, std::uint16_t port, const std::string& more) {
    return "[checks." + name + "]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(port) +
           "\"\nfall = 1\nrise = 1\ninterval = \"500ms\"\n" + more;
  };
  const std::string child = tcp("api", refusing.port(), "impact = \"critical\"\nparent = \"db\"\n");
  Agent agent(tcp("db", refusing.port(), "impact = \"degraded\"\n") + child);
  REQUIRE(becomes(agent, "api", "fail"));
  REQUIRE(becomes(agent, "db", "fail"));
  CHECK(agent.field_of("api", "suppressed_by") == "db");
  CHECK(verdict(agent) == "warn");
  CHECK(agent.get("/health?format=line").body.find("suppressed: api by db") != std::string::npos);
  agent.reload(tcp("db", listener.port(), "impact = \"degraded\"\n") + child);
  REQUIRE(becomes(agent, "db", "pass"));
  CHECK(agent.field_of("api", "suppressed_by").empty());
  CHECK(verdict(agent) == "fail");
}

TEST_CASE("kinds: every kind with settings, defaults and providers, as in the golden file") {
  CHECK(golden_difference("kinds.txt", vitals({"kinds"}).output) == "");
}

}  // namespace
}  // namespace vitals::test
