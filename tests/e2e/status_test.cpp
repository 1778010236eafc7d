// `vitals status` and `vitals explain`: for people at a terminal, for pipes, for scripts.
#include <doctest/doctest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/terminal.hpp"

namespace vitals::test {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string url_of(const Agent& agent) {
  return "http://127.0.0.1:" + std::to_string(agent.port());
}

std::string tcp_check(const std::string& name, std::uint16_t port, const std::string& more = "") {
  return "[checks." + name + "]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(port) +
         "\"\ninterval = \"500ms\"\ntimeout = \"400ms\"\n" + more;
}
std::string failing_check(std::uint16_t port, const std::string& more = "") {
  return tcp_check("db", port, "fall = 1\n" + more);
}

/// One check that passes and one that fails.
struct World {
  ScriptedServer server{[](ScriptedConnection& connection) { connection.hang(); }};
  Agent agent{tcp_check("app", server.port(), "impact = \"critical\"\n") +
              failing_check(free_port(), "impact = \"critical\"\nscope = \"shared\"\n")};

  World() {
    REQUIRE(eventually(
        [&] { return agent.status_of("app") == "pass" && agent.status_of("db") == "fail"; }));
  }
};

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("status: a table, worst first, without colour in a pipe") {
  World world;
  const Finished finished = vitals({"status", url_of(world.agent)});
  CHECK(finished.code == 2);
  CHECK(finished.output.starts_with("fail: db: "));
  CHECK(has(finished.output, "STATUS"));
  CHECK(has(finished.output, "✗ fail"));
  CHECK(has(finished.output, "refused: connect to 127.0.0.1"));
  CHECK(finished.output.find("✗ fail") < finished.output.find("✓ pass"));
  CHECK_FALSE(has(finished.output, "\x1b"));
  CHECK(http(world.agent.port(), "/mute/db", {}, "PUT").status == 204);
  const Finished muted = vitals({"status", url_of(world.agent)});
  CHECK(muted.code == 0);
  CHECK(has(muted.output, "- fail"));
  CHECK(has(muted.output, "muted until 2"));
}

TEST_CASE("status: colour on a terminal, none with NO_COLOR or on a dumb one") {
  World world;
  const std::vector<std::string> words{vitals_binary(), "status", url_of(world.agent)};
  Terminal colour(words);
  CHECK(colour.wait(std::chrono::seconds(20)) == 2);
  CHECK(eventually([&] { return has(colour.output(), "\x1b[31m✗ fail"); }));
  Terminal refused(words, {.environment = {{"NO_COLOR", "1"}}});
  CHECK(refused.wait(std::chrono::seconds(20)) == 2);
  CHECK(eventually([&] { return has(refused.output(), "✓ pass"); }));
  CHECK_FALSE(has(refused.output(), "\x1b"));
  Terminal dumb(words, {.environment = {{"TERM", "dumb"}}});
  CHECK(dumb.wait(std::chrono::seconds(20)) == 2);
  CHECK(eventually([&] { return has(dumb.output(), "✓ pass"); }));
  CHECK_FALSE(has(dumb.output(), "\x1b"));
}

TEST_CASE("status --watch: draws over the last picture, and Ctrl-C gives the terminal back") {
  World world;
  Terminal screen({vitals_binary(), "status", url_of(world.agent), "--watch"});
  // Twice: the second picture begins at the top again, and nothing was erased before it.
  REQUIRE(eventually([&] { return occurrences(screen.output(), "\x1b[H") >= 2; },
                     std::chrono::seconds(30)));
  CHECK_FALSE(has(screen.output(), "\x1b[2J"));
  CHECK(occurrences(screen.output(), "\x1b[?1049h") == 1);
  screen.type("\x03");
  CHECK(screen.wait(std::chrono::seconds(30)) == 2);
  CHECK(eventually([&] { return has(screen.output(), "\x1b[?1049l"); }));
  CHECK(eventually([&] { return has(screen.output(), "\x1b[?25h"); }));
  // The last picture stays, after the screen was given back.
  CHECK(eventually(
      [&] { return has(screen.output().substr(screen.output().find("\x1b[?1049l")), "✓ pass"); }));
}

TEST_CASE("status --watch: never draws more lines than the terminal has") {
  World world;
  Terminal small({vitals_binary(), "status", url_of(world.agent), "--watch"}, {.rows = 4});
  REQUIRE(eventually([&] { return has(small.output(), "… and 2 more"); }));
  CHECK_FALSE(has(small.output(), "✓ pass"));
}

TEST_CASE("status --watch: in a pipe it writes table after table, and outlives the agent") {
  World world;
  Process watch({{vitals_binary(), "status", url_of(world.agent), "--watch"}});
  REQUIRE(eventually([&] { return occurrences(watch.output(), "vitals at http") >= 2; },
                     std::chrono::seconds(30)));
  CHECK_FALSE(has(watch.output(), "\x1b"));
  world.agent.process().stop();
  REQUIRE(eventually([&] { return has(watch.output(), "no agent answers"); },
                     std::chrono::seconds(30)));
  watch.signal(SIGTERM);
  CHECK(watch.wait(std::chrono::seconds(30)) == 2);
}

TEST_CASE("explain: status, streaks, failures, next attempt, detection, effects and settings") {
  World world;
  const Finished finished = vitals({"explain", "db", url_of(world.agent)});
  CHECK(finished.code == 0);
  for (const char* part :
       {"db: fail (refused) for ", "tcp, critical, shared, tcp://127.0.0.1:", "Streaks\n",
        " failures in a row (1 turn it to fail), 0 successes in a row (2 bring it back)",
        "last pass: never", "Last attempt\n", "  resolve ", "Next attempt\n", "Last failures\n",
        "at worst 0.95 s", "fail(stale) after 1.9 s", "What Fly makes of it\n",
        "/health: now answers 503", "Effective settings\n", "  kind = \"tcp\"", "  fall = 1"}) {
    CAPTURE(part);
    CHECK(has(finished.output, part));
  }
  const Finished json = vitals({"explain", "db", url_of(world.agent), "--format", "json"});
  CHECK(nlohmann::json::parse(json.output)["check"] == "db");
  CHECK(has(vitals({"explain", "app", url_of(world.agent)}).output, "none that it remembers"));
}

TEST_CASE("explain: 3 for an unknown check, 2 when no agent answers or it may not be seen") {
  World world;
  const Finished unknown = vitals({"explain", "bd", url_of(world.agent)});
  CHECK(unknown.code == 3);
  CHECK(has(unknown.output, "no check 'bd'"));
  CHECK(vitals({"explain"}).code == 3);
  CHECK(vitals({"explain", "db", "http://127.0.0.1:" + std::to_string(free_port())}).code == 2);
  const ScriptedServer stranger(answering(http_answer("200 OK", "hello")));
  CHECK(vitals({"explain", "db", stranger.url("")}).code == 2);
  const ScriptedServer other(answering(http_answer("404 Not Found", "nothing")));
  CHECK(vitals({"explain", "db", other.url("")}).code == 2);

  const Agent hidden(failing_check(free_port()), {.server_lines = "details = \"never\"\n"});
  const Finished refused = vitals({"explain", "db", url_of(hidden)});
  CHECK(refused.code == 2);
  CHECK(has(refused.output, "details are hidden"));
}

TEST_CASE("explain: no secret of the settings comes out") {
  Agent agent(
      "[checks.db]\nkind = \"postgres\"\nurl = \"postgres://app:hunter2secret@127.0.0.1:1/x\"\n"
      "[checks.web]\nkind = \"http\"\nurl = \"http://127.0.0.1:1/?key=querysecret1\"\n"
      "headers = { X-Key = \"headersecret1\" }\n");
  REQUIRE(eventually([&] { return !agent.status_of("web").empty(); }));
  for (const char* name : {"db", "web"}) {
    const Finished finished = vitals({"explain", name, url_of(agent)});
    CHECK(finished.code == 0);
    CHECK(has(finished.output, "***"));
    CHECK_FALSE(has(finished.output, "secret"));
    CHECK_FALSE(has(agent.get(std::string("/history?check=") + name).body, "secret"));
  }
}

}  // namespace
}  // namespace vitals::test
