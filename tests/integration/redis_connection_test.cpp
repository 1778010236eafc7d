// How the redis probe reaches its server: TLS, Unix sockets, kept connections, limits of time and
// size, secrets.
#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/timing.hpp"

using namespace vitals;
using namespace vitals::test;

namespace {

ConfiguredCheck check_of(const std::string& url, const std::string& settings = {}) {
  return make_check("kind = \"redis\"\nurl = \"" + url + "\"\n" + settings);
}

std::string url_of(const ScriptedServer& server) {
  return "redis://127.0.0.1:" + std::to_string(server.port());
}

void expect(const ProbeResult& result, Outcome outcome, Reason reason,
            const std::string& detail = {}) {
  CAPTURE(result.detail);
  CHECK(to_label(result.outcome) == to_label(outcome));
  CHECK(to_label(result.reason) == to_label(reason));
  CHECK(result.detail.find(detail) != std::string::npos);
}

int accepted(const ScriptedServer& server) { return static_cast<int>(server.accepts().size()); }

struct Timed {
  ProbeResult result;
  Took took;
};
Timed timed(const ConfiguredCheck& check, Duration timeout) {
  const Stopwatch watch;
  Timed timed{ask(check, timeout)};
  timed.took = watch.took();
  return timed;
}

constexpr Duration limit{300};

void check_ends_at_limit(const ConfiguredCheck& check) {
  const Timed asked = timed(check, limit);
  expect(asked.result, Outcome::fail, Reason::timeout);
  check_ended_at(asked.took, limit, Duration(1));
}

/// What a well server says to PING and EXISTS, and to INFO.
constexpr std::string_view next_answer = "+PONG\r\n:0\r\n";
constexpr std::string_view info_answer = "$12\r\nmaxclients:7\r\n";

/// A first attempt: the verdict's questions, then INFO.
bool answer_first(ScriptedConnection& peer, std::string_view login = {}) {
  if (!peer.read_until("vitals:probe")) return false;
  peer.send(std::string(login) + std::string(next_answer));
  if (!peer.read_until("INFO")) return false;
  peer.send(info_answer);
  return true;
}

auto descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

std::string quoted(const std::filesystem::path& path) { return "\"" + path.string() + "\""; }

}  // namespace

TEST_SUITE("redis") {
  TEST_CASE("redis: rediss with a private CA passes and shows the certificate") {
    Authority authority;
    const RedisServer server({.certificate = authority.valid()});
    const auto check = check_of(server.url(), "ca_file = " + quoted(authority.ca_file()));
    const ProbeResult result = ask(check);
    expect(result, Outcome::pass, Reason::none, "PONG");
    CHECK(check.spec->target == server.url());
    CHECK(result.phases.get(Phase::tls).has_value());
    CHECK(measured(result, "check_tls_info", {"TLSv1.3"}) == 1);
    CHECK(measured(result, "check_tls_not_after_timestamp_seconds").has_value());
    const ProbeResult kept = ask(check);
    expect(kept, Outcome::pass, Reason::none);
    CHECK_FALSE(kept.phases.get(Phase::tls).has_value());
    CHECK(measured(kept, "check_tls_not_after_timestamp_seconds").has_value());
  }

  TEST_CASE("redis: a pubsub round trip through rediss with a private CA, each over TLS") {
    Authority authority;
    const RedisServer server({.certificate = authority.valid()});
    const std::string settings = "pubsub = \"chat\"\nca_file = ";
    const auto check = check_of(server.url(), settings + quoted(authority.ca_file()));
    server.command({"CONFIG", "RESETSTAT"});
    for (int i = 0; i < 3; ++i) expect(ask(check), Outcome::pass, Reason::none);
    CHECK(server.calls("publish") == 3);
    CHECK(server.calls("subscribe") == 3);
    // Without the CA not a single message is sent.
    Authority other;
    const auto distrusting = check_of(server.url(), settings + quoted(other.ca_file()));
    expect(ask(distrusting), Outcome::fail, Reason::tls_verify);
    CHECK(server.calls("publish") == 3);
  }

  TEST_CASE(
      "redis: a certificate of nobody known, of another host or out of date fails by its cause") {
    Authority authority;
    const std::string trust = "ca_file = " + quoted(authority.ca_file());
    const RedisServer other({.certificate = authority.other_host()});
    expect(ask(check_of(other.url(), trust)), Outcome::fail, Reason::tls_verify);
    expect(ask(check_of(other.url(), trust + "\nserver_name = \"other.test\"")), Outcome::pass,
           Reason::none);
    const RedisServer expired({.certificate = authority.expired()});
    const ProbeResult refused = ask(check_of(expired.url(), trust));
    expect(refused, Outcome::fail, Reason::tls_expired);
    CHECK(measured(refused, "check_tls_not_after_timestamp_seconds").value_or(0) > 1e9);
    expect(ask(check_of(expired.url())), Outcome::fail, Reason::tls_expired);
    const RedisServer unknown({.certificate = authority.self_signed()});
    expect(ask(check_of(unknown.url(), trust)), Outcome::fail, Reason::tls_verify);
    expect(ask(check_of(unknown.url(), "verify = false")), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: a certificate near its end warns") {
    Authority authority;
    const RedisServer server({.certificate = authority.issue({.ends_in = std::chrono::hours(24)})});
    expect(ask(check_of(server.url(), "ca_file = " + quoted(authority.ca_file()))), Outcome::warn,
           Reason::cert_expiring);
  }

  TEST_CASE("redis: TLS against a plain server, and plain against TLS, fail in time") {
    Authority authority;
    const RedisServer plain;
    const Timed tls = timed(check_of("rediss://127.0.0.1:" + std::to_string(plain.port()),
                                     "ca_file = " + quoted(authority.ca_file())),
                            limit);
    expect(tls.result, Outcome::fail, Reason::timeout);  // Redis waits for the end of a line
    CHECK(tls.took.own() <= limit + deadline_slack);
    const RedisServer secure({.certificate = authority.valid()});
    const Timed bare =
        timed(check_of("redis://127.0.0.1:" + std::to_string(secure.port())), Duration(2'000));
    expect(bare.result, Outcome::fail, Reason::reset);
    CHECK(bare.took.own() < test::at_most(Duration(1'000)));
  }

  TEST_CASE("redis: a Unix socket passes, with password and database from the query") {
    const RedisServer server({.password = "p&w-hunter22"});
    const std::string place = "unix://" + server.socket().string();
    const auto check =
        check_of(place + "?db=2&password=p%26w-hunter22", "write_check = \"vitals:w\"");
    expect(ask(check), Outcome::pass, Reason::none, "PONG");
    CHECK(check.spec->target == place);
    CHECK(server.command({"-n", "2", "EXISTS", "vitals:w"}) == "1");
    expect(ask(check_of("unix:///nowhere/redis.sock")), Outcome::fail, Reason::refused);
  }

  TEST_CASE("redis: nobody listening is fail(refused)") {
    expect(ask(check_of("redis://127.0.0.1:" + std::to_string(free_port()))), Outcome::fail,
           Reason::refused);
  }

  TEST_CASE("redis: the verdict's questions are one round trip, login included") {
    // Answers nothing before the whole pipeline is there.
    ScriptedServer server([](ScriptedConnection& peer) {
      if (!answer_first(peer, "+OK\r\n+OK\r\n") || !peer.read_until("vitals:probe")) return;
      peer.send(next_answer);
      peer.hang();
    });
    const auto check =
        check_of("redis://:hunter22@127.0.0.1:" + std::to_string(server.port()) + "/1");
    expect(ask(check), Outcome::pass, Reason::none);
    const ProbeResult kept = ask(check);
    expect(kept, Outcome::pass, Reason::none);
    CHECK(accepted(server) == 1);
    CHECK_FALSE(kept.phases.get(Phase::connect).has_value());
    CHECK_FALSE(kept.phases.get(Phase::auth).has_value());
    CHECK(kept.phases.get(Phase::request).has_value());
  }

  TEST_CASE("redis: connection = fresh opens one each time, keep does not") {
    const RedisServer server;
    const auto count = [&] { return std::stoi(server.info("total_connections_received")); };
    const auto fresh = check_of(server.url(), "connection = \"fresh\"");
    const int before = count();
    for (int i = 0; i < 5; ++i) expect(ask(fresh), Outcome::pass, Reason::none);
    CHECK(count() == before + 5 + 1);  // count() is one itself
    const auto keep = check_of(server.url());
    const int between = count();
    for (int i = 0; i < 5; ++i) expect(ask(keep), Outcome::pass, Reason::none);
    CHECK(count() == between + 1 + 1);
  }

  TEST_CASE("redis: drop_connections makes the next attempt a fresh one") {
    const RedisServer server;
    const auto check = check_of(server.url());
    ask(check);
    CHECK_FALSE(ask(check).phases.get(Phase::connect).has_value());
    CHECK(ask(check, Duration(2'000), true).phases.get(Phase::connect).has_value());
  }

  TEST_CASE("redis: a kept connection that was killed or lost its server is replaced in silence") {
    RedisServer server;
    const auto check = check_of(server.url());
    ask(check);
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
    const ProbeResult killed = ask(check);
    expect(killed, Outcome::pass, Reason::none);
    CHECK(killed.phases.get(Phase::connect).has_value());
    server.stop();
    server.start();
    expect(ask(check), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: a reset in the middle of a kept attempt is retried once, of a fresh one not") {
    for (const bool reset : {false, true}) {
      CAPTURE(reset);
      // The second question of each connection ends it.
      ScriptedServer server([reset](ScriptedConnection& peer) {
        if (peer.number() == 1) {
          if (!answer_first(peer)) return;
        } else {
          if (!peer.read_until("vitals:probe")) return;
          peer.send(next_answer);
        }
        if (!peer.read_until("vitals:probe")) return;
        if (reset) peer.reset();
      });
      const auto check = check_of(url_of(server));
      expect(ask(check), Outcome::pass, Reason::none);
      CHECK(accepted(server) == 1);
      expect(ask(check), Outcome::pass, Reason::none);  // and INFO is not asked again
      CHECK(accepted(server) == 2);
    }
    ScriptedServer closing([](ScriptedConnection& peer) { peer.read_until("PING"); });
    const auto check = check_of(url_of(closing));
    expect(ask(check), Outcome::fail, Reason::reset);
    CHECK(accepted(closing) == 1);
  }

  TEST_CASE(
      "redis: a proxy that closes or hangs on INFO fails nothing, and is not asked each time") {
    for (const bool hangs : {false, true}) {
      CAPTURE(hangs);
      std::atomic<int> asked = 0;
      ScriptedServer server([&](ScriptedConnection& peer) {
        while (true) {
          const auto question = peer.read_bytes();
          if (question.empty()) return;
          if (question.find("INFO") != std::string::npos) {
            ++asked;
            if (hangs) peer.hang();
            return;
          }
          peer.send(next_answer);
        }
      });
      const auto check = check_of(url_of(server));
      const Timed first = timed(check, Duration(1'000));
      expect(first.result, Outcome::pass, Reason::none);
      CHECK(first.result.detail == "PONG");
      CHECK(first.result.measurements.empty());
      CHECK(first.result.remark.starts_with("INFO: "));
      CHECK(first.took.own() < test::at_most(Duration(900)));
      for (int i = 0; i < 3; ++i) {
        const Timed next = timed(check, Duration(1'000));
        expect(next.result, Outcome::pass, Reason::none);
        CHECK(next.took.own() < test::at_most(Duration(400)));
      }
      CHECK(asked == 1);
      CHECK(accepted(server) == 2);
    }
  }

  TEST_CASE("redis: a proxy that knows neither ROLE nor INFO can't have a role expected of it") {
    ScriptedServer server([](ScriptedConnection& peer) {
      while (true) {
        const auto question = peer.read_bytes();
        if (question.empty() || question.find("INFO") != std::string::npos) return;
        peer.send(std::string(next_answer) + "-ERR unknown command 'ROLE'\r\n");
      }
    });
    const auto check = check_of(url_of(server), "expect_role = \"master\"");
    for (int i = 0; i < 2; ++i) {
      expect(ask(check), Outcome::fail, Reason::internal, "remove expect_role; ROLE: ERR unknown");
    }
  }

  TEST_CASE("redis: one INFO that gets no answer is not the last that the role is asked of") {
    std::atomic<int> asked = 0;
    ScriptedServer server([&](ScriptedConnection& peer) {
      while (true) {
        const auto question = peer.read_bytes();
        if (question.empty()) return;
        if (question.find("INFO") == std::string::npos) {
          peer.send(std::string(next_answer) + "-ERR unknown command 'ROLE'\r\n");
        } else if (++asked == 2) {
          return;
        } else {
          peer.send("$13\r\nrole:master\r\n\r\n");
        }
      }
    });
    const auto check = check_of(url_of(server), "expect_role = \"master\"");
    expect(ask(check), Outcome::pass, Reason::none);
    expect(ask(check), Outcome::fail, Reason::internal);
    expect(ask(check), Outcome::pass, Reason::none);
  }

  TEST_CASE("redis: what was said on an idle connection is no answer to the next question") {
    std::atomic<bool> said = false;
    ScriptedServer server([&](ScriptedConnection& peer) {
      if (peer.number() == 1) {
        if (!answer_first(peer)) return;
        peer.send("-ERR closing idle connection\r\n");
        said = true;
      } else {
        if (!peer.read_until("vitals:probe")) return;
        peer.send(next_answer);
      }
      peer.hang();
    });
    const auto check = check_of(url_of(server));
    expect(ask(check), Outcome::pass, Reason::none);
    REQUIRE(eventually([&] { return said.load(); }));
    expect(ask(check), Outcome::pass, Reason::none);
    CHECK(accepted(server) == 2);
  }

  TEST_CASE("redis: a parting word that crosses the next question is followed by a fresh try") {
    ScriptedServer server([](ScriptedConnection& peer) {
      if (peer.number() == 1) {
        if (!answer_first(peer)) return;
      } else {
        if (!peer.read_until("vitals:probe")) return;
        peer.send(next_answer);
      }
      if (!peer.read_until("vitals:probe")) return;
      peer.send("-ERR closing idle connection\r\n" + std::string(next_answer));
    });
    const auto check = check_of(url_of(server));
    expect(ask(check), Outcome::pass, Reason::none);
    expect(ask(check), Outcome::pass, Reason::none);
    CHECK(accepted(server) == 2);
  }

  TEST_CASE("redis: silence, a drip and an answer without end stop at the deadline") {
    SUBCASE("silence") {
      ScriptedServer server([](ScriptedConnection& peer) { peer.hang(); });
      check_ends_at_limit(check_of(url_of(server)));
    }
    SUBCASE("a drip") {
      ScriptedServer server([](ScriptedConnection& peer) {
        peer.drip("$1000\r\n" + std::string(1'000, 'x'), std::chrono::milliseconds(20));
      });
      check_ends_at_limit(check_of(url_of(server)));
    }
    SUBCASE("half an answer") {
      ScriptedServer server([](ScriptedConnection& peer) {
        peer.send("+PONG\r\n");
        peer.hang();
      });
      check_ends_at_limit(check_of(url_of(server)));
    }
    SUBCASE("silence in the TLS handshake") {
      ScriptedServer server([](ScriptedConnection& peer) { peer.hang(); });
      check_ends_at_limit(
          check_of("rediss://127.0.0.1:" + std::to_string(server.port()), "verify = false"));
    }
  }

  TEST_CASE("redis: an endless answer is cut off long before the deadline") {
    for (const std::string start : {"$1000000000\r\n", "+"}) {
      ScriptedServer server([&](ScriptedConnection& peer) {
        peer.send(start);
        peer.send_endlessly(std::string(64 * 1024, 'x'));
      });
      const Timed asked = timed(check_of(url_of(server)), Duration(5'000));
      expect(asked.result, Outcome::fail, Reason::too_large, "256 KiB");
      CHECK(asked.took.own() < test::at_most(Duration(2'000)));
    }
  }

  TEST_CASE("redis: answers that are none are fail(protocol), and no crash") {
    std::string nested;
    for (int i = 0; i < 10'000; ++i) nested += "*1\r\n";
    const std::array<std::string, 9> rows{"220 mail.test ESMTP\r\n",
                                          "\x15\x03\x01\x00\x02\x02\x46",
                                          nested,
                                          "*99999999\r\n",
                                          ":notanumber\r\n",
                                          "$-7\r\n",
                                          "*-9\r\n",
                                          "+OK\r\n+OK\r\n+OK\r\n",
                                          "%1\r\n+a\r\n+b\r\n:0\r\n:0\r\n"};
    for (const std::string& row : rows) {
      CAPTURE(row.substr(0, 20));
      ScriptedServer server([&](ScriptedConnection& peer) {
        peer.send(row);
        peer.hang();
      });
      expect(ask(check_of(url_of(server))), Outcome::fail, Reason::protocol);
    }
  }

  TEST_CASE("redis: an interrupt ends a waiting attempt at once") {
    ScriptedServer server([](ScriptedConnection& peer) { peer.hang(); });
    const auto check = check_of(url_of(server));
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    std::thread interrupter([&] {
      REQUIRE(eventually([&] { return accepted(server) == 1; }));
      writer.reset();
    });
    const Stopwatch watch;
    Attempt attempt{.deadline = Deadline::after(Duration(10'000), reader.get())};
    static_cast<void>(check.probe->run(attempt));
    interrupter.join();
    CHECK(watch.took().own() < test::at_most(Duration(100)) + deadline_slack);
  }

  TEST_CASE("redis: 200 rounds of every ending leave no descriptor behind") {
    Authority authority;
    const RedisServer well({.certificate = authority.valid()});
    const RedisServer locked({.password = "hunter22"});
    ScriptedServer closing([](ScriptedConnection& peer) { peer.read_until("PING"); });
    const auto tls = check_of(well.url(), "verify = false\nconnection = \"fresh\"\npubsub = \"c\"");
    const auto refused = check_of(locked.url());
    const auto closed = check_of(url_of(closing));
    const auto kept = check_of("redis://:hunter22@127.0.0.1:" + std::to_string(locked.port()));
    const auto round = [&] {
      expect(ask(tls), Outcome::pass, Reason::none);
      expect(ask(refused), Outcome::fail, Reason::auth);
      expect(ask(closed), Outcome::fail, Reason::reset);
      expect(ask(kept), Outcome::pass, Reason::none);
    };
    round();
    const auto before = descriptors();
    for (int i = 0; i < 200; ++i) round();
    CHECK(eventually([&] { return descriptors() <= before; }));  // the scripted server closes late
  }

  TEST_CASE("redis: a password is in no detail, not even when the server echoes it") {
    const std::string raw = "hunter22@/x";
    const std::string encoded = "hunter22%40%2Fx";
    const std::string base64 = "aHVudGVyMjJAL3g";
    ScriptedServer echo([](ScriptedConnection& peer) {
      if (!peer.read_until("vitals:probe")) return;
      peer.send("+OK\r\n+PONG\r\n-ERR you said hunter22@/x\r\n");
      peer.hang();
    });
    ScriptedServer unknown([](ScriptedConnection& peer) {
      if (!peer.read_until("vitals:probe")) return;
      peer.send("-ERR unknown command 'AUTH', with args beginning with: 'hunter22@/x'\r\n");
    });
    const RedisServer server({.password = "another"});
    for (const std::uint16_t port : {echo.port(), unknown.port(), server.port(), free_port()}) {
      const auto check = check_of("redis://:" + encoded + "@127.0.0.1:" + std::to_string(port));
      const ProbeResult result = ask(check);
      CAPTURE(result.detail);
      CHECK(result.outcome == Outcome::fail);
      for (const std::string& secret : {raw, encoded, base64}) {
        CHECK(result.detail.find(secret) == std::string::npos);
        CHECK(check.spec->target.find(secret) == std::string::npos);
      }
    }
  }

  TEST_CASE("redis: a URL in a file is read again for each new connection") {
    const RedisServer server({.password = "first-one"});
    const std::string host = "@127.0.0.1:" + std::to_string(server.port());
    const TempDir folder;
    const auto file = folder.write("url", "redis://:first-one" + host + "\n");
    const auto check = make_check("kind = \"redis\"\nurl = { file = " + quoted(file) + " }\n");
    expect(ask(check), Outcome::pass, Reason::none);
    server.command({"CONFIG", "SET", "requirepass", "second-one"});
    expect(ask(check, Duration(2'000), true), Outcome::fail, Reason::auth);
    folder.write("url", "redis://:second-one" + host + "\n");
    expect(ask(check), Outcome::pass, Reason::none);
    std::filesystem::remove(file);
    expect(ask(check), Outcome::pass, Reason::none);  // the kept connection asks for no file
    expect(ask(check, Duration(2'000), true), Outcome::fail, Reason::internal);
  }
}
