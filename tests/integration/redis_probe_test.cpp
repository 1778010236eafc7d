// Every row of the contract's Redis table against a real redis-server in that state.
//
// Scripted instead of real, each with its reason:
//  - a used-up quota: only a provider refuses that way;
//  - MASTERDOWN on PING with a read that works: Redis refuses both, the contract tells them apart;
//  - servers that speak garbage (redis_connection_test.cpp): no Redis does.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/timing.hpp"

using namespace vitals;
using namespace vitals::test;

namespace {

ConfiguredCheck check_of(const std::string& url, const std::string& settings = {}) {
  return make_check("kind = \"redis\"\nurl = \"" + url + "\"\n" + settings);
}

ConfiguredCheck check_of(const RedisServer& server, const std::string& settings = {}) {
  return check_of(server.url(), settings);
}

void expect(const ProbeResult& result, Outcome outcome, Reason reason,
            const std::string& detail = {}) {
  CAPTURE(result.detail);
  CHECK(to_label(result.outcome) == to_label(outcome));
  CHECK(to_label(result.reason) == to_label(reason));
  CHECK(result.detail.find(detail) != std::string::npos);
}

/// A URL of `server` with a user part.
std::string url_as(const RedisServer& server, const std::string& user) {
  return "redis://" + user + "@127.0.0.1:" + std::to_string(server.port());
}

std::string url_of(std::uint16_t port) { return "redis://127.0.0.1:" + std::to_string(port); }

/// A master and its replica, linked.
struct Pair {
  RedisServer master;
  RedisServer replica;

  Pair() : master({.arguments = {"--repl-diskless-sync-delay", "0"}}) {
    replica.command({"REPLICAOF", "127.0.0.1", std::to_string(master.port())});
    REQUIRE(eventually([this] { return replica.info("master_link_status") == "up"; },
                       std::chrono::seconds(30)));
  }
};

/// Has a folder that is gone, so that no snapshot can be written; one has failed already.
void fail_to_save(const RedisServer& server) {
  server.command({"CONFIG", "SET", "save", "3600 1"});
  std::filesystem::remove_all(server.data());
  server.command({"BGSAVE"});
  REQUIRE(eventually([&] { return server.info("rdb_last_bgsave_status") == "err"; }));
}

}  // namespace

TEST_SUITE("redis") {
  TEST_CASE("redis: PONG and a read pass, with what INFO says") {
    const RedisServer server({.arguments = {"--maxmemory", "100mb", "--maxclients", "321"}});
    const auto check = check_of(server);
    CHECK(check.spec->target == server.url());
    const ProbeResult result = ask(check);
    expect(result, Outcome::pass, Reason::none);
    CHECK(result.detail == "PONG");
    const std::string version = server.info("redis_version");
    CHECK(measured(result, "redis_info", {version, "standalone", "master"}) == 1);
    CHECK(measured(result, "redis_loading") == 0);
    CHECK_FALSE(measured(result, "redis_master_link_up").has_value());
    CHECK(measured(result, "redis_memory_max_bytes") == 100.0 * 1024 * 1024);
    CHECK(measured(result, "redis_memory_used_bytes").value_or(0) > 100'000);
    CHECK(measured(result, "redis_max_clients") == 321);
    CHECK(measured(result, "redis_connected_clients") == 1);
    CHECK(measured(result, "redis_evicted_keys_total") == 0);
    CHECK(measured(result, "redis_rejected_connections_total") == 0);
    CHECK(result.phases.get(Phase::connect).has_value());
    CHECK(result.phases.get(Phase::request).has_value());
    CHECK_FALSE(result.phases.get(Phase::auth).has_value());
    CHECK_FALSE(result.phases.get(Phase::tls).has_value());
  }

  TEST_CASE("redis: defaults are degraded, shared and 15 s") {
    const RedisServer server;
    const auto check = check_of(server);
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->scope == Scope::shared);
    CHECK(check.spec->interval == std::chrono::seconds(15));
  }

  TEST_CASE("redis: a kept attempt costs two commands, INFO comes at its own pace") {
    const RedisServer server;
    const auto check = check_of(server);
    server.command({"CONFIG", "RESETSTAT"});
    for (int i = 0; i < 5; ++i) {
      const ProbeResult result = ask(check);
      expect(result, Outcome::pass, Reason::none);
      CHECK(measured(result, "redis_max_clients").has_value());  // kept between two INFO
    }
    CHECK(server.calls("info") == 1);  // first: calls() asks INFO too
    CHECK(server.calls("ping") == 5);
    CHECK(server.calls("exists") == 5);
    CHECK(server.calls("set") == 0);
    CHECK(server.calls("auth") == 0);
    CHECK(server.calls("select") == 0);
    CHECK(server.calls("role") == 0);
  }

  TEST_CASE("redis: depth_interval decides how old the numbers may be") {
    const RedisServer server;
    const auto check = check_of(server, "depth_interval = \"1ms\"");
    ask(check);
    server.command({"CONFIG", "SET", "maxmemory", "123mb"});
    CHECK(measured(ask(check), "redis_memory_max_bytes") == 123.0 * 1024 * 1024);
  }

  TEST_CASE("redis: the depth is back with the first pass after a failure, also with a role") {
    const RedisServer server({.password = "the default user must not do instead"});
    const std::vector<std::string> user{"ACL", "SETUSER", "app", "on", ">hunter22", "~*", "+@all"};
    for (const char* more : {"", "expect_role = \"master\""}) {
      CAPTURE(more);
      server.command(user);
      const auto check = check_of(url_as(server, "app:hunter22"), more);
      CHECK(measured(ask(check), "redis_max_clients").has_value());
      server.command({"ACL", "DELUSER", "app"});  // and its connections go
      for (int i = 0; i < 2; ++i) {
        const ProbeResult failing = ask(check);
        expect(failing, Outcome::fail, Reason::auth);
        CHECK(failing.measurements.empty());
      }
      server.command(user);
      const ProbeResult mended = ask(check);
      expect(mended, Outcome::pass, Reason::none);
      CHECK(measured(mended, "redis_max_clients").has_value());
    }
  }

  TEST_CASE("redis: the database of the URL is the one that is asked") {
    const RedisServer server;
    const auto check = check_of(server.url() + "/3", "write_check = \"vitals:w\"");
    expect(ask(check), Outcome::pass, Reason::none);
    CHECK(server.command({"-n", "3", "EXISTS", "vitals:w"}) == "1");
    CHECK(server.command({"EXISTS", "vitals:w"}) == "0");
    expect(ask(check_of(server.url() + "/77")), Outcome::fail, Reason::auth, "SELECT");
  }

  TEST_CASE("redis: write_check writes its key and lets it expire") {
    const RedisServer server;
    expect(ask(check_of(server, "write_check = \"vitals:w\"")), Outcome::pass, Reason::none);
    const int left = std::stoi(server.command({"PTTL", "vitals:w"}));
    CHECK(left > 0);
    CHECK(left <= 10'000);
  }

  TEST_CASE("redis: loading is fail(loading) with the time left, and passes when done") {
    RedisServer source({.arguments = {"--enable-debug-command", "yes"}});
    source.command({"DEBUG", "POPULATE", "20000", "key", "20"});
    REQUIRE(source.command({"SAVE"}) == "OK");
    const RedisServer server({.arguments = {"--key-load-delay", "1000",
                                            "--loading-process-events-interval-bytes", "1024"},
                              .may_be_unwell = true,
                              .data = source.data()});
    const auto check = check_of(server);
    const Stopwatch watch;
    ProbeResult result;
    // Its first answers come before it has an idea of the rest.
    REQUIRE(eventually([&] {
      result = ask(check);
      return result.detail.find(" s left") != std::string::npos;
    }));
    expect(result, Outcome::fail, Reason::loading, "% loaded, about ");
    CHECK(measured(result, "redis_loading") == 1);
    server.command({"CONFIG", "SET", "key-load-delay", "0"});  // enough seen
    const auto done = [&] {
      result = ask(check);
      return result.outcome == Outcome::pass;
    };
    CHECK(eventually(done, std::chrono::seconds(60)));
    CHECK(measured(result, "redis_loading") == 0);  // not what it said while it was loading
    CHECK(watch.took().own() < test::at_most(std::chrono::seconds(60)));
  }

  TEST_CASE("redis: a replica that refuses stale reads is fail(replication)") {
    const RedisServer server(
        {.arguments = {"--replicaof", "127.0.0.1 " + std::to_string(free_port()),
                       "--replica-serve-stale-data", "no"},
         .may_be_unwell = true});
    const ProbeResult result = ask(check_of(server));
    expect(result, Outcome::fail, Reason::replication, "MASTERDOWN");
    CHECK(measured(result, "redis_master_link_up") == 0);
    expect(ask(check_of(server, "expect_role = \"replica\"")), Outcome::fail, Reason::replication);
  }

  TEST_CASE(
      "redis: a cut-off replica that serves stale reads warns, and fails where a role is "
      "expected") {
    Pair pair;
    const auto any = check_of(pair.replica);
    const auto replica = check_of(pair.replica, "expect_role = \"replica\"");
    const ProbeResult linked = ask(any);
    expect(linked, Outcome::pass, Reason::none);
    CHECK(measured(linked, "redis_master_link_up") == 1);
    expect(ask(replica), Outcome::pass, Reason::none);

    pair.master.stop();
    REQUIRE(eventually([&] { return pair.replica.info("master_link_status") == "down"; }));
    expect(ask(replica), Outcome::fail, Reason::replication, "link");
    const auto cut_off = check_of(pair.replica, "depth_interval = \"1ms\"");
    const ProbeResult down = ask(cut_off);
    expect(down, Outcome::warn, Reason::replication, "link");
    CHECK(measured(down, "redis_master_link_up") == 0);
  }

  TEST_CASE("redis: a link that is up again is seen by the next attempt") {
    Pair pair;
    pair.master.stop();
    REQUIRE(eventually([&] { return pair.replica.info("master_link_status") == "down"; }));
    const auto check = check_of(pair.replica);  // INFO once a minute
    expect(ask(check), Outcome::warn, Reason::replication);
    pair.master.start();
    REQUIRE(eventually([&] { return pair.replica.info("master_link_status") == "up"; },
                       std::chrono::seconds(30)));
    expect(ask(check), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: a failed snapshot warns readonly, and fails with write_check") {
    const RedisServer server;
    fail_to_save(server);
    expect(ask(check_of(server)), Outcome::warn, Reason::readonly, "MISCONF");
    expect(ask(check_of(server, "write_check = \"w\"")), Outcome::fail, Reason::readonly,
           "MISCONF");
  }

  TEST_CASE("redis: out of memory fails saturated with write_check, warns without") {
    const RedisServer server;
    const std::string used = server.info("used_memory");
    server.command({"CONFIG", "SET", "maxmemory", std::to_string(std::stoll(used) / 2)});
    expect(ask(check_of(server, "write_check = \"w\"")), Outcome::fail, Reason::saturated, "OOM");
    expect(ask(check_of(server)), Outcome::warn, Reason::saturated, "maxmemory");
  }

  TEST_CASE("redis: memory_warn is the share of maxmemory above which it warns") {
    const RedisServer server;
    const std::string used = server.info("used_memory");
    server.command({"CONFIG", "SET", "maxmemory", std::to_string(std::stoll(used) * 2)});
    expect(ask(check_of(server)), Outcome::pass, Reason::none);
    expect(ask(check_of(server, "memory_warn = 0.3")), Outcome::warn, Reason::saturated, "MiB");
  }

  TEST_CASE("redis: too few replicas for a write is fail(replication), only with write_check") {
    const RedisServer server({.arguments = {"--min-replicas-to-write", "1"}});
    expect(ask(check_of(server)), Outcome::pass, Reason::none);
    expect(ask(check_of(server, "write_check = \"w\"")), Outcome::fail, Reason::replication,
           "NOREPLICAS");
  }

  TEST_CASE("redis: a replica refuses the write, and is not the master one expects") {
    const Pair pair;
    expect(ask(check_of(pair.replica, "write_check = \"w\"")), Outcome::fail, Reason::readonly,
           "READONLY");
    expect(ask(check_of(pair.replica, "expect_role = \"master\"")), Outcome::fail,
           Reason::readonly);
    expect(ask(check_of(pair.master, "expect_role = \"master\"")), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: a master where a replica is expected is fail(replication)") {
    const RedisServer server;
    expect(ask(check_of(server, "expect_role = \"replica\"")), Outcome::fail, Reason::replication,
           "master");
  }

  TEST_CASE("redis: a script that never ends is fail(saturated)") {
    const RedisServer server({.arguments = {"--busy-reply-threshold", "20"}});
    const auto check = check_of(server);
    expect(ask(check), Outcome::pass, Reason::none);
    Process script = server.background({"EVAL", "while true do end", "0"});
    REQUIRE(eventually([&] { return server.command({"PING"}).starts_with("BUSY"); }));
    expect(ask(check), Outcome::fail, Reason::saturated, "BUSY");
    expect(ask(check_of(server, "connection = \"fresh\"")), Outcome::fail, Reason::saturated);
    server.command({"SCRIPT", "KILL"});
    CHECK(eventually([&] { return ask(check).outcome == Outcome::pass; }));
  }

  TEST_CASE("redis: a provider's used-up quota is fail(saturated)") {
    ScriptedServer server([](ScriptedConnection& peer) {
      while (peer.read_until("EXISTS")) {
        const std::string refusal =
            "-ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.\r\n";
        peer.send(refusal + refusal + refusal);
      }
    });
    expect(ask(check_of(url_of(server.port()))), Outcome::fail, Reason::saturated,
           "limit exceeded");
  }

  TEST_CASE("redis: MASTERDOWN for PING alone only warns") {
    ScriptedServer server([](ScriptedConnection& peer) {
      if (!peer.read_until("vitals:probe")) return;
      peer.send("-MASTERDOWN Link with MASTER is down\r\n:0\r\n");
      if (!peer.read_until("INFO")) return;
      peer.send("$24\r\nmaster_link_status:down\n\r\n");
      peer.hang();
    });
    expect(ask(check_of(url_of(server.port()))), Outcome::warn, Reason::replication, "MASTERDOWN");
  }

  TEST_CASE("redis: a full server is fail(saturated), also where it has to be logged in to") {
    for (const std::string password : {"", "hunter22"}) {
      CAPTURE(password);
      const RedisServer server({.arguments = {"--maxclients", "3"}, .password = password});
      const std::string url = password.empty() ? server.url() : url_as(server, ":" + password);
      const auto check = check_of(url, "connection = \"fresh\"");
      expect(ask(check), Outcome::pass, Reason::none);
      std::vector<Fd> held;
      for (int i = 0; i < 4; ++i) held.push_back(hold_connection(server.port()));
      REQUIRE(eventually([&] { return ask(check).outcome == Outcome::fail; }));
      for (int i = 0; i < 20; ++i) {  // the answer must not be lost to the reset behind it
        expect(ask(check), Outcome::fail, Reason::saturated, "max number of clients reached");
      }
      held.clear();
      CHECK(eventually([&] { return ask(check).outcome == Outcome::pass; }));
    }
  }

  TEST_CASE("redis: a kept connection notices that no slot is left for others") {
    const RedisServer server({.arguments = {"--maxclients", "3"}});
    const auto check = check_of(server, "depth_interval = \"1ms\"");
    expect(ask(check), Outcome::pass, Reason::none);
    std::vector<Fd> held;
    for (int i = 0; i < 2; ++i) held.push_back(hold_connection(server.port()));
    REQUIRE(eventually([&] { return ask(check).outcome == Outcome::warn; }));
    expect(ask(check), Outcome::warn, Reason::saturated, "all 3 client slots are taken");
  }

  TEST_CASE("redis: no password where one is needed is fail(auth)") {
    const RedisServer server({.password = "hunter22"});
    expect(ask(check_of(server)), Outcome::fail, Reason::auth, "NOAUTH");
  }

  TEST_CASE("redis: a wrong password is fail(auth), with and without a user") {
    const RedisServer server({.password = "hunter22"});
    expect(ask(check_of(url_as(server, ":wrong-one"))), Outcome::fail, Reason::auth, "WRONGPASS");
    expect(ask(check_of(url_as(server, "default:wrong-one"))), Outcome::fail, Reason::auth);
    expect(ask(check_of(url_as(server, "nobody:hunter22"))), Outcome::fail, Reason::auth);
    const ProbeResult right = ask(check_of(url_as(server, ":hunter22")));
    expect(right, Outcome::pass, Reason::none);
    CHECK(right.phases.get(Phase::auth).has_value());
    expect(ask(check_of(url_as(server, "default:hunter22"))), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: a password where none is configured is fail(auth)") {
    const RedisServer server;
    expect(ask(check_of(url_as(server, ":hunter22"))), Outcome::fail, Reason::auth,
           "without any password configured");
  }

  TEST_CASE("redis: protected mode is fail(auth)") {
    // Every loopback address is let in; a name space would be needed to come from elsewhere.
    ScriptedServer server([](ScriptedConnection& peer) {
      peer.send("-DENIED Redis is running in protected mode because protected mode is enabled\r\n");
    });
    expect(ask(check_of(url_of(server.port()))), Outcome::fail, Reason::auth, "protected mode");
  }

  TEST_CASE("redis: commands a user may not run leave the depth absent and pass") {
    const RedisServer server;
    server.command({"ACL", "SETUSER", "watch", "on", ">hunter22", "~*", "+ping", "+exists"});
    const ProbeResult no_info = ask(check_of(url_as(server, "watch:hunter22")));
    expect(no_info, Outcome::pass, Reason::none);
    CHECK(no_info.detail == "PONG (no permission for INFO)");
    CHECK(no_info.measurements.empty());
    CHECK(no_info.remark == "no permission for INFO: what it tells is not known");

    const auto role = check_of(url_as(server, "watch:hunter22"), "expect_role = \"master\"");
    CHECK(ask(role).detail == "PONG (no permission for ROLE, INFO)");
    expect(ask(role), Outcome::pass, Reason::none, "ROLE");

    server.command({"ACL", "SETUSER", "blind", "on", ">hunter22", "~other:*", "+ping", "+exists"});
    expect(ask(check_of(url_as(server, "blind:hunter22"))), Outcome::pass, Reason::none, "EXISTS");

    server.command({"ACL", "SETUSER", "nothing", "on", ">hunter22", "~*", "-@all", "+get"});
    const ProbeResult untold = ask(check_of(url_as(server, "nothing:hunter22")));
    expect(untold, Outcome::fail, Reason::auth, "no permission for PING and EXISTS");
    CHECK(untold.detail.find("PONG") == std::string::npos);
  }

  TEST_CASE("redis: where ROLE is refused the role comes from INFO") {
    const RedisServer server;
    server.command(
        {"ACL", "SETUSER", "watch", "on", ">hunter22", "~*", "+ping", "+exists", "+info"});
    const std::string url = url_as(server, "watch:hunter22");
    expect(ask(check_of(url, "expect_role = \"replica\"")), Outcome::fail, Reason::replication);
    const auto master = check_of(url, "expect_role = \"master\"");
    expect(ask(master), Outcome::pass, Reason::none, "no permission for ROLE");
    server.command({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
    expect(ask(master), Outcome::fail, Reason::readonly);  // not what INFO said a minute ago
  }

  TEST_CASE("redis: a user without a password is logged in as that user") {
    const RedisServer server;
    server.command({"ACL", "SETUSER", "open", "on", "nopass", "~*", "+@all"});
    server.command({"ACL", "SETUSER", "default", "off"});
    const auto check = check_of(url_as(server, "open:"));
    expect(ask(check), Outcome::pass, Reason::none, "PONG");
    expect(ask(check_of(url_as(server, "nobody:"))), Outcome::fail, Reason::auth, "WRONGPASS");
    expect(ask(check_of(server.url())), Outcome::fail, Reason::auth, "NOAUTH");
  }

  TEST_CASE("redis: a write the user may not make is fail(auth)") {
    const RedisServer server;
    server.command(
        {"ACL", "SETUSER", "watch", "on", ">hunter22", "~*", "+ping", "+exists", "+info"});
    expect(ask(check_of(url_as(server, "watch:hunter22"), "write_check = \"w\"")), Outcome::fail,
           Reason::auth, "NOPERM");
  }

  TEST_CASE("redis: a cluster without its slots is fail(replication)") {
    const RedisServer server(
        {.arguments = {"--cluster-enabled", "yes", "--cluster-port", std::to_string(free_port())}});
    expect(ask(check_of(server)), Outcome::fail, Reason::replication, "CLUSTERDOWN");
  }

  TEST_CASE("redis: a cluster node that sends elsewhere passes") {
    const std::string bus_one = std::to_string(free_port());
    const RedisServer one({.arguments = {"--cluster-enabled", "yes", "--cluster-port", bus_one}});
    const std::string bus_two = std::to_string(free_port());
    const RedisServer two({.arguments = {"--cluster-enabled", "yes", "--cluster-port", bus_two}});
    const int slot = std::stoi(one.command({"CLUSTER", "KEYSLOT", "vitals:probe"}));
    const std::string at = std::to_string(slot);
    REQUIRE(slot > 0);
    one.command({"CLUSTER", "ADDSLOTSRANGE", "0", std::to_string(slot - 1),
                 std::to_string(slot + 1), "16383"});
    two.command({"CLUSTER", "ADDSLOTS", at});
    one.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(two.port()), bus_two});
    const auto well = [](const RedisServer& node) {
      return node.command({"CLUSTER", "INFO"}).find("cluster_state:ok") != std::string::npos;
    };
    REQUIRE(eventually([&] { return well(one) && well(two); }, std::chrono::seconds(30)));

    REQUIRE(one.command({"EXISTS", "vitals:probe"}).starts_with("MOVED"));
    const ProbeResult moved = ask(check_of(one));
    expect(moved, Outcome::pass, Reason::none, "PONG");
    CHECK(measured(moved, "redis_info", {one.info("redis_version"), "cluster", "master"}) == 1);

    two.command({"CLUSTER", "SETSLOT", at, "MIGRATING", one.command({"CLUSTER", "MYID"})});
    REQUIRE(two.command({"EXISTS", "vitals:probe"}).starts_with("ASK"));
    expect(ask(check_of(two)), Outcome::pass, Reason::none, "PONG");
  }

  TEST_CASE("redis: a frozen server is fail(timeout), and passes once it goes on") {
    const RedisServer server;
    const auto check = check_of(server);
    expect(ask(check), Outcome::pass, Reason::none);
    server.freeze();
    expect(ask(check, Duration(200)), Outcome::fail, Reason::timeout);
    expect(ask(check, Duration(200)), Outcome::fail, Reason::timeout);  // on a fresh connection
    server.thaw();
    expect(ask(check), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: an HTTP server is fail(protocol), and the detail says so") {
    const TempDir folder;
    const std::uint16_t port = free_port();
    const auto config = folder.write(
        "nginx.conf", "daemon off;\nerror_log stderr;\npid " + (folder.path() / "pid").string() +
                          ";\nevents {}\nhttp { access_log off; server { listen 127.0.0.1:" +
                          std::to_string(port) + "; } }\n");
    const Process nginx({.argv = {"nginx", "-p", folder.path().string(), "-c", config.string()}});
    REQUIRE(eventually([&] { return accepts_tcp(port); }));
    expect(ask(check_of(url_of(port))), Outcome::fail, Reason::protocol, "HTTP");
    expect(ask(check_of("redis://:hunter22@127.0.0.1:" + std::to_string(port))), Outcome::fail,
           Reason::protocol, "HTTP");
  }

  TEST_CASE("redis: the URL of a REST endpoint is refused with the reason") {
    for (const std::string url : {"https://eu1-cat.upstash.io", "http://127.0.0.1:8079"}) {
      std::string mistake;
      try {
        check_of(url);
      } catch (const std::runtime_error& error) {
        mistake = error.what();
      }
      CHECK(mistake.find("REST endpoint") != std::string::npos);
    }
  }

  TEST_CASE("redis: pubsub sends a message through the channel and back") {
    const RedisServer server({.password = "hunter22"});
    const auto check = check_of(url_as(server, ":hunter22"), "pubsub = \"chat\"");
    server.command({"CONFIG", "RESETSTAT"});
    for (int i = 0; i < 3; ++i) expect(ask(check), Outcome::pass, Reason::none);
    CHECK(server.calls("publish") == 3);
    CHECK(server.calls("subscribe") == 3);
    REQUIRE(eventually([&] { return server.command({"PUBSUB", "CHANNELS"}).empty(); }));
  }

  TEST_CASE("redis: a channel the user may not use is fail(auth)") {
    const RedisServer server;
    server.command({"ACL", "SETUSER", "watch", "on", ">hunter22", "~*", "+@all", "resetchannels"});
    expect(ask(check_of(url_as(server, "watch:hunter22"), "pubsub = \"chat\"")), Outcome::fail,
           Reason::auth, "NOPERM");
  }

  TEST_CASE("redis: who may do nothing but publish and subscribe is told by the round trip") {
    const RedisServer server;
    server.command({"ACL", "SETUSER", "watch", "on", ">hunter22", "resetchannels", "&chat", "-@all",
                    "+subscribe", "+publish"});
    const auto url = url_as(server, "watch:hunter22");
    expect(ask(check_of(url, "pubsub = \"chat\"")), Outcome::pass, Reason::none, "PING");
    expect(ask(check_of(url, "pubsub = \"other\"")), Outcome::fail, Reason::auth, "NOPERM");
    expect(ask(check_of(url)), Outcome::fail, Reason::auth, "PING and EXISTS");
  }

  TEST_CASE("redis: a message that never comes back is fail(timeout)") {
    ScriptedServer server([](ScriptedConnection& peer) {
      if (peer.number() == 1) {
        if (!peer.read_until("vitals:probe")) return;
        peer.send("+PONG\r\n:0\r\n");
        if (peer.read_until("PUBLISH")) peer.send(":0\r\n");
      } else if (peer.read_until("SUBSCRIBE")) {
        peer.send("*3\r\n$9\r\nsubscribe\r\n$4\r\nchat\r\n:1\r\n");
        peer.send("*3\r\n$7\r\nmessage\r\n$4\r\nchat\r\n$5\r\nhello\r\n");  // of somebody else
      }
      peer.hang();
    });
    expect(ask(check_of(url_of(server.port()), "pubsub = \"chat\""), Duration(1'500)),
           Outcome::fail, Reason::timeout, "did not come back");
  }
}
