// The shipped rules and the dashboard: every query in them is asked of a real Prometheus that
// scrapes a real agent, healthy, failing and drained, and says what it claims.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/prometheus.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;

std::filesystem::path shipped(const std::string& name) {
  return source_dir() / "monitoring" / name;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

struct Panel {
  std::string title;
  std::string query;
};

/// Every query of the dashboard with "All" chosen in every list, as Grafana would send it.
std::vector<Panel> dashboard_queries() {
  std::vector<Panel> queries;
  const auto dashboard = nlohmann::json::parse(read_file(shipped("dashboard.json")));
  for (const auto& panel : dashboard["panels"]) {
    if (panel["type"] == "row") continue;
    for (const auto& target : panel["targets"]) {
      std::string query = target["expr"];
      for (const char* variable : {"$app", "$region", "$check"}) replace_all(query, variable, ".*");
      replace_all(query, "$__rate_interval", "5s");
      queries.push_back({panel["title"], query});
    }
  }
  return queries;
}

/// Every series that a shipped rule names, with the labels it asks for, as Prometheus has read
/// them.
std::set<std::string> series_of_rules(const Prometheus& prometheus) {
  std::set<std::string> series;
  const std::regex selector(R"((?:vitals|app|app_check)[_:][a-z0-9_:]*(?:\{[^}]*\})?)");
  const auto answer = prometheus.get("/api/v1/rules");
  for (const auto& group : answer["data"]["groups"]) {
    for (const auto& rule : group["rules"]) {
      CHECK(rule["health"] == "ok");
      const std::string query = rule["query"];
      const std::sregex_iterator end;
      for (std::sregex_iterator at(query.begin(), query.end(), selector); at != end; ++at) {
        series.insert(at->str());
      }
    }
  }
  return series;
}

/// What is not there, for a reason.
struct Absent {
  /// The beginning of the families of a dependency that is lost: nothing is shown, rather than what
  /// it said last.
  std::string lost{};
  /// Series of rules that come with what they tell of.
  std::set<std::string> series{};
};
/// Nobody fails, and this Postgres is no replica.
const std::set<std::string> of_failures_and_replicas{"vitals_check_failures_total",
                                                     "vitals_postgres_replication_lag_seconds"};

/// What is shipped asks for nothing that this agent does not have: no panel is empty, and every
/// series of every rule is there.
void expect_answers(const Prometheus& prometheus, const Absent& absent) {
  const auto answers = [&](const std::string& query) {
    const bool wanted = absent.lost.empty() || query.find(absent.lost) == std::string::npos;
    return eventually([&] { return prometheus.query(query).empty() != wanted; }, patience);
  };
  const auto panels = dashboard_queries();
  CHECK(panels.size() >= 30);
  for (const Panel& panel : panels) {
    CAPTURE(panel.title);
    CAPTURE(panel.query);
    CHECK(answers(panel.query));
  }
  // A rule's series come at its first evaluation.
  REQUIRE(answers("app:vitals_unready:ratio_3d"));
  const auto series = series_of_rules(prometheus);
  CHECK(series.size() >= 30);
  for (const std::string& name : series) {
    CAPTURE(name);
    if (!absent.series.contains(name)) CHECK(answers("count(" + name + ")"));
  }
}

/// A Machine with one of everything, run by `vitals run`.
class Machine {
 public:
  Machine()
      : secure_([](ScriptedConnection& connection) { (void)connection.handshake(); }, server()),
        app_([](ScriptedConnection& connection) {
          connection.read_request();
          connection.send(http_answer("200 OK", "ok"));
        }),
        agent_(config(), {.command = {"sleep", "600"}}),
        prometheus_(agent_.port(),
                    {.labels = "app: shop, region: sin", .rules = shipped("vitals.rules.yml")}) {
    // A panel and a rule are about holds.
    CHECK(http(agent_.port(), "/busy/import?ttl=1h", {}, "PUT").status == 204);
  }

  PostgresServer& postgres() { return postgres_; }
  Agent& agent() { return agent_; }
  [[nodiscard]] const Prometheus& prometheus() const { return prometheus_; }
  /// Alerts that are pending or firing.
  [[nodiscard]] std::set<std::string> alerts() const {
    std::set<std::string> names;
    const auto answer = prometheus_.get("/api/v1/alerts");
    for (const auto& alert : answer["data"]["alerts"]) {
      names.insert(alert["labels"]["alertname"].get<std::string>());
    }
    return names;
  }
  [[nodiscard]] bool shows(const std::string& query, const std::string& value) const {
    return eventually([&] { return prometheus_.value(query) == value; }, patience);
  }

 private:
  ScriptedOptions server() {
    const Certificate certificate = authority_.valid();
    return {.certificate = certificate.certificate, .key = certificate.key};
  }
  std::string config() {
    return "[defaults]\ninterval = \"500ms\"\ntimeout = \"400ms\"\nfall = 2\nrise = 1\n"
           "[checks.app]\nkind = \"http\"\nurl = \"" +
           app_.url("/") + "\"\n[checks.secure]\nkind = \"tls\"\naddress = \"localhost:" +
           std::to_string(secure_.port()) + "\"\nca_file = \"" + authority_.ca_file().string() +
           "\"\n[checks.db]\nkind = \"postgres\"\ntimeout = \"2s\"\ninterval = \"3s\"\nurl = \"" +
           postgres_.url() + "\"\n[checks.cache]\nkind = \"redis\"\nurl = \"" + redis_.url() +
           "\"\ninterval = \"500ms\"\n[autostop]\nport = 0\n";
  }

  Authority authority_;
  PostgresServer postgres_;
  RedisServer redis_;
  ScriptedServer secure_;
  ScriptedServer app_;
  Agent agent_;
  Prometheus prometheus_;
};

TEST_CASE(
    "monitoring: the rules parse, and each alert fires on what it names and on nothing else") {
  const Finished rules =
      run({{"promtool", "check", "rules", shipped("vitals.rules.yml").string()}});
  CHECK(rules.code == 0);
  const Finished units = run(
      {
          {"promtool", "test", "rules", shipped("vitals.test.yml").string()},
      },
      60s);
  CAPTURE(units.output);
  CHECK(units.code == 0);
}

TEST_CASE("monitoring: each alert has a unit test and a paragraph in the runbook") {
  const std::string rules = read_file(shipped("vitals.rules.yml"));
  const std::string units = read_file(shipped("vitals.test.yml"));
  const std::string book = read_file(shipped("README.md"));
  std::istringstream lines(rules);
  int alerts = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("- alert: ");
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at + 9);
    CAPTURE(name);
    ++alerts;
    CHECK(units.find("alertname=\"" + name + "\"") != std::string::npos);
    CHECK(book.find("### " + name + "\n") != std::string::npos);
  }
  CHECK(alerts >= 20);
}

TEST_CASE("monitoring: rules and dashboard say what is, healthy, failing and drained") {
  Machine machine;
  const Prometheus& prometheus = machine.prometheus();
  for (const char* name : {"app", "secure", "db", "cache"}) {
    CAPTURE(name);
    REQUIRE(eventually([&] { return machine.agent().status_of(name) == "pass"; }, patience));
  }

  SUBCASE("healthy: no panel is empty, and no alert is pending") {
    REQUIRE(machine.shows("app:vitals_ready:ratio", "1"));
    expect_answers(prometheus, {.series = of_failures_and_replicas});
    // An attempt or a scrape that a busy machine made late is an alert that is pending, for a
    // moment.
    CHECK(eventually([&] { return machine.alerts() == std::set<std::string>{}; }, patience));
    CHECK(machine.shows("count(vitals_check_up == 0) or vector(0)", "0"));
    CHECK(machine.shows("app_check:vitals_check_down:ratio{check=\"db\"}", "0"));
  }

  SUBCASE("failing: the alerts of a lost database are on their way, and panels show it") {
    machine.postgres().stop("immediate");
    REQUIRE(eventually([&] { return machine.agent().status_of("db") == "fail"; }, patience));
    const std::set<std::string> wanted{"VitalsDependencyDownEverywhere", "VitalsCheckFailing",
                                       "VitalsFailOpen"};
    CHECK(eventually([&] { return machine.alerts() == wanted; }, patience));
    CHECK(machine.shows("app_check:vitals_check_down:ratio{check=\"db\"}", "1"));
    CHECK(machine.shows("count(vitals_check_up == 0) or vector(0)", "1"));
    CHECK(eventually(
        [&] {
          return !prometheus
                      .query("app_check:vitals_check_failures:rate_5m{reason=\"refused\"} > 0")
                      .empty();
        },
        patience));
    CHECK(machine.shows("app:vitals_ready:ratio", "1"));
    expect_answers(prometheus, {.lost = "vitals_postgres_"});
  }

  SUBCASE("drained: nobody is called for a Machine that was asked to drain, but for the fleet") {
    REQUIRE(http(machine.agent().port(), "/drain", {}, "POST").status == 204);
    CHECK(machine.shows("app:vitals_ready:ratio", "0"));
    CHECK(machine.shows("sum(vitals_draining)", "1"));
    CHECK(eventually([&] { return machine.alerts().contains("VitalsFleetNotReady"); }, patience));
    CHECK_FALSE(machine.alerts().contains("VitalsNotReady"));
    expect_answers(prometheus, {.series = of_failures_and_replicas});
  }
}

}  // namespace
}  // namespace vitals::test
