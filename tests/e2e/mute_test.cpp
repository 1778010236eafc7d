// Mutes on the static binary: shown everywhere, over when their time is, kept by a reload.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/agent.hpp"

namespace vitals::test {
namespace {

std::string refused_check(const std::string& more = "") {
  return "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(free_port()) +
         "\"\nimpact = \"critical\"\nfall = 1\ninterval = \"500ms\"\ntimeout = \"200ms\"\n" + more;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("mute: takes a failing check out of the verdict, visibly, until unmuted") {
  Agent agent(refused_check());
  REQUIRE(eventually([&] { return agent.status_of("app") == "fail"; }));
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());

  CHECK(vitals({"mute", "app", url, "--ttl", "30m"}).code == 0);
  const HttpAnswer health = agent.get("/health");
  CHECK(health.status == 200);
  CHECK(has(health.body, "\"muted_until\": \""));
  CHECK(has(agent.get("/health?format=text").body, "[-] app: muted until "));
  CHECK(has(agent.get("/health?format=line").body, "muted: app"));
  CHECK(agent.metric("vitals_check_muted", {{"check", "app"}}) == 1);
  CHECK(agent.status_of("app") == "fail");
  CHECK(eventually([&] { return has(agent.process().output(), "check muted"); }));
  CHECK(has(agent.process().output(), "for=30m00s"));

  CHECK(vitals({"unmute", "app", url}).code == 0);
  CHECK(agent.get("/health").status == 503);
  CHECK(agent.metric("vitals_check_muted", {{"check", "app"}}) == 0);
  CHECK(eventually([&] { return has(agent.process().output(), "check counts again"); }));
}

TEST_CASE("mute: ends by itself when its time is over, and says so") {
  Agent agent(refused_check());
  REQUIRE(eventually([&] { return agent.status_of("app") == "fail"; }));
  CHECK(http(agent.port(), "/mute/app?ttl=5s", {}, "PUT").status == 204);
  CHECK(agent.get("/health").status == 200);
  CHECK(eventually([&] { return agent.get("/health").status == 503; }));
  CHECK(eventually([&] { return has(agent.process().output(), "its time is over"); }));
}

TEST_CASE("mute: a group of which nothing but muted members is left is shown as muted until then") {
  Agent agent(refused_check() + "[groups.both]\nmembers = [\"app\"]\nimpact = \"critical\"\n");
  REQUIRE(eventually([&] { return agent.status_of("both") == "fail"; }));
  CHECK(http(agent.port(), "/mute/app?ttl=1h", {}, "PUT").status == 204);
  for (const char* path : {"/health", "/health/check/both", "/history?check=both"}) {
    CAPTURE(path);
    CHECK(has(agent.get(path).body, "\"muted_until\": \""));
  }
  CHECK(agent.get("/health").status == 200);
  CHECK(has(agent.get("/health?format=text").body, "[-] both: muted until "));
  CHECK(has(agent.get("/").body, "muted until "));
  CHECK(agent.metric("vitals_check_muted", {{"check", "both"}}) == 1);
  CHECK(http(agent.port(), "/mute/app", {}, "DELETE").status == 204);
  CHECK(agent.get("/health").status == 503);
}

TEST_CASE("mute: survives a reload that leaves the check as it was") {
  const std::string app = refused_check();
  Agent agent(app);
  REQUIRE(eventually([&] { return agent.status_of("app") == "fail"; }));
  CHECK(http(agent.port(), "/mute/app", {}, "PUT").status == 204);
  agent.reload(app + "[checks.other]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
               std::to_string(free_port()) + "\"\nimpact = \"info\"\n");
  REQUIRE(eventually([&] { return !agent.status_of("other").empty(); }));
  CHECK(agent.metric("vitals_check_muted", {{"check", "app"}}) == 1);
  CHECK(agent.get("/health").status == 200);
}

TEST_CASE("mute: the command line says what is wrong: 3 for an unknown check, 2 for no agent") {
  Agent agent(refused_check());
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  const Finished unknown = vitals({"mute", "aap", url});
  CHECK(unknown.code == 3);
  CHECK(has(unknown.output, "did you mean 'app'?"));
  CHECK(vitals({"mute", "app", url, "--ttl", "25h"}).code == 3);
  CHECK(vitals({"mute", "app", url, "--ttl", "soon"}).code == 3);
  CHECK(vitals({"mute"}).code == 3);
  const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port());
  CHECK(vitals({"mute", "app", nobody}).code == 2);
}

}  // namespace
}  // namespace vitals::test
