// Postgres from one good state to the next: a failover behind HAProxy, and a pool that fills and
// empties again.
#include <memory>
#include <set>
#include <string>

#include "tests/support/pgbouncer_server.hpp"
#include "tests/support/postgres_fixture.hpp"
#include "tests/support/postgres_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// Sends every connection to the first server, and to the second one when the first is down, as a
/// proxy before a Postgres cluster does that only looks whether something listens.
class TcpProxy {
 public:
  TcpProxy(std::uint16_t first, std::uint16_t second)
      : port_(free_port()), process_(command(first, second)) {
    REQUIRE(eventually([&] { return accepts_tcp(port_); }, 30s));
  }

  [[nodiscard]] std::string url() const {
    return "postgresql://" + std::string(app_user) + ":" + app_password +
           "@127.0.0.1:" + std::to_string(port_) + "/" + app_user;
  }

 private:
  [[nodiscard]] Command command(std::uint16_t first, std::uint16_t second) const {
    const auto server = [](const char* name, std::uint16_t port, const char* fall) {
      return " server " + std::string(name) + " 127.0.0.1:" + std::to_string(port) +
             " check inter 200ms fall " + fall + " rise 1 on-marked-down shutdown-sessions";
    };
    const auto config = folder_.write(
        "haproxy.cfg",
        "defaults\n mode tcp\n timeout connect 1s\n timeout client 60s\n timeout server 60s\n"
        "listen postgres\n bind 127.0.0.1:" +
            std::to_string(port_) + "\n" + server("primary", first, "1") + "\n" +
            // That one stays: an attempt of HAProxy that a busy machine made late must not cut it
            // off.
            server("replica", second, "1000") + " backup\n");
    return {.argv = {"haproxy", "-db", "-f", config.string()}};
  }

  TempDir folder_;
  std::uint16_t port_;
  Process process_;
};

/// Asks until `done`; every answer before it must be a failure, and says why.
template <typename Done>
std::set<std::string> reasons_until(const ConfiguredCheck& check, Done done) {
  std::set<std::string> reasons;
  CHECK(eventually(
      [&] {
        const auto result = ask(check, 3s);
        if (done(result)) return true;
        INFO(result.detail);
        CHECK(result.outcome == Outcome::fail);
        reasons.emplace(to_label(result.reason));
        return false;
      },
      90s));
  return reasons;
}

TEST_SUITE("postgres") {
  TEST_CASE("postgres: a failover behind HAProxy is seen, and never green before the promotion") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    primary.sql("CREATE TABLE kept (i int)");
    REQUIRE(eventually(
        [&] { return replica->sql("SELECT to_regclass('kept') IS NOT NULL") == "t"; }, 60s));
    const TcpProxy proxy(primary.port(), replica->port());
    std::string connection;
    SUBCASE("over a kept connection") { connection = "connection = \"keep\""; }
    SUBCASE("over fresh ones") { connection = "connection = \"fresh\""; }
    const auto check = postgres_check(proxy.url(), "expect_role = \"primary\"\n" + connection);
    REQUIRE(eventually([&] { return ask(check, 3s).outcome == Outcome::pass; }, 60s));

    primary.stop("immediate");
    auto reasons = reasons_until(
        check, [](const ProbeResult& result) { return result.reason == Reason::readonly; });
    // Until HAProxy has noticed, nothing answers behind it; then the replica does.
    for (const std::string& reason : reasons) {
      CAPTURE(reason);
      const std::set<std::string> of_a_connection{"refused", "reset", "timeout", "starting"};
      CHECK(of_a_connection.contains(reason));
    }
    for (int i = 0; i < 3; ++i) expect_fail(ask(check, 3s), Reason::readonly, "replica");

    REQUIRE(replica->sql("SELECT pg_promote()") == "t");
    reasons = reasons_until(
        check, [](const ProbeResult& result) { return result.outcome == Outcome::pass; });
    for (const std::string& reason : reasons) {
      CAPTURE(reason);
      CHECK((reason == "readonly" || reason == "starting"));
    }
    CHECK(replica->sql("SELECT pg_is_in_recovery()") == "f");
    expect_pass(ask(check, 3s));
  }

  TEST_CASE("postgres: a full pool of PgBouncer is fail(saturated), and passes when it empties") {
    PostgresServer database;
    const PgBouncerServer pooler(database, {.settings = {{"query_wait_timeout", "1"}}});
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    for (int round = 0; round < 2; ++round) {
      {
        const auto one = pooler.session("SELECT pg_sleep(60)");
        const auto two = pooler.session("SELECT pg_sleep(60)");
        REQUIRE(eventually([&] {
          return database.sql(
                     "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
                     " AND pid <> pg_backend_pid() AND state = 'active'") == "2";
        }));
        expect_fail(ask(check, Duration(9'000)), Reason::saturated, "query_wait_timeout");
        expect_fail(ask(check, Duration(9'000)), Reason::saturated);
      }
      CHECK(eventually([&] { return ask(check, Duration(9'000)).outcome == Outcome::pass; }, 60s));
    }
  }
}

}  // namespace
}  // namespace vitals::test
