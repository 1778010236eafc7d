// Stack 3 of contract §12: an API and Postgres with a replica behind HAProxy, as on Fly: a TCP
// connect proves nothing there.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "tests/support/faults.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/stack.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t app_port = 3000;
constexpr std::uint16_t proxy_port = 5432;

/// HAProxy on 5432 with one server behind, which a failover changes.
class Proxy {
 public:
  void lead_to(std::uint16_t port) {
    process_.reset();
    const auto file = folder_.write(
        "haproxy.cfg",
        "global\n  maxconn 200\ndefaults\n  mode tcp\n  timeout connect 1s\n  timeout client 60s\n"
        "  timeout server 60s\nlisten postgres\n  bind 127.0.0.1:" +
            std::to_string(proxy_port) + "\n  server leader 127.0.0.1:" + std::to_string(port) +
            "\n");
    process_ = std::make_unique<Process>(Command{{"haproxy", "-db", "-f", file.string()}});
    if (!eventually([] { return accepts_tcp(proxy_port); })) {
      throw std::runtime_error("haproxy did not come up: " + process_->output());
    }
  }

 private:
  TempDir folder_;
  std::unique_ptr<Process> process_;
};

std::string database_url() {
  return "postgres://app:" + std::string(app_password) +
         "@shop-db.internal:" + std::to_string(proxy_port) + "/app";
}

struct Api {
  Machine machine{{{"shop-db.internal", "127.0.0.1"}}};
  PostgresServer primary;
  std::unique_ptr<PostgresServer> replica = PostgresServer::replica_of(primary);
  Proxy proxy;
  std::unique_ptr<Stack> stack;

  Api() {
    proxy.lead_to(primary.port());
    stack = std::make_unique<Stack>(Stack::Options{
        .example = "api-fly-postgres",
        .app = {"app.py"},
        .environment = {{"DATABASE_URL", database_url()}, {"PORT", std::to_string(app_port)}}});
    REQUIRE(stack->turns(
                {.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
                90s) == "");
  }
};

TEST_CASE("stack API: role and write path are proved, and old dashboards find pg_up") {
  if (!Machine::possible()) return;
  Api api;
  CHECK(api.primary.sql("SELECT count(*) FROM vitals_check") == "1");
  CHECK(api.stack->metric("pg_up{check=\"db\"}") == 1);
  CHECK(eventually(
      [&] { return api.stack->metric("vitals_postgres_in_recovery{check=\"db\"}") == 0; }));
  // The app's own page stands behind ours.
  CHECK(eventually([&] { return api.stack->metric("app_jobs_total") == 7; }, 30s));
}

TEST_CASE("stack API: no primary behind HAProxy: TCP still connects, the verdict is fail" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Api api;
  put_in([&] { api.primary.stop("immediate"); });
  CHECK(api.stack->turns({.verdict = "fail",
                          .health = 503,
                          .ready = 200,
                          .check = "db",
                          .status = "fail",
                          .reason = "reset|timeout|protocol|refused",
                          .fail_open = "true"}) == "");
  CHECK(accepts_tcp(proxy_port));
  CHECK(http(app_port, "/healthz/db").status != 200);
  CHECK(api.stack->turns({.check = "api-pool", .suppressed = "db"}) == "");
  take_out([&] { api.primary.start(); });
  CHECK(api.stack->turns({.verdict = "pass", .health = 200}, 90s) == "");
}

TEST_CASE(
    "stack API: a failover is seen and survived: one transition each way, the pool comes back" *
    red_without_faults()) {
  if (!Machine::possible()) return;
  Api api;
  put_in([&] { api.primary.stop("immediate"); });
  CHECK(api.stack->turns({.verdict = "fail", .check = "db", .status = "fail"}) == "");
  // HAProxy finds the other server before anybody has promoted it.
  put_in([&] { api.proxy.lead_to(api.replica->port()); });
  CHECK(api.stack->turns({.verdict = "fail", .check = "db", .reason = "readonly"}) == "");
  take_out([&] { api.replica->sql("SELECT pg_promote()"); });
  CHECK(api.stack->turns(
            {.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
            90s) == "");
  CHECK(eventually([] { return http(app_port, "/healthz/db").status == 200; }));
  const auto transitions = [&](const std::string& from, const std::string& to) {
    return api.stack->metric("vitals_check_transitions_total{check=\"db\",from=\"" + from +
                             "\",to=\"" + to + "\"}");
  };
  // An answer that is slower than warn_above is warn for a moment, before and after.
  CHECK(transitions("pass", "fail") + transitions("warn", "fail") == 1);
  CHECK(transitions("fail", "pass") + transitions("fail", "warn") == 1);
}

TEST_CASE("stack API: a primary that takes no writes is readonly" * red_without_faults()) {
  if (!Machine::possible()) return;
  Api api;
  const auto read_only = [&](const std::string& setting) {
    api.primary.sql("ALTER SYSTEM SET default_transaction_read_only = " + setting);
    api.primary.sql("SELECT pg_reload_conf()");
  };
  put_in([&] { read_only("on"); });
  CHECK(api.stack->turns({.verdict = "fail",
                          .health = 503,
                          .check = "db",
                          .status = "fail",
                          .reason = "readonly"}) == "");
  CHECK(http(app_port, "/healthz/db").status == 200);  // reading goes on
  take_out([&] { read_only("off"); });
  CHECK(api.stack->turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack API: release_command runs as if vitals were not there") {
  if (!Machine::possible()) return;
  Machine machine;
  const Finished migrated = vitals(
      {"run", "--", "sh", "-c", "echo migrating with $RELEASE_COMMAND; exit 7"},
      {{"RELEASE_COMMAND", "1"}, {"PATH", "/usr/bin:/bin"}, {"DATABASE_URL", database_url()}});
  CHECK(migrated.code == 7);
  CHECK(migrated.output == "migrating with 1\n");
}

TEST_CASE("stack API: the release gate: 0 when the stack comes up, 2 with the reason when not" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Machine machine{{{"shop-db.internal", "127.0.0.1"}}};
  PostgresServer primary({.start = false});
  Proxy proxy;
  proxy.lead_to(primary.port());
  const std::map<std::string, std::string> environment{{"DATABASE_URL", database_url()}};
  const Finished never = vitals({"check", "--wait", "10s"}, environment);
  CHECK(never.code == 2);
  CAPTURE(never.output);
  CHECK(never.output.find("fail: postgres reset") != std::string::npos);

  Process gate({{vitals_binary(), "check", "--wait", "60s"}, environment});
  take_out([&] { primary.start(); });
  CHECK(gate.wait(60s) == 0);
  CHECK(gate.output().find("pass: postgres") != std::string::npos);
}

}  // namespace
}  // namespace vitals::test
