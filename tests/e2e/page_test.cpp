// The status page of the static binary in headless Chromium, and hostile text wherever it shows.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/browser.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::json;

const std::map<std::string, std::string> on_fly{
    {"FLY_APP_NAME", "my-app"},
    {"FLY_REGION", "sin"},
    {"FLY_MACHINE_ID", "148e21ab"},
    {"FLY_IMAGE_REF", "registry.fly.io/my-app:deployment-1"}};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string url_of(const Agent& agent, const std::string& target = "/") {
  return "http://127.0.0.1:" + std::to_string(agent.port()) + target;
}

std::string check(const std::string& name, const std::string& kind, const std::string& target,
                  const std::string& more = "fall = 1\n") {
  return "[checks." + name + "]\nkind = \"" + kind + "\"\n" + target +
         "\ninterval = \"2s\"\ntimeout = \"1500ms\"\nretry_interval = \"500ms\"\n" + more;
}
/// One that is meant to pass: a browser that takes the whole machine must not turn it.
constexpr auto patient = "fall = 10\nrise = 1\n";
std::string http_check(const std::string& name, const ScriptedServer& server,
                       const std::string& more = "fall = 1\n") {
  return check(name, "http", "url = \"" + server.url() + "\"", more);
}
std::string refused_check(const std::string& name, const std::string& more = "") {
  return check(name, "tcp", "address = \"127.0.0.1:" + std::to_string(free_port()) + "\"",
               "fall = 1\n" + more);
}

/// What must be true of every look at every page.
void expect_sound(const Json& looks, const std::string& url) {
  REQUIRE(looks.size() == 4);
  for (const Json& look : looks) {
    CAPTURE(look["scheme"].get<std::string>());
    CAPTURE(look["width"].get<int>());
    CHECK(look["status"] == 200);
    CHECK(look["console"] == Json::array());
    CHECK(look["requests"] == Json::array({url}));
    CHECK(look["violations"] == Json::array());
    CHECK(look["rules_passed"] > 10);
    CHECK(look["overflows"] == false);
    CHECK(look["hacked"] == false);
    CHECK(look["scripts"] == 1);
    CHECK(look["heading"].size() == 1);
  }
  CHECK(looks[0]["background"] != looks[2]["background"]);
}

Json row_of(const Json& look, const std::string& name) {
  for (const Json& row : look["checks"]) {
    if (row["name"] == name) return row;
  }
  return {};
}

std::string cell(const Json& row, std::size_t index) {
  return row.contains("cells") ? row["cells"][index].get<std::string>() : "";
}

TEST_CASE("page: failing, in light and dark, on a desktop and on a phone") {
  const ScriptedServer good(answering(http_answer("200 OK", "fine")));
  const ScriptedServer bad(answering(http_answer("500 Oops", "no")));
  const Agent agent(
      http_check("app", good, patient) + refused_check("db", "impact = \"critical\"\n") +
          http_check("mail", bad, "fall = 1\nimpact = \"degraded\"\nparent = \"db\"\n"),
      {.environment = on_fly});
  REQUIRE(eventually([&] {
    return agent.status_of("db") == "fail" && agent.status_of("app") == "pass" &&
           agent.status_of("mail") == "fail";
  }));
  REQUIRE(http(agent.port(), "/mute/mail", {}, "PUT").status == 204);
  const Json looks = browser_looks(url_of(agent), "failing");
  expect_sound(looks, url_of(agent));
  for (const Json& look : looks) {
    CHECK(look["heading"][0] == "✗ Failing");
    CHECK(look["title"] == "✗ Failing · my-app in sin");
    CHECK(look["checks"][0]["name"] == "db");
    const Json db = row_of(look, "db");
    CHECK(cell(db, 0) == "✗ fail");
    CHECK(has(cell(db, 2), "refused"));
    CHECK(has(cell(db, 2), "never passed"));
    CHECK(has(cell(row_of(look, "app"), 0), "pass"));
    CHECK(has(cell(row_of(look, "app"), 3), " ms"));
    CHECK(has(cell(row_of(look, "app"), 3), "p95"));
    CHECK(has(cell(row_of(look, "mail"), 2), "muted until"));
    CHECK(look["sparklines"].size() == 3);
    CHECK(look["sparklines"][0]["failures"] > 0);
    CHECK(has(look["sparklines"][0]["label"], "failed"));
    CHECK(look["changes"].size() >= 3);
    const std::string body = look["body"];
    for (const char* fact : {"148e21ab", "registry.fly.io/my-app:deployment-1", "sin", "1 check"}) {
      CAPTURE(fact);
      CHECK(has(body, fact));
    }
  }
}

TEST_CASE("page: healthy, and unknown before the first result") {
  const ScriptedServer good(answering(http_answer("200 OK", "fine")));
  const Agent healthy(http_check("app", good, patient));
  REQUIRE(eventually([&] { return healthy.status_of("app") == "pass"; }));
  const Json well = browser_looks(url_of(healthy), "healthy");
  expect_sound(well, url_of(healthy));
  CHECK(well[0]["heading"][0] == "✓ Healthy");

  const ScriptedServer silent([](ScriptedConnection& connection) { connection.hang(); });
  const Agent waiting("[checks.app]\nkind = \"http\"\nurl = \"" + silent.url() +
                      "\"\ninterval = \"60s\"\ntimeout = \"50s\"\n");
  const Json unknown = browser_looks(url_of(waiting), "unknown");
  expect_sound(unknown, url_of(waiting));
  CHECK(cell(row_of(unknown[0], "app"), 0) == "? unknown");
  CHECK(has(cell(row_of(unknown[0], "app"), 2), "no result yet"));
}

TEST_CASE("page: hidden details leave the verdict alone") {
  const Agent agent(refused_check("secret-name", "impact = \"critical\"\n"),
                    {.server_lines = "details = \"never\"\n", .environment = on_fly});
  REQUIRE(eventually([&] { return has(agent.get("/health").body, "fail"); }));
  const Json looks = browser_looks(url_of(agent), "hidden");
  expect_sound(looks, url_of(agent));
  for (const Json& look : looks) {
    CHECK(look["heading"][0] == "✗ Failing");
    CHECK(look["checks"].empty());
    CHECK_FALSE(has(look["body"], "secret-name"));
    CHECK_FALSE(has(look["body"], "my-app"));
  }
  CHECK_FALSE(has(agent.get("/").body, "secret-name"));
  CHECK(agent.get("/history").status == 403);
  CHECK(agent.get("/history?check=secret-name").status == 403);
}

TEST_CASE("page: renews itself in place, and says when the agent is gone") {
  const ScriptedServer good(answering(http_answer("200 OK", "fine")));
  Agent agent(http_check("app", good));
  Process browser(browser_command("watch", url_of(agent)));
  REQUIRE(eventually([&] { return has(browser.output(), "refreshed"); }, std::chrono::minutes(1)));
  agent.process().stop();
  CHECK(eventually([&] { return has(browser.output(), "gone: The agent has not answered since"); },
                   std::chrono::minutes(1)));
  CHECK(browser.wait(std::chrono::minutes(1)) == 0);
}

TEST_CASE("page: `/` is 200 and HTML; a health path is HTML for who prefers it, with its code") {
  const Agent agent(refused_check("db", "impact = \"critical\"\n"));
  REQUIRE(eventually([&] { return agent.status_of("db") == "fail"; }));
  const HttpAnswer page = agent.get("/");
  CHECK(page.status == 200);
  CHECK(page.header("Content-Type") == "text/html; charset=utf-8");
  CHECK(page.header("Cache-Control") == "no-store");
  CHECK(has(page.header("Content-Security-Policy"), "default-src 'none'"));
  CHECK(page.header("X-Content-Type-Options") == "nosniff");
  const std::string browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
  const HttpAnswer health = agent.get("/health", {{"Accept", browser}});
  CHECK(health.status == 503);
  CHECK(health.header("Content-Type") == "text/html; charset=utf-8");
  CHECK(agent.get("/health/check/db?format=html").status == 503);
  CHECK(agent.get("/health?format=html&fail=never").status == 200);
  CHECK(agent.get("/health", {{"Accept", "*/*"}}).header("Content-Type") ==
        "application/health+json");
  CHECK(agent.get("/?format=json").header("Content-Type") == "application/health+json");
  CHECK(http(agent.port(), "/", {}, "POST").status == 405);
}

TEST_CASE("history: as JSON over HTTP, all checks or one, 404 for an unknown one") {
  const Agent agent(refused_check("db", "impact = \"critical\"\n"));
  REQUIRE(eventually([&] { return agent.status_of("db") == "fail"; }));
  const HttpAnswer all = agent.get("/history");
  CHECK(all.status == 200);
  CHECK(all.header("Content-Type") == "application/json");
  CHECK(all.header("Cache-Control") == "no-store");
  const Json json = Json::parse(all.body);
  CHECK(json["checks"]["db"]["results"][0]["reason"] == "refused");
  CHECK(json["transitions"][0]["to"] == "fail");
  const HttpAnswer one = agent.get("/history?check=db");
  CHECK(Json::parse(one.body)["check"] == "db");
  CHECK(Json::parse(one.body).contains("next_attempt"));
  const HttpAnswer unknown = agent.get("/history?check=bd0");
  CHECK(unknown.status == 404);
  CHECK(agent.get("/history", {{"X-Forwarded-For", "203.0.113.7"}}).status == 403);
}

/// Everything that a terminal, a browser or a parser might act on.
std::string hostile_body() {
  std::string body =
      "<script>window.hacked=1</script><img src=x onerror=window.hacked=1> \"quoted\" back\\slash\n"
      "second line\r\x1b]0;owned\x07\x1b[2J\x1b[31m \x80\xff\xfe\xc0\xaf \xe2\x80\xae ";
  body += std::string(10'000, 'A');
  return body;
}

bool is_harmless(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  });
}

TEST_CASE("hostile text is harmless on the page, in every format, in the log and on a terminal") {
  const ScriptedServer web(
      answering(http_answer("500 <script>window.hacked=1</script>", hostile_body())));
  const ScriptedServer raw([](ScriptedConnection& connection) {
    connection.read_some();
    connection.send(hostile_body() + "\n");
  });
  Agent agent(http_check("web", web) + check("raw", "tcp",
                                             "address = \"127.0.0.1:" + std::to_string(raw.port()) +
                                                 "\"\nsend = \"HELLO\\n\"\nexpect = \"WORLD\""));
  REQUIRE(eventually(
      [&] { return agent.status_of("web") == "fail" && agent.status_of("raw") == "fail"; }));
  const Json looks = browser_looks(url_of(agent), "hostile");
  expect_sound(looks, url_of(agent));
  for (const Json& look : looks) CHECK(has(look["body"], "window.hacked=1"));

  for (const char* target : {"/", "/health", "/health?format=text", "/health?format=line",
                             "/history", "/history?check=raw", "/metrics", "/health/check/web"}) {
    CAPTURE(target);
    const std::string body = agent.get(target).body;
    CHECK(!body.empty());
    CHECK(is_harmless(body));
    if (std::string(target) == "/") CHECK_FALSE(has(body, "<script>window"));
    CHECK_FALSE(has(body, std::string(500, 'A')));
    // Valid UTF-8: nlohmann refuses anything else.
    CHECK_NOTHROW(static_cast<void>(Json(body).dump()));
    CHECK_FALSE(has(body, "\xe2\x80\xae"));
  }
  const std::vector<std::vector<std::string>> commands{
      {"status", url_of(agent)},
      {"status", url_of(agent), "--format", "json"},
      {"explain", "raw", url_of(agent)},
      {"explain", "web", url_of(agent)}};
  for (const auto& words : commands) {
    CAPTURE(words[0]);
    const Finished finished = vitals(words);
    CHECK(has(finished.output, "window.hacked"));
    CHECK(is_harmless(finished.output));
    CHECK_NOTHROW(static_cast<void>(Json(finished.output).dump()));
  }
  CHECK(is_harmless(agent.process().output()));
}

}  // namespace
}  // namespace vitals::test
