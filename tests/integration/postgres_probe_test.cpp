// The kind postgres against real servers: every row of its table (contract §7) that a server alone
// can show. Poolers: postgres_pooler_test.cpp. TLS, several hosts, and servers that no real program
// would be (scripted, with the reason): postgres_transport_test.cpp.
#include <doctest/doctest.h>

#include <unistd.h>

#include <csignal>
#include <list>
#include <thread>

#include <vitals/fd.hpp>

#include "tests/support/occurrences.hpp"
#include "tests/support/postgres_fixture.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/timing.hpp"

using namespace vitals;
using namespace vitals::test;

namespace {

/// One server for all that leaves no trace in it.
PostgresServer& shared() {
  static PostgresServer server;
  return server;
}

std::string url_of(const std::string& user, const std::string& password,
                   const std::string& database) {
  return "postgres://" + user + ":" + password + "@127.0.0.1:" + std::to_string(shared().port()) +
         "/" + database;
}

bool nobody_left(const PostgresServer& server) {
  return eventually([&] { return server.our_sessions() == 0; });
}

/// Few slots, 3 of them reserved. Who logs in is read from the log: a superuser who asks for it
/// would take a slot himself at the wrong moment.
constexpr std::size_t slots = 5;
PostgresOptions few_slots() {
  return {.settings = {{"max_connections", std::to_string(slots)},
                       {"log_connections", "on"},
                       {"log_disconnections", "on"}}};
}
bool came_in(const PostgresServer& server, std::size_t sessions) {
  return eventually([&] {
    return occurrences(server.log(),
                       "connection authorized: user=app database=app application_name=test") >=
           sessions;
  });
}

/// A primary and its streaming replica, caught up.
struct Pair {
  Pair() : replica(PostgresServer::replica_of(primary)) {
    primary.sql("CREATE TABLE t (i int)");
    wait_until_replayed();
  }
  void wait_until_replayed() {
    const auto lsn = primary.sql("SELECT pg_current_wal_lsn()");
    REQUIRE(eventually(
        [&] { return replica->sql("SELECT pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t"; }));
  }
  PostgresServer primary;
  std::unique_ptr<PostgresServer> replica;
};
Pair& shared_pair() {
  static Pair pair;
  return pair;
}

}  // namespace

TEST_SUITE("postgres") {
  TEST_CASE("postgres: a server that answers passes, with its phases and facts") {
    const auto check = postgres_check(shared().url());
    CHECK(check.spec->target == "postgres://127.0.0.1:" + std::to_string(shared().port()));
    CHECK(check.spec->impact == Impact::critical);
    CHECK(check.spec->scope == Scope::shared);
    const auto first = ask(check);
    expect_pass(first);
    CHECK(first.detail.starts_with("PostgreSQL 1"));
    CHECK(first.detail.find(" primary") != std::string::npos);
    for (const auto phase : {Phase::resolve, Phase::connect, Phase::auth, Phase::request}) {
      CAPTURE(to_label(phase));
      CHECK(first.phases.get(phase).has_value());
    }
    CHECK_FALSE(first.phases.get(Phase::tls).has_value());
    CHECK(measured(first, "postgres_in_recovery") == 0);
    CHECK(measured(first, "postgres_connections_max") == 20);
    CHECK(measured(first, "postgres_connections", {"active"}) == 1);
    CHECK(measured(first, "postgres_oldest_transaction_seconds") == 0);
    CHECK(measured(first, "postgres_replication_lag_seconds") == 0);
    CHECK(first.detail.find("lag") == std::string::npos);
    const auto version = shared().sql("SELECT split_part(current_setting('server_version'),' ',1)");
    CHECK(measured(first, "postgres_info", {version, "none"}) == 1);

    const auto second = ask(check);
    expect_pass(second);
    CHECK_FALSE(second.phases.get(Phase::connect).has_value());
    CHECK(measured(second, "postgres_info", {version, "none"}) == 1);
    CHECK(shared().our_sessions() == 1);
  }

  TEST_CASE("postgres: no connection is left behind when a check goes") {
    {
      const auto check = postgres_check(shared().url());
      expect_pass(ask(check));
    }
    CHECK(nobody_left(shared()));
    const auto fresh = postgres_check(shared().url(), "connection = \"fresh\"");
    expect_pass(ask(fresh));
    expect_pass(ask(fresh));
    CHECK(nobody_left(shared()));
  }

  TEST_CASE(
      "postgres: every fresh_every-th attempt takes a new connection in the old one's place") {
    const auto check = postgres_check(shared().url(), "fresh_every = 3");
    std::vector<bool> fresh;
    for (int i = 0; i < 7; ++i) fresh.push_back(ask(check).phases.get(Phase::auth).has_value());
    CHECK(fresh == std::vector<bool>{true, false, false, true, false, false, true});
    CHECK(eventually([&] { return shared().our_sessions() == 1; }));
    CHECK(ask(check, Duration(2'000), true).phases.get(Phase::auth).has_value());
  }

  TEST_CASE("postgres: a frozen server is fail(timeout) at the deadline, new or kept") {
    PostgresServer server;
    const auto kept = postgres_check(server.url());
    const auto fresh = postgres_check(server.url());
    expect_pass(ask(kept));
    server.freeze();
    expect_fail(ask_until_deadline(kept, Duration(400)), Reason::timeout);
    expect_fail(ask_until_deadline(fresh, Duration(400)), Reason::timeout, "does not answer");
    server.thaw();
    expect_pass(ask(kept));
    expect_pass(ask(fresh));
    CHECK(eventually([&] { return server.our_sessions() == 2; }));
  }

  TEST_CASE("postgres: a kept connection that was terminated is tried again, afresh") {
    const auto check = postgres_check(shared().url());
    expect_pass(ask(check));
    shared().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'vitals'");
    const auto result = ask(check);
    expect_pass(result);
    CHECK(result.phases.get(Phase::auth).has_value());
  }

  TEST_CASE("postgres: a restart under a kept connection is survived, a stop is refused") {
    PostgresServer server;
    const auto check = postgres_check(server.url());
    expect_pass(ask(check));
    server.stop("fast");
    server.start();
    expect_pass(ask(check));
    server.stop("immediate");
    expect_fail(ask(check), Reason::refused, std::to_string(server.port()));
    server.start();
    expect_pass(ask(check));
  }

  TEST_CASE("postgres: 57P03 while the server starts is fail(starting)") {
    // Without hot standby a replica stays at "starting up" for as long as it follows.
    auto& pair = shared_pair();
    const auto replica = PostgresServer::replica_of(
        pair.primary, {.settings = {{"hot_standby", "off"}}, .start = false});
    replica->launch();
    const auto check = postgres_check(replica->url());
    REQUIRE(eventually([&] { return ask(check).reason != Reason::refused; }));
    REQUIRE(eventually([&] { return ask(check).reason == Reason::starting; }));
    expect_fail(ask(check), Reason::starting, "57P03 the database system is ");
  }

  TEST_CASE("postgres: 57P03 while the server shuts down is fail(starting)") {
    PostgresServer server;
    const auto check = postgres_check(server.url());
    const auto session = server.session("SELECT pg_sleep(60)");
    REQUIRE(eventually([&] {
      return server.sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'"
                 " AND state = 'active'") == "1";
    }));
    server.begin_stop("smart");
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::fail; }));
    expect_fail(ask(check), Reason::starting, "57P03 the database system is shutting down");
  }

  TEST_CASE("postgres: 57P01 on a fresh connection is fail(starting)") {
    const auto check =
        postgres_check(shared().url(), "query = \"SELECT pg_terminate_backend(pg_backend_pid())\"");
    expect_fail(ask(check), Reason::starting, "57P01 terminating connection");
  }

  TEST_CASE("postgres: 57P02, a crash while the query runs, is fail(starting)") {
    PostgresServer server;
    const auto check = postgres_check(server.url(), "query = \"SELECT pg_sleep(8)\"");
    ProbeResult result;
    std::thread asking([&] { result = ask(check, Duration(9'000)); });
    const bool asked = eventually([&] {
      return server.sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vitals'"
                 " AND query LIKE '%pg_sleep%'") == "1";
    });
    const auto victim = server.session("SELECT pg_sleep(61)");
    std::string pid;
    eventually([&] {
      pid = server.sql("SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(61)'");
      return !pid.empty();
    });
    if (!pid.empty()) ::kill(std::stoi(pid), SIGKILL);
    asking.join();
    REQUIRE(asked);
    expect_fail(result, Reason::starting, "57P02");
  }

  TEST_CASE("postgres: 53300 is fail(saturated), for reserved slots and for no slots at all") {
    PostgresServer server(few_slots());
    const auto check = postgres_check(server.url());
    std::list<Process> sessions;
    for (int i = 0; i < 2; ++i) sessions.push_back(server.session("SELECT pg_sleep(60)", app_user));
    REQUIRE(came_in(server, 2));
    expect_fail(ask(check), Reason::saturated, "53300 remaining connection slots are reserved");
    // Whoever is just being refused holds a slot for a moment: a session that found none free is
    // started again, and the answer that was waited for is the one that is judged.
    ProbeResult full;
    REQUIRE(eventually([&] {
      std::erase_if(sessions, [](Process& session) { return !session.running(); });
      if (sessions.size() < slots) sessions.push_back(server.session("SELECT pg_sleep(60)"));
      full = ask(check);
      return full.detail.find("sorry") != std::string::npos;
    }));
    expect_fail(full, Reason::saturated, "53300 sorry, too many clients already");
    sessions.clear();
    CHECK(eventually([&] { return ask(check).outcome == Outcome::pass; }));
  }

  TEST_CASE("postgres: 53300 is warn(saturated) while the kept connection still answers") {
    PostgresServer server(few_slots());
    const auto check = postgres_check(server.url(), "fresh_every = 2\nconnections_warn = 1.0");
    expect_pass(ask(check));
    auto session = server.session("SELECT pg_sleep(60)", app_user);
    REQUIRE(came_in(server, 1));
    expect_pass(ask(check));  // kept
    const auto full = ask(check);
    expect_warn(full, Reason::saturated, "53300 remaining connection slots are reserved");
    CHECK(full.detail.find("kept connection still answers") != std::string::npos);
    CHECK(measured(full, "postgres_connections_max") == 5);
    expect_warn(ask(check), Reason::saturated);  // fresh again, though not due
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        " AND application_name = 'test'");
    REQUIRE(session.wait(std::chrono::seconds(10)).has_value());
    CHECK(eventually([&] { return ask(check).outcome == Outcome::pass; }));
    expect_pass(ask(check));
    CHECK(eventually([&] { return server.our_sessions() == 1; }));
  }

  TEST_CASE("postgres: 53300 is fail(saturated) when the kept connection is gone as well") {
    PostgresServer server(few_slots());
    const auto check = postgres_check(server.url(), "fresh_every = 1");
    expect_pass(ask(check));
    std::vector<Process> sessions;
    sessions.push_back(server.session("SELECT pg_sleep(60)", app_user));
    REQUIRE(came_in(server, 1));
    expect_warn(ask(check), Reason::saturated);
    const auto ended = occurrences(server.log(), "disconnection: ");
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'vitals'");
    // Both the ended one and psql's own have given their slots back.
    REQUIRE(eventually([&] { return occurrences(server.log(), "disconnection: ") >= ended + 2; }));
    sessions.push_back(server.session("SELECT pg_sleep(60)", app_user));
    REQUIRE(came_in(server, 2));
    expect_fail(ask(check), Reason::saturated, "53300");
  }

  TEST_CASE("postgres: a wrong password, an unknown role and a forbidden one are fail(auth)") {
    const auto wrong = ask(postgres_check(url_of("app", "WrongCanary9", "app")));
    expect_fail(wrong, Reason::auth, "28P01 password authentication failed");
    CHECK(wrong.detail.find("WrongCanary9") == std::string::npos);
    expect_fail(ask(postgres_check(url_of("nobody", "x", "app"))), Reason::auth, "28P01");
    const auto none = "postgres://app@127.0.0.1:" + std::to_string(shared().port()) + "/app";
    expect_fail(ask(postgres_check(none)), Reason::auth, "no password supplied");
    shared().sql("DROP ROLE IF EXISTS staff");
    shared().sql("CREATE ROLE staff NOLOGIN PASSWORD 'pw-staff'");
    expect_fail(ask(postgres_check(url_of("staff", "pw-staff", "app"))), Reason::auth, "28000");
  }

  TEST_CASE("postgres: a server that wants endless SCRAM computes alone") {
    // Two billion would be minutes of CPU that no deadline could end; the server computes them as
    // well when the role is made, so just too many must do.
    shared().sql("DROP ROLE IF EXISTS miner");
    shared().sql(
        "CREATE ROLE miner LOGIN PASSWORD 'SCRAM-SHA-256$600001:MDEyMzQ1Njc4OWFiY2RlZg==$"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        "'");
    const auto check = postgres_check(url_of("miner", "pw", "app"));
    expect_fail(ask(check), Reason::auth, "more SCRAM iterations");
  }

  TEST_CASE("postgres: a database that is not there is fail(auth) and named") {
    expect_fail(ask(postgres_check(url_of("app", app_password, "nope"))), Reason::auth,
                "3D000 database \"nope\"");
  }

  TEST_CASE("postgres: 25006 is fail(readonly)") {
    auto& pair = shared_pair();
    const auto check =
        postgres_check(pair.replica->url(), "query = \"CREATE TEMP TABLE x (i int)\"");
    expect_fail(ask(check), Reason::readonly, "25006");
    const auto writes = postgres_check(pair.replica->url(), "write_check = \"vitals_write\"");
    expect_fail(ask(writes), Reason::readonly, "25006");
  }

  TEST_CASE("postgres: roles that are not as expected fail, both ways") {
    auto& pair = shared_pair();
    expect_fail(ask(postgres_check(pair.replica->url(), "expect_role = \"primary\"")),
                Reason::readonly, "replica");
    expect_fail(ask(postgres_check(pair.primary.url(), "expect_role = \"replica\"")),
                Reason::replication, "primary");
    expect_pass(ask(postgres_check(pair.primary.url(), "expect_role = \"primary\"")));
    const auto replica = ask(postgres_check(pair.replica->url(), "expect_role = \"replica\""));
    expect_pass(replica);
    CHECK(measured(replica, "postgres_in_recovery") == 1);
  }

  TEST_CASE("postgres: a failover is seen on a kept connection") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    const auto check = postgres_check(replica->url(), "expect_role = \"primary\"");
    const auto as_replica = postgres_check(replica->url(), "expect_role = \"replica\"");
    expect_fail(ask(check), Reason::readonly);
    expect_pass(ask(as_replica));
    primary.stop("immediate");
    REQUIRE(replica->sql("SELECT pg_promote()") == "t");
    expect_pass(ask(check));
    expect_fail(ask(as_replica), Reason::replication);
  }

  TEST_CASE("postgres: a caught-up replica has lag 0, also when nothing is written") {
    auto& pair = shared_pair();
    pair.wait_until_replayed();
    const auto check = postgres_check(pair.replica->url(), "max_lag = \"1ms\"");
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::pass; }));
    // A primary that nobody writes to has a word for its replicas now and then.
    CHECK(
        eventually([&] { return measured(ask(check), "postgres_replication_lag_seconds") == 0; }));
  }

  TEST_CASE("postgres: a replica that lags above max_lag is warn(replication)") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    primary.sql("CREATE TABLE t (i int)");
    REQUIRE(eventually([&] { return replica->sql("SELECT to_regclass('t') IS NOT NULL") == "t"; }));
    replica->sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'");
    replica->sql("SELECT pg_reload_conf()");
    REQUIRE(eventually([&] { return replica->sql("SHOW recovery_min_apply_delay") == "1h"; }));
    primary.sql("INSERT INTO t VALUES (1)");
    const auto check = postgres_check(replica->url(), "max_lag = \"300ms\"");
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::warn; }));
    const auto result = ask(check);
    expect_warn(result, Reason::replication, "lag ");
    CHECK(measured(result, "postgres_replication_lag_seconds").value_or(0) > 0.3);
    expect_pass(ask(postgres_check(replica->url(), "max_lag = \"1h\"")));
    expect_pass(ask(postgres_check(replica->url())));
  }

  TEST_CASE("postgres: a replica without its primary has the age of its last replay as lag") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    primary.sql("CREATE TABLE t (i int)");
    REQUIRE(eventually([&] { return replica->sql("SELECT to_regclass('t') IS NOT NULL") == "t"; }));
    const auto check = postgres_check(replica->url(), "max_lag = \"200ms\"");
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::pass; }));
    primary.stop("immediate");
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::warn; }));
    expect_warn(ask(check), Reason::replication, "lag ");
  }

  TEST_CASE("postgres: a replica that was started without its primary has no known lag, not 0") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    primary.sql("CREATE TABLE t (i int)");
    REQUIRE(eventually([&] { return replica->sql("SELECT to_regclass('t') IS NOT NULL") == "t"; }));
    // The last word of an ordered end is a checkpoint: the replica begins behind every commit.
    primary.stop("fast");
    replica->stop("fast");
    replica->start();
    REQUIRE(replica->sql("SELECT pg_last_xact_replay_timestamp() IS NULL") == "t");

    const auto check = postgres_check(replica->url(), "max_lag = \"1h\"");
    const auto alone = ask(check);
    expect_warn(alone, Reason::replication, "lag unknown");
    CHECK(measured(alone, "postgres_in_recovery") == 1);
    CHECK_FALSE(measured(alone, "postgres_replication_lag_seconds").has_value());
    const auto unasked = ask(postgres_check(replica->url()));
    expect_pass(unasked);
    CHECK_FALSE(measured(unasked, "postgres_replication_lag_seconds").has_value());

    primary.start();
    REQUIRE(
        eventually([&] { return ask(check).outcome == Outcome::pass; }, std::chrono::seconds(60)));
    CHECK(measured(ask(check), "postgres_replication_lag_seconds") == 0);
  }

  TEST_CASE(
      "postgres: used slots above connections_warn are warn(saturated), until they are free") {
    PostgresServer server({.settings = {{"max_connections", "8"}}});  // 5 for ordinary roles
    const auto check = postgres_check(server.url(), "connections_warn = 0.5");
    expect_pass(ask(check));
    std::vector<Process> sessions;
    for (int i = 0; i < 2; ++i) sessions.push_back(server.session("SELECT pg_sleep(60)", app_user));
    REQUIRE(eventually([&] {
      return server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") == "3";
    }));
    expect_pass(ask(check));  // depth is looked at each depth_interval only
    // On one connection: a backend that still ends has a slot, as psql's has for a moment.
    const auto again = postgres_check(
        server.url(), "connections_warn = 0.5\ndepth_interval = \"1ms\"\nfresh_every = 1000");
    REQUIRE(eventually(
        [&] { return ask(again).detail.find("4 of 5 connection slots") != std::string::npos; }));
    expect_warn(ask(again), Reason::saturated, "4 of 5 connection slots used");
    const auto rarely = postgres_check(server.url(), "connections_warn = 0.5");
    expect_warn(ask(rarely), Reason::saturated, "5 of 5");
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE"
        " '%pg_sleep%' AND pid <> pg_backend_pid()");
    // While it is crowded each attempt looks again: no waiting for the next depth.
    CHECK(eventually([&] { return ask(again).outcome == Outcome::warn; }));
    CHECK(measured(ask(rarely), "postgres_connections_max") == 8);
  }

  /// Sanitizers make the login slow, too; the query must be running when the time is over.
  constexpr Duration time_to_log_in = at_most(Duration(2'000));

  TEST_CASE(
      "postgres: a slow query ends by the limit we set: fail(timeout), stopped on the server") {
    const auto check = postgres_check(shared().url(), "query = \"SELECT pg_sleep(300)\"");
    expect_fail(ask_until_deadline(check, time_to_log_in), Reason::timeout, "57014");
    CHECK(shared().sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%'"
                       " AND state = 'active' AND pid <> pg_backend_pid()") == "0");
  }

  TEST_CASE("postgres: a query that outlives the server's limit is cancelled at the deadline") {
    const auto check = postgres_check(
        shared().url(), "query = \"SET LOCAL statement_timeout = 0; SELECT pg_sleep(301)\"");
    const auto cancelled = [] {
      return shared().log().find("canceling statement due to user request") != std::string::npos;
    };
    // A request that a busy machine keeps back for too long is given up; the server then finds out
    // by itself that the client is gone.
    constexpr int tries_max = 5;
    for (int tries = 0; tries < tries_max && !cancelled(); ++tries) {
      expect_fail(ask_until_deadline(check, time_to_log_in), Reason::timeout, "no answer");
      CHECK(eventually(
          [&] {
            return shared().sql(
                       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE"
                       " '%pg_sleep(301)%' AND pid <> pg_backend_pid()") == "0";
          },
          std::chrono::seconds(3)));
    }
    CHECK(cancelled());
  }

  TEST_CASE("postgres: a query that somebody else cancels is fail(assertion)") {
    const auto check = postgres_check(shared().url(), "query = \"SELECT pg_sleep(32)\"");
    std::thread operator_at_work([&] {
      eventually([&] {
        return shared().sql(
                   "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE"
                   " query LIKE '%pg_sleep(32)%' AND state = 'active'"
                   " AND pid <> pg_backend_pid()") != "0";
      });
    });
    const auto result = ask(check, Duration(10'000));
    operator_at_work.join();
    expect_fail(result, Reason::assertion, "57014");
  }

  TEST_CASE(
      "postgres: any other SQLSTATE of the query is fail(assertion), and leaves nothing open") {
    const auto check = postgres_check(shared().url(), "query = \"SELECT 1/0\"");
    expect_fail(ask(check), Reason::assertion, "22012 division by zero");
    expect_fail(ask(postgres_check(shared().url(), "query = \"SELEC\"")), Reason::assertion,
                "42601");
    expect_fail(ask(postgres_check(shared().url(), "query = \"SELECT * FROM nope\"")),
                Reason::assertion, "42P01");
    CHECK(shared().sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vitals'"
                       " AND state LIKE 'idle in%'") == "0");
    expect_fail(ask(postgres_check(shared().url(), "query = \"COPY (SELECT 1) TO STDOUT\"")),
                Reason::assertion, "COPY");
  }

  TEST_CASE("postgres: an error on a kept connection rolls back and keeps it") {
    shared().sql(
        "DROP TABLE IF EXISTS gate; CREATE TABLE gate (i int);"
        " GRANT SELECT ON gate TO app");
    const auto check = postgres_check(shared().url(), "query = \"SELECT * FROM gate\"");
    expect_pass(ask(check));
    const auto pid =
        shared().sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'vitals'");
    shared().sql("REVOKE SELECT ON gate FROM app");
    expect_fail(ask(check), Reason::assertion, "42501");
    CHECK(shared().sql("SELECT state FROM pg_stat_activity WHERE pid = " + pid) == "idle");
    shared().sql("GRANT SELECT ON gate TO app");
    expect_pass(ask(check));
    CHECK(shared().sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'vitals'") ==
          pid);
  }

  TEST_CASE("postgres: a huge answer is fail(too_large), not a huge agent") {
    const auto check = postgres_check(
        shared().url(), "query = \"SELECT repeat('x', 1000) FROM generate_series(1, 1000000)\"");
    expect_fail(ask(check, Duration(20'000)), Reason::too_large, "256 KiB");
    CHECK(nobody_left(shared()));
  }

  TEST_CASE("postgres: write_check makes its table and writes one row, named after the check") {
    shared().sql("DROP SCHEMA IF EXISTS ops CASCADE; CREATE SCHEMA ops AUTHORIZATION app");
    const auto check = postgres_check(shared().url(), "write_check = \"ops.Vitals Write\"");
    expect_pass(ask(check));
    const auto first = shared().sql("SELECT written_at FROM ops.\"Vitals Write\"");
    expect_pass(ask(check));
    CHECK(shared().sql("SELECT check_name FROM ops.\"Vitals Write\"") == "test");
    CHECK(shared().sql("SELECT written_at > '" + first + "' FROM ops.\"Vitals Write\"") == "t");
    shared().sql("DROP TABLE ops.\"Vitals Write\"");
    expect_pass(ask(check));
    CHECK(shared().sql("SELECT count(*) FROM ops.\"Vitals Write\"") == "1");
    shared().sql("ALTER SCHEMA ops OWNER TO postgres");
    expect_fail(ask(check), Reason::assertion, "42501");
  }

  TEST_CASE("postgres: facts that a role may not see are absent or unknown, and fail nothing") {
    const auto session = shared().session("BEGIN; SELECT pg_sleep(33)");
    REQUIRE(eventually([&] {
      return shared().sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(33)%'"
                 " AND pid <> pg_backend_pid()") == "1";
    }));
    const auto poor = ask(postgres_check(shared().url()));
    expect_pass(poor);
    CHECK(measured(poor, "postgres_connections", {"unknown"}).value_or(0) >= 1);
    CHECK_FALSE(measured(poor, "postgres_oldest_transaction_seconds").has_value());
    shared().sql("GRANT pg_monitor TO app");
    const auto check = postgres_check(shared().url());
    REQUIRE(eventually([&] {
      return measured(ask(check, Duration(2'000), true), "postgres_connections", {"unknown"}) == 0;
    }));
    const auto rich = postgres_check(shared().url(), "depth_interval = \"1ms\"");
    CHECK(eventually([&] {
      return measured(ask(rich), "postgres_oldest_transaction_seconds").value_or(0) > 0;
    }));
    shared().sql("REVOKE pg_monitor FROM app");
  }

  TEST_CASE("postgres: a file with a URL is read again for each new connection") {
    const TempDir folder;
    const auto file = folder.write("url", url_of("app", "old-Secret-1", "app") + "\n");
    const auto check =
        make_check("kind = \"postgres\"\nurl = { file = \"" + file.string() + "\" }");
    expect_fail(ask(check), Reason::auth);
    folder.write("url", shared().url() + "\n");
    expect_pass(ask(check));
    folder.write("url", "nonsense");
    expect_pass(ask(check));  // the kept connection needs none
    const auto broken = ask(check, Duration(2'000), true);
    expect_fail(broken, Reason::internal, "not a Postgres URL");
    CHECK(check.secrets->scrub("see " + std::string(app_password)) == "see ***");
  }

  TEST_CASE("postgres: settings that cannot work are complaints that show no secret") {
    const auto complaint = [](const std::string& body) {
      try {
        (void)make_check("kind = \"postgres\"\n" + body);
      } catch (const std::runtime_error& error) {
        return std::string(error.what());
      }
      return std::string();
    };
    CHECK(complaint("").find("url") != std::string::npos);
    CHECK(complaint("url = \"postgres://u@/db\"").find("no host") != std::string::npos);
    CHECK(complaint("url = \"postgres://u:p@h/d\"\nwrite_check = \"a.b.c\"").find("write_check") !=
          std::string::npos);
    CHECK(complaint("url = \"postgres://u:p@h/d\"\nquery = \" ;\"").find("query") !=
          std::string::npos);
    CHECK(complaint("url = \"postgres://u:p@h/d\"\nexpect_role = \"master\"").find("expect_role") !=
          std::string::npos);
    const auto leaky = complaint("url = \"postgres://u:Canary/77@h/d\"");
    CHECK(leaky.find("%2F") != std::string::npos);
    CHECK(leaky.find("Canary") == std::string::npos);
  }

  TEST_CASE("postgres: an interrupted attempt returns at once") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const Fd read_end(ends[0]);
    const Fd write_end(ends[1]);
    const auto check = postgres_check(shared().url(), "query = \"SELECT pg_sleep(34)\"");
    std::thread interrupter([&] {
      eventually([&] {
        return shared().sql(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE"
                   " '%pg_sleep(34)%' AND pid <> pg_backend_pid()") == "1";
      });
      CHECK(write(write_end.get(), "x", 1) == 1);
    });
    const Stopwatch watch;
    (void)check.probe->run({.deadline = Deadline::after(Duration(20'000), read_end.get())});
    const Took took = watch.took();
    interrupter.join();
    CHECK(took.own() < test::at_most(std::chrono::seconds(15)));
    shared().sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'vitals'");
  }
}
