// The README's recipe for fly-autoscaler, asked of a real Prometheus with the labels that Fly adds.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/prometheus.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// What stands between the quotes behind this word in the README.
std::string recipe(const std::string& name) {
  const std::string readme = read_file(source_dir() / "README.md");
  const auto begin = readme.find(name + "='");
  REQUIRE(begin != std::string::npos);
  const auto text = begin + name.size() + 2;
  return readme.substr(text, readme.find('\'', text) - text);
}

/// The same, but empty instead of 0 while the dependency is down.
std::string holding(std::string query) {
  const auto times = query.find(" * min(");
  REQUIRE(times != std::string::npos);
  query.replace(times, 3, " / (");
  return query + " > 0)";
}

TEST_CASE(
    "recipe: the autoscaler's query is the load, 0 or nothing while a shared dependency fails") {
  const std::string query = recipe("FAS_PROMETHEUS_QUERY");
  const std::uint16_t front = free_port();
  const std::uint16_t app = free_port();
  // It accepts: the queue of one that does not would be full after half a minute of attempts.
  auto dependency =
      std::make_unique<ScriptedServer>([](ScriptedConnection& connection) { connection.hang(); });
  Agent agent("[app]\nfront = \"127.0.0.1:" + std::to_string(front) +
                  "\"\nupstream = \"127.0.0.1:" + std::to_string(app) +
                  "\"\n[checks.db]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                  std::to_string(dependency->port()) +
                  "\"\nscope = \"shared\"\nimpact = \"critical\"\ninterval = \"500ms\"\n"
                  "retry_interval = \"500ms\"\nfall = 1\n",
              {.command = {"node", (source_dir() / "tests/support/front_app.js").string(),
                           std::to_string(app)}});
  REQUIRE(eventually([&] { return agent.status_of("db") == "pass"; }));
  REQUIRE(eventually([&] { return accepts_tcp(app); }, 30s));
  const Prometheus prometheus(agent.port(), {.labels = "app: my-app, region: sin"});
  CHECK(eventually([&] { return prometheus.value(query) == "0"; }, 60s));
  RawClient running(front);
  running.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
  CHECK(eventually([&] { return prometheus.value(query) == "1"; }, 60s));
  CHECK(eventually([&] { return prometheus.value(holding(query)) == "1"; }, 60s));
  dependency.reset();
  CHECK(eventually([&] { return prometheus.value(query) == "0"; }, 60s));
  CHECK(prometheus.query(holding(query)) == nlohmann::json::array());
}

}  // namespace
}  // namespace vitals::test
