// The app's own metrics on our page, under `vitals serve` and `vitals run`.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto openmetrics = "application/openmetrics-text; version=1.0.0";

constexpr auto app_page =
    "# HELP orders_total Orders taken.\n# TYPE orders_total counter\n"
    "orders_total{shop=\"a\\\"b\"} 3\n"
    "# HELP vitals_ready Not ours.\n# TYPE vitals_ready gauge\nvitals_ready 7\n"
    "# HELP process_resident_memory_bytes The app's.\n"
    "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1e+06\n";

std::string metrics_of(const ScriptedServer& app) {
  return "[app]\nmetrics = \"" + app.url("/metrics") + "\"\n";
}

double dropped(const Agent& agent, const std::string& cause) {
  return agent.metric("vitals_app_metrics_dropped_total", {{"cause", cause}});
}

std::string promtool(const std::string& page) {
  const TempDir folder;
  const auto file = folder.write("page", page);
  const auto finished = run({{"sh", "-c", "exec promtool check metrics < " + file.string()}});
  return std::to_string(finished.code) + finished.output;
}

TEST_CASE("app metrics: the app's families stand on our page, and ours stay ours") {
  ScriptedServer app(answering(http_answer("200 OK", app_page)));
  const Agent agent(metrics_of(app));
  REQUIRE(eventually([&] { return agent.metric("orders_total") == 3; }));
  CHECK(dropped(agent, "collision") == 1);
  CHECK(dropped(agent, "malformed") == 0);
  CHECK(agent.metric("vitals_ready") == 1);
  CHECK(agent.metric("process_resident_memory_bytes") == 1e6);
  CHECK(promtool(agent.get("/metrics").body) == "0");
  const auto page = agent.get("/metrics", {{"Accept", openmetrics}}).body;
  CHECK(page.find("# TYPE orders counter\norders_total{shop=\"a\\\"b\"} 3\n") != std::string::npos);
  CHECK(page.ends_with("# EOF\n"));
  CHECK(page.find("# EOF") == page.size() - 6);
}

TEST_CASE("app metrics: without the key nothing is fetched and nothing told") {
  const Agent agent("");
  CHECK(agent.get("/metrics").body.find("vitals_app_metrics") == std::string::npos);
}

TEST_CASE(
    "app metrics: an app that hangs, drips, floods, redirects or refuses costs no scrape, and "
    "is counted") {
  const auto flood = [](ScriptedConnection& c) {
    c.read_request();
    c.send("HTTP/1.1 200 OK\r\n\r\n");
    c.send_endlessly("x_total{a=\"b\"} 1\n");
  };
  const auto hang = [](ScriptedConnection& c) {
    c.read_request();
    c.hang();
  };
  const auto drip = [](ScriptedConnection& c) {
    c.read_request();
    c.send("HTTP/1.1 200 OK\r\n\r\n");
    c.drip(std::string(1'000, 'a'), 50ms);
  };
  const auto redirect =
      answering("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
  const std::vector<std::pair<ScriptedServer::Script, std::string>> cases{
      {flood, "too_large"},
      {hang, "timeout"},
      {drip, "timeout"},
      {redirect, "status"},
      {answering(http_answer("500 No", "a 1\n")), "status"}};
  for (const auto& [script, cause] : cases) {
    CAPTURE(cause);
    ScriptedServer app(script);
    const Agent agent(metrics_of(app));
    CHECK(eventually([&] { return dropped(agent, cause) >= 1; }, 20s));
    const Stopwatch watch;
    CHECK(agent.get("/metrics").status == 200);
    CHECK(watch.took().own() < 1s);
    CHECK(promtool(agent.get("/metrics").body) == "0");
  }
  const Agent agent("[app]\nmetrics = \"http://127.0.0.1:1/\"\n");
  CHECK(eventually([&] { return dropped(agent, "unreachable") >= 1; }));
}

TEST_CASE("app metrics: a hostile page leaves ours well-formed") {
  std::string page = "<html>\nbad{ 1\ngood 1\ngood 2\ngood{a=\"\xff\"} 1\n# TYPE good gauge\n";
  page += "# EOF\nvitals_up{a=\"}\"} 1\n";
  page += std::string("nul\0byte 1\n", 11) + std::string(100'000, 'z') + "\n";
  ScriptedServer app(answering(http_answer("200 OK", page)));
  const Agent agent(metrics_of(app));
  REQUIRE(eventually([&] { return agent.metric("good") == 1; }));
  CHECK(dropped(agent, "duplicate") == 1);
  CHECK(dropped(agent, "collision") == 1);
  CHECK(dropped(agent, "malformed") == 6);
  const auto text = agent.get("/metrics").body;
  CHECK(text.find("<html>") == std::string::npos);
  CHECK(text.find("# EOF") == std::string::npos);
  CHECK(promtool(text) == "3good no help text\n");  // the app's own shortcoming
}

TEST_CASE("app metrics: a reload changes where they come from, and takes them away") {
  ScriptedServer one(answering(http_answer("200 OK", "one 1\n")));
  ScriptedServer two(answering(http_answer("200 OK", "two 2\n")));
  Agent agent(metrics_of(one));
  REQUIRE(eventually([&] { return agent.metric("one") == 1; }));
  agent.reload(metrics_of(two));
  CHECK(eventually([&] { return agent.metric("two") == 2; }));
  CHECK(agent.get("/metrics").body.find("\none 1") == std::string::npos);
  agent.reload("");
  CHECK(eventually([&] { return agent.get("/metrics").body.find("two 2") == std::string::npos; }));
}

TEST_CASE("app metrics: secrets of the URL stay secret") {
  const Agent agent("[app]\nmetrics = \"http://me:hunter22@127.0.0.1:1/?key=tops3cret\"\n");
  REQUIRE(eventually([&] { return dropped(agent, "unreachable") >= 1; }));
  auto& process = const_cast<Agent&>(agent).process();
  CHECK(eventually([&] { return process.output().find("can't be fetched") != std::string::npos; }));
  for (const char* secret : {"hunter22", "tops3cret"}) {
    CHECK(process.output().find(secret) == std::string::npos);
    const auto shown = vitals({"validate", "--print", "--config", agent.config_file().string()});
    CHECK(shown.code == 0);
    CHECK(shown.output.find("metrics = \"http://me:***@127.0.0.1:1/") != std::string::npos);
    CHECK(shown.output.find(secret) == std::string::npos);
  }
}

TEST_CASE("run: the app's process is told of, and promtool has nothing to say") {
  const auto port = free_port();
  const Agent agent("", {.command = web_app(port)});
  REQUIRE(eventually([&] { return pid_of_web_app(port) != 0; }));
  const auto value = [&](const std::string& name) {
    return agent.metric("vitals_process_" + name, {{"process", "app"}});
  };
  REQUIRE(eventually([&] { return value("up") == 1; }));
  CHECK(value("resident_memory_bytes") > 1e6);
  CHECK(value("threads") == 1);
  CHECK(value("open_fds") >= 4);
  CHECK(value("max_fds") >= 256);
  CHECK(value("cpu_seconds_total") >= 0);
  CHECK(value("restarts_total") == 0);
  CHECK(value("last_exit_code") == 0);
  CHECK(value("oom_kills_total") == 0);
  CHECK(promtool(agent.get("/metrics").body) == "0");
}

}  // namespace
}  // namespace vitals::test
