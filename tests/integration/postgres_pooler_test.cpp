// The kind postgres through a real PgBouncer in transaction mode: the pooler rows of its table.
#include <doctest/doctest.h>

#include <cstddef>
#include <list>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/pgbouncer_server.hpp"
#include "tests/support/postgres_fixture.hpp"
#include "tests/support/postgres_server.hpp"

using namespace vitals;
using namespace vitals::test;

namespace {

PostgresServer& database() {
  static PostgresServer server;
  return server;
}

std::string url_of(const PgBouncerServer& pooler, const std::string& user,
                   const std::string& password, const std::string& name) {
  return "postgres://" + user + ":" + password + "@127.0.0.1:" + std::to_string(pooler.port()) +
         "/" + name;
}

/// Of those that logged in, how many it has not seen leave.
std::size_t clients_of(const PgBouncerServer& pooler) {
  std::istringstream lines(pooler.log());
  std::set<std::string> clients;
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find(" C-");
    if (begin == std::string::npos) continue;
    const std::string client = line.substr(begin, line.find(':', begin) - begin);
    if (line.find("login attempt", begin) != std::string::npos) clients.insert(client);
    if (line.find("closing because", begin) != std::string::npos) clients.erase(client);
  }
  return clients.size();
}

/// Both servers of the pool are inside `query` of somebody else.
std::list<Process> fill_pool(const PgBouncerServer& pooler, const std::string& query) {
  std::list<Process> sessions;
  REQUIRE(eventually([&] {
    // Whoever has waited for too long is sent away, and comes again.
    std::erase_if(sessions, [](Process& session) { return !session.running(); });
    while (sessions.size() < 2) sessions.push_back(pooler.session(query));
    return database().sql("SELECT count(*) FROM pg_stat_activity WHERE query = '" + query +
                          "' AND state = 'active'") == "2";
  }));
  return sessions;
}

}  // namespace

TEST_SUITE("postgres") {
  TEST_CASE(
      "postgres: through PgBouncer it passes, says so, and leaks nothing to the next client") {
    PgBouncerServer pooler(database(), {.settings = {{"default_pool_size", "1"}}});
    const auto before = pooler.sql("SHOW statement_timeout").output;
    const auto check = postgres_check(pooler.url(), "expect_role = \"primary\"");
    for (int i = 0; i < 3; ++i) {
      const auto result = ask(check);
      expect_pass(result);
      const auto version =
          database().sql("SELECT split_part(current_setting('server_version'),' ',1)");
      CHECK(measured(result, "postgres_info", {version, "pgbouncer"}) == 1);
      CHECK(pooler.sql("SHOW statement_timeout").output == before);
    }
    // Nor does a question that ends in an error: the pool's one server stays, and is clean.
    const auto pid = pooler.sql("SELECT pg_backend_pid()").output;
    const auto broken = postgres_check(pooler.url(), "query = \"SELECT 1/0\"");
    expect_fail(ask(broken), Reason::assertion, "22012");
    CHECK(pooler.sql("SELECT pg_backend_pid()").output == pid);
    CHECK(pooler.sql("SHOW statement_timeout").output == before);
  }

  TEST_CASE("postgres: parameters that ORMs add are ignored") {
    PgBouncerServer pooler(database());
    expect_pass(ask(postgres_check(
        pooler.url("pgbouncer=true&schema=public&connection_limit=1&pool_timeout=0&"
                   "sslaccept=strict&statement_cache_size=0&prepared_statements=false"))));
  }

  TEST_CASE("postgres: 08P01 for a wrong password, user or database is fail(auth)") {
    PgBouncerServer pooler(database());
    const auto wrong = ask(postgres_check(url_of(pooler, "app", "WrongCanary8", "app")));
    expect_fail(wrong, Reason::auth, "08P01");
    CHECK(wrong.detail.find("WrongCanary8") == std::string::npos);
    expect_fail(ask(postgres_check(url_of(pooler, "nobody", "x", "app"))), Reason::auth, "08P01");
    expect_fail(ask(postgres_check(url_of(pooler, app_user, app_password, "nope"))), Reason::auth,
                "no such database");
  }

  TEST_CASE("postgres: 08P01 for a user that a trusting PgBouncer does not know is fail(auth)") {
    PgBouncerServer pooler(database(), {.settings = {{"auth_type", "trust"}}});
    expect_fail(ask(postgres_check(url_of(pooler, "nobody", "x", "app"))), Reason::auth, "08P01 ");
  }

  TEST_CASE("postgres: 08P01 no more connections allowed is fail(saturated)") {
    PgBouncerServer pooler(database(), {.settings = {{"max_client_conn", "1"}}});
    const auto session = pooler.session("SELECT pg_sleep(61)");
    REQUIRE(eventually([&] {
      return database().sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE"
                 " '%pg_sleep(61)%' AND pid <> pg_backend_pid()") == "1";
    }));
    expect_fail(ask(postgres_check(pooler.url())), Reason::saturated,
                "08P01 no more connections allowed");
  }

  TEST_CASE("postgres: 08P01 query_wait_timeout of a full pool is fail(saturated)") {
    PgBouncerServer pooler(database(), {.settings = {{"query_wait_timeout", "1"}}});
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    const auto sessions = fill_pool(pooler, "SELECT pg_sleep(60)");
    expect_fail(ask(check, Duration(9'000)), Reason::saturated, "08P01 query_wait_timeout");
  }

  TEST_CASE("postgres: a full pool that does not say so in time is fail(timeout), and is left") {
    PgBouncerServer pooler(database());
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    auto sessions = fill_pool(pooler, "SELECT pg_sleep(62)");
    CHECK(clients_of(pooler) == 3);
    expect_fail(ask_until_deadline(check, Duration(500)), Reason::timeout);
    // PgBouncer reads nothing of who waits: with a free server it learns that this one has gone.
    sessions.clear();
    const bool left = eventually([&] { return clients_of(pooler) == 0; });
    CHECK_MESSAGE(left, pooler.log());
    CHECK(pooler.log().find("cancel") == std::string::npos);
    expect_pass(ask(check));
  }

  TEST_CASE("postgres: a pooler whose Postgres stands still at the deadline outlives the check") {
    PostgresServer server;
    PgBouncerServer pooler(server);
    const auto kept = postgres_check(pooler.url());
    expect_pass(ask(kept));
    server.freeze();
    expect_fail(ask_until_deadline(kept, Duration(500)), Reason::timeout);
    server.thaw();
    // A cancel request that nobody waited for would be passed on now, and PgBouncer 1.18 ends of
    // it.
    const bool passes = eventually([&] { return ask(kept).outcome == Outcome::pass; });
    CHECK_MESSAGE(passes, pooler.log());
    CHECK_MESSAGE(pooler.running(), pooler.log());
  }

  TEST_CASE("postgres: nor does a pooler end of a check that has never passed") {
    PostgresServer server;
    const auto outlives = [&] {
      PgBouncerServer pooler(server);
      REQUIRE(pooler.sql("SELECT 1").code == 0);  // a server waits in the pool
      server.freeze();
      expect_fail(ask_until_deadline(postgres_check(pooler.url()), Duration(500)), Reason::timeout);
      server.thaw();
      eventually([&] { return pooler.sql("SELECT 1").code == 0 || !pooler.running(); });
      return pooler.running();
    };
    // Of the process ids that PgBouncer makes up, one in a thousand could be a server's own.
    CHECK((outlives() || outlives()));
  }

  TEST_CASE("postgres: 08P01 server login has been failing is fail(pooler)") {
    PostgresServer server;
    PgBouncerServer pooler(server, {.settings = {{"server_login_retry", "30"}}});
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    server.stop("immediate");
    REQUIRE(eventually([&] {
      return ask(check).detail.find("server login has been failing") != std::string::npos;
    }));
    expect_fail(ask(check), Reason::pooler, "08P01 server login has been failing");
  }

  TEST_CASE("postgres: 08P01 unsupported startup parameter is internal, with the way out") {
    PgBouncerServer pooler(database());
    const auto url = pooler.url("options=-c%20geqo%3Doff");
    expect_fail(ask(postgres_check(url)), Reason::internal, "unsupported startup parameter");
    CHECK(ask(postgres_check(url)).detail.find("take it out of the url") != std::string::npos);
  }

  TEST_CASE("postgres: a pooler restarted under a kept connection is survived by a fresh try") {
    PgBouncerServer pooler(database());
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    pooler.stop();
    pooler.start();
    const auto result = ask(check);
    expect_pass(result);
    CHECK(result.phases.get(Phase::auth).has_value());
    pooler.stop();
    expect_fail(ask(check), Reason::refused);
  }

  TEST_CASE("postgres: a frozen pooler is fail(timeout) at the deadline") {
    PgBouncerServer pooler(database());
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    pooler.freeze();
    expect_fail(ask_until_deadline(check, Duration(400)), Reason::timeout);
    expect_fail(ask_until_deadline(postgres_check(pooler.url()), Duration(400)), Reason::timeout);
    pooler.thaw();
    expect_pass(ask(check));
  }

  TEST_CASE("postgres: a pool in statement mode passes: the question is one message") {
    PgBouncerServer pooler(database(), {.settings = {{"pool_mode", "statement"}}});
    const auto check = postgres_check(pooler.url());
    expect_pass(ask(check));
    expect_pass(ask(check));
  }
}
