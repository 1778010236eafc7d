// Kind tcp against listeners that answer, stay silent, drip, close, reset, and speak TLS.
#include <doctest/doctest.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"

namespace vitals {
namespace {

using test::check_ended_at;
using test::ScriptedConnection;
using test::ScriptedServer;

ConfiguredCheck check_of(std::uint16_t port, const std::string& more = "",
                         const std::string& host = "127.0.0.1") {
  return test::make_check("kind = \"tcp\"\naddress = \"" + host + ":" + std::to_string(port) +
                          "\"\n" + more);
}

struct Seen {
  ProbeResult result;
  test::Took took;
};

Seen ask(const ConfiguredCheck& check, Duration limit = Duration(10'000)) {
  const test::Stopwatch watch;
  Seen outcome;
  outcome.result = test::ask(check, limit);
  outcome.took = watch.took();
  return outcome;
}

Seen ask(std::uint16_t port, const std::string& more, Duration limit = Duration(10'000)) {
  return ask(check_of(port, more), limit);
}

bool mentions(const Seen& outcome, const std::string& text) {
  INFO(outcome.result.detail);
  return outcome.result.detail.find(text) != std::string::npos;
}

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"tcp\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

/// Says `text` to whoever connects, then waits for them to go.
ScriptedServer::Script saying(std::string text) {
  return [text = std::move(text)](ScriptedConnection& connection) {
    connection.send(text);
    connection.hang();
  };
}

ScriptedServer::Script saying_and_closing(std::string text) {
  return [text = std::move(text)](ScriptedConnection& connection) { connection.send(text); };
}

}  // namespace

TEST_SUITE("tcp") {
  TEST_CASE("tcp: a port that accepts is pass, with the phases resolve and connect alone") {
    const test::DeafListener listener;
    const auto outcome = ask(listener.port(), "");
    CHECK(outcome.result.outcome == Outcome::pass);
    CHECK(mentions(outcome, "127.0.0.1:" + std::to_string(listener.port())));
    CHECK(outcome.result.phases.get(Phase::resolve).has_value());
    CHECK(outcome.result.phases.get(Phase::connect).has_value());
    for (const auto phase : {Phase::tls, Phase::auth, Phase::request, Phase::transfer}) {
      CHECK(!outcome.result.phases.get(phase).has_value());
    }
  }

  TEST_CASE("tcp: localhost tries ::1 and 127.0.0.1") {
    const test::DeafListener listener;
    CHECK(ask(check_of(listener.port(), "", "localhost")).result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: refused, unreachable and silent addresses are told apart") {
    const test::RefusingPort refused;
    CHECK(ask(refused.port(), "").result.reason == Reason::refused);
    CHECK(ask(check_of(80, "", "255.255.255.255")).result.reason == Reason::unreachable);
    test::DeafListener silent;
    silent.fill();
    const auto outcome = ask(silent.port(), "", Duration(300));
    CHECK(outcome.result.reason == Reason::connect_timeout);
    check_ended_at(outcome.took, Duration(300));
  }

  TEST_CASE("tcp: send and expect are a question and its answer") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      if (connection.read_request() == "PING\r\n\r\n") connection.send("+PONG\r\n");
      connection.hang();
    });
    const std::string question = "send = \"PING\\r\\n\\r\\n\"\n";
    const auto outcome = ask(server.port(), question + "expect = \"PONG\"");
    CHECK(outcome.result.outcome == Outcome::pass);
    CHECK(outcome.result.phases.get(Phase::request).has_value());
    CHECK(outcome.result.phases.get(Phase::transfer).has_value());
    CHECK(ask(server.port(), question + "expect = '/^\\+PO.G\\r\\n$/'").result.outcome ==
          Outcome::pass);
    CHECK(ask(server.port(), question + "expect = '/pong/i'").result.outcome == Outcome::pass);
    CHECK(ask(server.port(), "send = \"PING\\r\\n\\r\\n\"").result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: an answer in pieces is put together") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      connection.drip("220 ready", std::chrono::milliseconds(4));
      connection.hang();
    });
    CHECK(ask(server.port(), "expect = \"220 ready\"").result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: silence is timeout at the deadline") {
    const test::DeafListener listener;
    const auto outcome = ask(listener.port(), "expect = \"ready\"", Duration(300));
    CHECK(outcome.result.reason == Reason::timeout);
    CHECK(mentions(outcome, "no \"ready\" within the timeout"));
    check_ended_at(outcome.took, Duration(300));
  }

  TEST_CASE("tcp: a drip ends at the deadline as timeout and shows what came") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      connection.drip(std::string(1'000, 'x'), std::chrono::milliseconds(30));
    });
    const auto outcome = ask(server.port(), "expect = \"ready\"", Duration(300));
    CHECK(outcome.result.reason == Reason::timeout);
    CHECK(mentions(outcome, "xxx"));
    check_ended_at(outcome.took, Duration(300));
  }

  TEST_CASE("tcp: an endless answer ends after 64 KiB, long before the deadline") {
    const ScriptedServer server(
        [](ScriptedConnection& connection) { connection.send_endlessly("abcdefghijklmnop"); });
    const auto outcome = ask(server.port(), "expect = \"ready\"", Duration(5'000));
    CHECK(outcome.result.reason == Reason::assertion);
    CHECK(mentions(outcome, "64 KiB"));
    CHECK(outcome.took.own() < test::at_most(Duration(1'500)));
  }

  TEST_CASE("tcp: a wrong answer and a close is assertion, and the answer is shown") {
    const ScriptedServer server(saying_and_closing("421 too busy\r\n"));
    const auto outcome = ask(server.port(), "expect = \"220\"");
    CHECK(outcome.result.reason == Reason::assertion);
    CHECK(mentions(outcome, "no \"220\""));
    CHECK(mentions(outcome, "421 too busy"));
    CHECK(outcome.took.own() < test::at_most(Duration(200)));
  }

  TEST_CASE("tcp: the right answer counts also when the peer closes behind it") {
    const ScriptedServer server(saying_and_closing("220 ready\r\n"));
    CHECK(ask(server.port(), "expect = \"220\"").result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: a close without a byte and a reset are reset") {
    const ScriptedServer closing([](ScriptedConnection&) {});
    const auto outcome = ask(closing.port(), "expect = \"220\"");
    CHECK(outcome.result.reason == Reason::reset);
    CHECK(mentions(outcome, "closed without an answer"));
    const ScriptedServer resetting([](ScriptedConnection& connection) { connection.reset(); });
    CHECK(ask(resetting.port(), "expect = \"220\"").result.reason == Reason::reset);
  }

  TEST_CASE("tcp: a hostile answer to a greedy pattern is no match, said so, and in time") {
    const ScriptedServer server(saying_and_closing(std::string(5'000, 'a') + "!"));
    const auto outcome = ask(server.port(), "expect = '/^(a+)+$/'");
    CHECK(outcome.result.reason == Reason::assertion);
    CHECK(mentions(outcome, "given up"));
    CHECK(outcome.took.own() < test::at_most(Duration(300)));
  }

  TEST_CASE("tcp: a thousand small packets do not cost a thousand searches") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      connection.drip(std::string(3'000, 'a'), std::chrono::milliseconds(0));
      connection.send("!");
    });
    const auto outcome = ask(server.port(), "expect = '/^(a+)+b/'", Duration(4'000));
    CHECK(outcome.result.reason == Reason::assertion);
    CHECK(outcome.took.own() < test::at_most(Duration(1'500)));
  }

  TEST_CASE("tcp: an interrupt ends it within 100 ms") {
    const test::DeafListener listener;
    const auto check = check_of(listener.port(), "expect = \"ready\"");
    test::check_ends_at_interrupt(check);
  }

  TEST_CASE("tcp: TLS is spoken, judged and measured") {
    test::Authority authority;
    const auto valid = authority.valid();
    const auto ending = authority.issue({.ends_in = std::chrono::hours(24 * 5)});
    const auto trust = "tls = true\nca_file = \"" + authority.ca_file().string() + "\"\n";
    const auto script = [](ScriptedConnection& connection) {
      if (connection.handshake()) connection.send("220 ready\r\n");
      connection.hang();
    };
    ScriptedServer::Options options;
    options.certificate = valid.certificate;
    options.key = valid.key;
    const ScriptedServer server(script, options);
    const auto good = ask(check_of(server.port(), trust + "expect = \"220\"", "localhost"));
    CHECK(good.result.outcome == Outcome::pass);
    CHECK(good.result.phases.get(Phase::tls).has_value());
    CHECK(test::measured(good.result, "check_tls_info", {"TLSv1.3"}) == 1);
    CHECK(test::measured(good.result, "check_tls_not_after_timestamp_seconds").value_or(0) > 1e9);
    CHECK(ask(check_of(server.port(), "tls = true\n", "localhost")).result.outcome ==
          Outcome::fail);  // no authority of ours in the system's bundle
    CHECK(ask(check_of(server.port(), "tls = true\nverify = false\n")).result.outcome ==
          Outcome::pass);

    const auto late = authority.expired_other_host();
    options.certificate = late.certificate;
    options.key = late.key;
    const ScriptedServer expired(script, options);
    for (const auto& more : {trust, std::string("tls = true\n")}) {
      const auto refused = ask(check_of(expired.port(), more, "localhost")).result;
      CHECK(refused.reason == Reason::tls_expired);
      CHECK(test::measured(refused, "check_tls_not_after_timestamp_seconds").value_or(0) > 1e9);
    }

    options.certificate = ending.certificate;
    options.key = ending.key;
    const ScriptedServer old(script, options);
    const auto warning = ask(old.port(), trust);
    CHECK(warning.result.outcome == Outcome::warn);
    CHECK(warning.result.reason == Reason::cert_expiring);
    CHECK(mentions(warning, "ends in"));
    CHECK(ask(old.port(), trust + "cert_warn = \"24h\"").result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: a TLS server that wants a certificate and gets none, or a foreign one, is tls") {
    test::Authority authority;
    const auto valid = authority.valid();
    const auto with = [](const test::Certificate& files) {
      return "client_cert = \"" + files.certificate.string() + "\"\nclient_key = \"" +
             files.key.string() + "\"\n";
    };
    const std::string ours = with(authority.issue({.name = "agent"}));
    const std::string foreign = with(authority.self_signed({.name = "agent"}));
    const std::string trust = "tls = true\nca_file = \"" + authority.ca_file().string() + "\"\n";
    for (const bool old : {false, true}) {
      // With 1.3 the server says so only after the handshake is over for us.
      CAPTURE(old);
      ScriptedServer::Options options;
      options.certificate = valid.certificate;
      options.key = valid.key;
      options.client_ca = authority.ca_file();
      options.only_tls12 = old;
      const ScriptedServer server(
          [](ScriptedConnection& connection) {
            if (!connection.handshake()) return;
            connection.send("220 ready\r\n");
            connection.hang();
          },
          options);
      for (const char* asked : {"", "send = \"PING\"\n", "expect = \"220\"\n"}) {
        CAPTURE(asked);
        for (const std::string& shown : {std::string(), foreign}) {
          CAPTURE(shown.empty());
          const auto refused = ask(check_of(server.port(), trust + asked + shown, "localhost"));
          CHECK(refused.result.outcome == Outcome::fail);
          // What was sent meanwhile may turn the server's word into a reset.
          const bool reset = *asked == 's' && refused.result.reason == Reason::reset;
          CHECK((reset || refused.result.reason == Reason::tls));
          INFO(refused.result.detail);
        }
        const auto taken = ask(check_of(server.port(), trust + asked + ours, "localhost"));
        CHECK(taken.result.outcome == Outcome::pass);
      }
    }
  }

  TEST_CASE("tcp: TLS on a port that never answers is timeout at the deadline") {
    const test::DeafListener listener;
    const auto outcome = ask(listener.port(), "tls = true\nverify = false", Duration(300));
    CHECK(outcome.result.reason == Reason::timeout);
    check_ended_at(outcome.took, Duration(300));
  }

  TEST_CASE("tcp: a Unix socket and a tcp:// URL are addresses too") {
    const test::TempDir folder;
    ScriptedServer::Options options;
    options.unix_path = folder.path() / "app.sock";
    const ScriptedServer server(saying("ready"), options);
    const auto check =
        test::make_check("kind = \"tcp\"\naddress = \"unix:" + options.unix_path.string() +
                         "\"\nexpect = \"ready\"");
    CHECK(ask(check).result.outcome == Outcome::pass);
    CHECK(check.spec->target == "unix:" + options.unix_path.string());
    CHECK(check.spec->scope == Scope::local);
    const test::DeafListener listener;
    const auto url = test::make_check(
        "kind = \"tcp\"\naddress = \"tcp://127.0.0.1:" + std::to_string(listener.port()) + "\"");
    CHECK(ask(url).result.outcome == Outcome::pass);
  }

  TEST_CASE("tcp: loopback is local and critical, elsewhere shared and degraded") {
    const auto here = check_of(80, "", "localhost");
    CHECK(here.spec->scope == Scope::local);
    CHECK(here.spec->impact == Impact::critical);
    CHECK(here.spec->target == "tcp://localhost:80");
    const auto there = check_of(80, "", "db.internal");
    CHECK(there.spec->scope == Scope::shared);
    CHECK(there.spec->impact == Impact::degraded);
    CHECK(there.spec->target == "tcp://db.internal:80");
  }

  TEST_CASE("tcp: bad settings are complaints with a way out") {
    CHECK(mistakes_of("address = \"localhost\"").find("no port; write host:port") !=
          std::string::npos);
    CHECK(mistakes_of("address = \"::1:80\"").find("[::1]:80") != std::string::npos);
    CHECK(mistakes_of("address = \"unix:app.sock\"").find("unix:/path") != std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nexpect = \"/a(/\"").find("not a regular expression") !=
          std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nexpect = \"\"").find("empty") != std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nclient_key = \"k\"").find("client_cert") !=
          std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nmin_tls = \"1.1\"").find("min_tls") != std::string::npos);
    CHECK(mistakes_of("").find("address") != std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"").empty());
  }

  TEST_CASE("tcp: 200 rounds of every outcome leave no descriptor and no thread behind") {
    test::DeafListener silent;
    silent.fill();
    const test::RefusingPort refused;
    const test::DeafListener listener("127.0.0.1", 0, 1'024);
    const auto good = check_of(listener.port());
    const auto bad = check_of(refused.port());
    const auto deaf = check_of(silent.port());
    const auto mute = check_of(listener.port(), "expect = \"x\"");
    const auto encrypted = check_of(listener.port(), "tls = true\nverify = false");
    // So short a time may be over before the connection is there; the cases above tell them apart.
    const auto too_late = [](const Seen& seen) {
      return seen.result.reason == Reason::timeout || seen.result.reason == Reason::connect_timeout;
    };
    const auto descriptors = test::open_descriptors();
    const auto threads = test::running_threads();
    for (int i = 0; i < 200; ++i) {
      CHECK(ask(good).result.outcome == Outcome::pass);
      CHECK(ask(bad).result.reason == Reason::refused);
      CHECK(too_late(ask(deaf, Duration(1))));
      CHECK(too_late(ask(mute, Duration(2))));
      CHECK(too_late(ask(encrypted, Duration(2))));
    }
    CHECK(test::open_descriptors() == descriptors);
    CHECK(test::running_threads() == threads);
  }
}

}  // namespace vitals
