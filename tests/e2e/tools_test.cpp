// The tools people point at vitals agree with its verdict: promtool, Prometheus, HAProxy,
// blackbox_exporter and curl, as Debian ships them.
#include <doctest/doctest.h>

#include <memory>
#include <sstream>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/prometheus.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// Other programs start, scrape and decide at their own pace, on a machine that is busy.
constexpr auto patience = 60s;

constexpr auto quick =
    "[defaults]\ninterval = \"500ms\"\ntimeout = \"400ms\"\nfall = 3\nrise = 1\n";
/// What Prometheus 2 sends, word for word.
constexpr auto prometheus_accept =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

std::string check(const std::string& name, const std::string& kind, const std::string& url,
                  const std::string& more = "") {
  return "[checks." + name + "]\nkind = \"" + kind + "\"\nurl = \"" + url + "\"\n" + more;
}

std::string local(std::uint16_t port, const std::string& path = "") {
  return "http://127.0.0.1:" + std::to_string(port) + path;
}

bool becomes(const Agent& agent, const std::string& name, const std::string& status) {
  return eventually([&] { return agent.status_of(name) == status; }, patience);
}

/// What `promtool check metrics` says of a page: nothing is good.
Finished promtool(const std::string& page) {
  const TempDir folder;
  const auto file = folder.write("metrics.txt", page);
  return run({{"sh", "-c", "exec promtool check metrics <\"$0\"", file.string()}});
}

void expect_silence(const Agent& agent, const std::string& moment) {
  CAPTURE(moment);
  const HttpAnswer answer = agent.get("/metrics");
  REQUIRE(answer.status == 200);
  CHECK(answer.body.find("vitals_build_info") != std::string::npos);
  const Finished finished = promtool(answer.body);
  CHECK(finished.code == 0);
  CHECK(finished.output == "");
}

/// 0: curl is content; 22: an answer of 400 and above.
int curl_code(const Agent& agent, const std::string& path) {
  return run({{"curl", "-fsS", "-o", "/dev/null", "--noproxy", "*", local(agent.port(), path)}})
      .code;
}

TEST_CASE("promtool: silent at every moment of an agent's life") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  PostgresServer postgres;
  RedisServer redis;
  const std::string config = std::string(quick) + check("app", "http", app.url("/")) +
                             check("db", "postgres", postgres.url()) +
                             check("cache", "redis", redis.url());
  Agent agent(config);
  expect_silence(agent, "at the very start");
  for (const char* name : {"app", "db", "cache"}) REQUIRE(becomes(agent, name, "pass"));
  // Depth is there, so its families are, too.
  REQUIRE(
      eventually([&] { return agent.metric("vitals_postgres_connections_max") > 0; }, patience));
  REQUIRE(eventually([&] { return agent.metric("vitals_redis_memory_used_bytes") > 0; }, patience));
  expect_silence(agent, "passing");

  postgres.stop("immediate");
  redis.stop();
  REQUIRE(becomes(agent, "db", "fail"));
  REQUIRE(becomes(agent, "cache", "fail"));
  expect_silence(agent, "in failure");
  REQUIRE(http(agent.port(), "/drain", {}, "POST").status == 204);
  REQUIRE(agent.metric("vitals_draining") == 1);
  expect_silence(agent, "draining");

  agent.reload(config + "[checks.broken]\nkind = \"nosuch\"\n");
  REQUIRE(eventually([&] { return agent.metric("vitals_config_last_reload_successful") == 0; },
                     patience));
  expect_silence(agent, "after a bad reload");
  agent.reload(config + check("more", "http", app.url("/more"), "impact = \"info\"\n"));
  REQUIRE(becomes(agent, "more", "pass"));
  REQUIRE(agent.metric("vitals_config_last_reload_successful") == 1);
  expect_silence(agent, "after a good reload");
}

TEST_CASE("promtool: a page it should complain of is complained of") {
  CHECK(promtool("# TYPE vitals_requests counter\nvitals_requests 1\n").code == 3);
  CHECK(promtool("vitals_requests{ 1\n").code == 1);
}

TEST_CASE("promtool: a page with the names of other exporters still parses") {
  PostgresServer postgres;
  RedisServer redis;
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  const Agent agent(
      std::string(quick) + check("app", "http", app.url("/")) +
          check("db", "postgres", postgres.url()) + check("cache", "redis", redis.url()),
      {.server_lines = "compat = [\"blackbox\", \"redis_exporter\", \"postgres_exporter\"]\n"});
  for (const char* name : {"app", "db", "cache"}) REQUIRE(becomes(agent, name, "pass"));
  for (const char* name : {"probe_success{", "probe_http_status_code{", "redis_up{", "pg_up{",
                           "pg_settings_max_connections{"}) {
    CAPTURE(name);
    CHECK(eventually([&] { return agent.get("/metrics").body.find(name) != std::string::npos; },
                     patience));
  }
  const std::string page = agent.get("/metrics").body;
  // 3: read, and found names that are not as they should be: those of the originals are not.
  const Finished finished = promtool(page);
  CHECK((finished.code == 0 || finished.code == 3));
  std::istringstream lines(finished.output);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK_FALSE(line.starts_with("vitals_"));
    CHECK(line.find("error while linting") == std::string::npos);
  }
}

// ---- Prometheus -----------------------------------------------------------------------------

TEST_CASE("prometheus: scrapes the agent and sees the database pass, stop and come back") {
  PostgresServer postgres;
  RedisServer redis;
  const Agent agent(
      std::string(quick) + check("db", "postgres", postgres.url()) +
          check("cache", "redis", redis.url()),
      {.server_lines = "compat = [\"blackbox\", \"redis_exporter\", \"postgres_exporter\"]\n"});
  REQUIRE(becomes(agent, "db", "pass"));
  // Not one scrape may fail below, not even when the machine stands still for some seconds.
  const Prometheus prometheus(agent.port(), {.every = "5s"});
  const auto shows = [&](const std::string& expression, const std::string& wanted) {
    CAPTURE(expression);
    CHECK(eventually([&] { return prometheus.value(expression) == wanted; }, patience));
  };
  shows("up", "1");
  shows("vitals_check_up{check=\"db\"}", "1");
  shows("vitals_check_up{check=\"cache\"}", "1");
  shows("vitals_health_status{status=\"pass\"}", "1");
  shows("pg_up{check=\"db\"}", "1");
  shows("redis_up{check=\"cache\"}", "1");
  shows("min(vitals_check_up{scope=\"shared\",impact=\"critical\"})", "1");

  postgres.stop("immediate");
  shows("vitals_check_up{check=\"db\"}", "0");
  shows("vitals_health_status{status=\"fail\"}", "1");
  shows("vitals_fail_open", "1");
  shows("pg_up{check=\"db\"}", "0");
  shows("vitals_check_up{check=\"cache\"}", "1");
  postgres.start();
  shows("vitals_check_up{check=\"db\"}", "1");
  // Not one scrape failed, and no sample was refused: none was out of order or there twice.
  CHECK(prometheus.value("min_over_time(up[5m])") == "1");
  CHECK(prometheus.log().find("Server is ready") != std::string::npos);
  CHECK(prometheus.log().find("level=warn") == std::string::npos);
}

TEST_CASE("prometheus: it asks for OpenMetrics by itself and gets it, as curl does") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  const Agent agent(std::string(quick) + check("app", "http", app.url("/")));
  REQUIRE(becomes(agent, "app", "pass"));
  const std::string page = curl(local(agent.port(), "/metrics"),
                                {"-i", "-H", std::string("Accept: ") + prometheus_accept});
  CHECK(page.find("application/openmetrics-text") != std::string::npos);
  CHECK(page.ends_with("# EOF\n"));
  CHECK(page.find("# TYPE vitals_check_attempts counter\n") != std::string::npos);
  const std::string plain = curl(local(agent.port(), "/metrics"), {"-i"});
  CHECK(plain.find("text/plain; version=0.0.4") != std::string::npos);
  CHECK(plain.find("# EOF") == std::string::npos);
  CHECK(plain.find("# TYPE vitals_check_attempts_total counter\n") != std::string::npos);

  // A counter family has "_total" in its name in the old format alone.
  const Prometheus prometheus(agent.port());
  REQUIRE(eventually([&] { return prometheus.value("up") == "1"; }, patience));
  const auto metadata = prometheus.get("/api/v1/metadata")["data"];
  CHECK(metadata.contains("vitals_check_attempts"));
  CHECK_FALSE(metadata.contains("vitals_check_attempts_total"));
  CHECK(prometheus.query("vitals_check_attempts_total{outcome=\"pass\"}").size() == 1);
}

TEST_CASE("prometheus: takes the app's merged families, odd ones too, without a warning") {
  ScriptedServer app(answering(http_answer(
      "200 OK",
      "# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total{shop=\"a\\\"b}\"} 3\n"
      "# TYPE wait_seconds histogram\nwait_seconds_bucket{le=\"1\"} 1\n"
      "wait_seconds_bucket{le=\"+Inf\"} 2\nwait_seconds_sum 3\nwait_seconds_count 2\n"
      "# TYPE hits counter\nhits 4\nbare NaN\n<html>\nvitals_ready "
      "9\norders_total{shop=\"a\\\"b}\"} 4\n")));
  const Agent agent("[app]\nmetrics = \"" + app.url("/metrics") + "\"\n");
  REQUIRE(eventually([&] { return agent.metric("hits") == 4; }));
  const Prometheus prometheus(agent.port());
  const auto shows = [&](const std::string& expression, const std::string& wanted) {
    CAPTURE(expression);
    CHECK(eventually([&] { return prometheus.value(expression) == wanted; }, patience));
  };
  shows("up", "1");
  shows("orders_total", "3");
  shows("wait_seconds_count", "2");
  shows("hits", "4");
  shows("vitals_ready", "1");
  shows("vitals_app_metrics_dropped_total{cause=\"collision\"}", "1");
  CHECK(prometheus.log().find("level=warn") == std::string::npos);
}

// ---- HAProxy, blackbox_exporter, curl -------------------------------------------------------

/// An HAProxy that asks /health/ready of two agents.
class Haproxy {
 public:
  Haproxy(const Agent& one, const Agent& two)
      : port_(free_port()), process_(command(one.port(), two.port())) {}

  /// "UP" or "DOWN", also "no check" and the like.
  [[nodiscard]] std::string status_of(const std::string& server) const {
    std::istringstream lines(curl(local(port_, "/stats;csv")));
    constexpr int status_column = 17;  // HAProxy's management guide, "CSV format"
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("machines," + server + ",")) continue;
      std::istringstream fields(line);
      std::string field;
      for (int i = 0; i <= status_column; ++i) std::getline(fields, field, ',');
      return field;
    }
    return "";
  }
  [[nodiscard]] bool shows(const std::string& one, const std::string& two) const {
    return eventually([&] { return status_of("one") == one && status_of("two") == two; }, patience);
  }

 private:
  [[nodiscard]] Command command(std::uint16_t one, std::uint16_t two) const {
    const auto config = folder_.write(
        "haproxy.cfg",
        "defaults\n mode http\n timeout connect 2s\n timeout client 5s\n timeout server 5s\n"
        "frontend stats\n bind 127.0.0.1:" +
            std::to_string(port_) +
            "\n stats enable\n stats uri /stats\n"
            "backend machines\n option httpchk GET /health/ready\n"
            " default-server check inter 300ms fall 2 rise 1\n"
            " server one 127.0.0.1:" +
            std::to_string(one) + "\n server two 127.0.0.1:" + std::to_string(two) + "\n");
    return {{"haproxy", "-db", "-f", config.string()}};
  }

  TempDir folder_;
  std::uint16_t port_;
  Process process_;
};

TEST_CASE("haproxy: option httpchk takes a drained Machine out and puts it back") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  const std::string config = std::string(quick) + check("app", "http", app.url("/"));
  const Agent one(config);
  const Agent two(config);
  REQUIRE(becomes(one, "app", "pass"));
  REQUIRE(becomes(two, "app", "pass"));
  const Haproxy haproxy(one, two);
  CHECK(haproxy.shows("UP", "UP"));
  REQUIRE(http(two.port(), "/drain", {}, "POST").status == 204);
  CHECK(haproxy.shows("UP", "DOWN"));
  REQUIRE(http(two.port(), "/undrain", {}, "POST").status == 204);
  REQUIRE(http(one.port(), "/drain", {}, "POST").status == 204);
  CHECK(haproxy.shows("DOWN", "UP"));
}

TEST_CASE("haproxy: a Machine whose app is down is out, one with a shared outage stays in") {
  RedisServer app;  // something local that can come and go
  PostgresServer postgres;
  const Agent one(std::string(quick) + "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                  std::to_string(app.port()) + "\"\n");
  const Agent two(std::string(quick) +
                  check("db", "postgres", postgres.url(), "scope = \"shared\"\n"));
  REQUIRE(becomes(one, "app", "pass"));
  REQUIRE(becomes(two, "db", "pass"));
  const Haproxy haproxy(one, two);
  REQUIRE(haproxy.shows("UP", "UP"));
  app.stop();
  postgres.stop("immediate");
  REQUIRE(becomes(one, "app", "fail"));
  REQUIRE(becomes(two, "db", "fail"));
  CHECK(haproxy.shows("DOWN", "UP"));
  app.start();
  CHECK(haproxy.shows("UP", "UP"));
}

TEST_CASE("blackbox_exporter: probe_success is the verdict") {
  PostgresServer postgres;
  const Agent agent(std::string(quick) + check("db", "postgres", postgres.url()));
  REQUIRE(becomes(agent, "db", "pass"));
  const TempDir folder;
  const auto config = folder.write(
      "blackbox.yml",
      "modules:\n  http_2xx:\n    prober: http\n    http: {preferred_ip_protocol: ip4}\n");
  const std::uint16_t port = free_port();
  const Process exporter({{"prometheus-blackbox-exporter", "--config.file=" + config.string(),
                           "--web.listen-address=127.0.0.1:" + std::to_string(port)}});
  const auto probe_success = [&](const std::string& path) -> std::string {
    const std::string page = curl(
        local(port, "/probe"),
        {"-G", "--data-urlencode", "target=" + local(agent.port(), path), "-d", "module=http_2xx"});
    const auto at = page.find("\nprobe_success ");
    return at == std::string::npos ? "" : page.substr(at + 15, 1);
  };
  REQUIRE(eventually([&] { return probe_success("/health") == "1"; }, patience));
  CHECK(probe_success("/health/ready") == "1");
  CHECK(probe_success("/health/check/db") == "1");

  postgres.stop("immediate");
  REQUIRE(becomes(agent, "db", "fail"));
  CHECK(probe_success("/health") == "0");
  CHECK(probe_success("/health/check/db") == "0");
  CHECK(probe_success("/health/ready") == "1");  // shared: nobody is better off without us
  CHECK(probe_success("/health/live") == "1");
  postgres.start();
  REQUIRE(becomes(agent, "db", "pass"));
  CHECK(probe_success("/health") == "1");
  REQUIRE(http(agent.port(), "/drain", {}, "POST").status == 204);
  CHECK(probe_success("/health") == "0");
  CHECK(probe_success("/health/ready") == "0");
}

TEST_CASE("curl -f: 0 while passing, 22 in failure") {
  PostgresServer postgres;
  const Agent agent(std::string(quick) + check("db", "postgres", postgres.url()));
  REQUIRE(becomes(agent, "db", "pass"));
  for (const char* path : {"/health", "/healthz", "/health/ready", "/health/live",
                           "/health/startup", "/health/check/db", "/metrics"}) {
    CAPTURE(path);
    CHECK(curl_code(agent, path) == 0);
  }
  CHECK(curl_code(agent, "/health/check/nosuch") == 22);
  postgres.stop("immediate");
  REQUIRE(becomes(agent, "db", "fail"));
  CHECK(curl_code(agent, "/health") == 22);
  CHECK(curl_code(agent, "/health?fail=never") == 0);
  CHECK(curl_code(agent, "/health/check/db") == 22);
  CHECK(curl_code(agent, "/health/live") == 0);
  REQUIRE(http(agent.port(), "/drain", {}, "POST").status == 204);
  CHECK(curl_code(agent, "/health/ready") == 22);
}

}  // namespace
}  // namespace vitals::test
