// Outages of real servers, seen on /health of the static binary within the contract's worst case.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// interval 500 ms, timeout 400 ms, retry 500 ms: the contract's formula gives
/// 0.5 * 1.1 + 0.4 + 2 * 0.5 = 1.95 s. What is asked here adds the poll of the test.
constexpr auto quick = "[defaults]\ninterval = \"500ms\"\ntimeout = \"400ms\"\n";
constexpr auto worst_case = 1'950ms;
constexpr auto looking = 150ms;

std::string check(const std::string& name, const std::string& kind, const std::string& url,
                  const std::string& more = "") {
  return "[checks." + name + "]\nkind = \"" + kind + "\"\nurl = \"" + url + "\"\n" + more;
}

TEST_CASE(
    "serve: app, Postgres and Redis pass, and each outage is seen in time and forgiven after") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  PostgresServer postgres;
  RedisServer redis;
  Agent agent(std::string(quick) + check("app", "http", app.url("/healthz"), "live = true\n") +
              check("db", "postgres", postgres.url()) + check("cache", "redis", redis.url()));
  agent.until_health(200);
  REQUIRE(eventually([&] { return agent.status_of("cache") == "pass"; }));
  const auto document = nlohmann::json::parse(agent.get("/health").body);
  CHECK(document["status"] == "pass");
  for (const char* name : {"app", "db", "cache"}) {
    CAPTURE(name);
    const auto& entry = document["checks"][std::string(name) + ":responseTime"][0];
    CHECK(entry["status"] == "pass");
    CHECK(entry["observedValue"].get<double>() > 0);
  }
  CHECK(agent.get("/health/ready").status == 200);
  CHECK(agent.get("/health/startup").status == 200);
  CHECK(agent.get("/health/live").status == 200);

  SUBCASE("Postgres stops") {
    postgres.stop("immediate");
    CHECK(agent.until_health(503) < worst_case + looking);
    CHECK(agent.field_of("db", "reason") == "refused");
    // A shared check of a lone Machine: taking it out of rotation would help nobody.
    CHECK(agent.get("/health/ready").status == 200);
    CHECK(agent.metric("vitals_fail_open") == 1);
    postgres.start();
    CHECK(agent.until_health(200) < worst_case + looking);
    CHECK(agent.metric("vitals_fail_open") == 0);
  }
  SUBCASE("Postgres freezes: it accepts and stays silent") {
    postgres.freeze();
    CHECK(agent.until_health(503) < worst_case + looking);
    CHECK(agent.field_of("db", "reason") == "timeout");
    postgres.thaw();
    agent.until_health(200);
  }
  SUBCASE("Redis freezes: degraded, so the verdict warns and stays 200") {
    redis.freeze();
    REQUIRE(eventually([&] { return agent.status_of("cache") == "fail"; }));
    CHECK(agent.field_of("cache", "reason") == "timeout");
    const HttpAnswer answer = agent.get("/health");
    CHECK(answer.status == 200);
    CHECK(nlohmann::json::parse(answer.body)["status"] == "warn");
    CHECK(agent.get("/health?fail=any").status == 503);
    redis.thaw();
    REQUIRE(eventually([&] { return agent.status_of("cache") == "pass"; }));
  }
}

}  // namespace
}  // namespace vitals::test
