// Kind tls against servers with good, ending, expired and foreign certificates, and none at all.
#include <doctest/doctest.h>
#include <unistd.h>

#include <memory>
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

using test::ScriptedConnection;
using test::ScriptedServer;

constexpr Duration short_limit{300};

test::Authority& authority() {
  static test::Authority the_one;
  return the_one;
}

std::string trust() { return "ca_file = \"" + authority().ca_file().string() + "\"\n"; }

std::unique_ptr<ScriptedServer> server_with(const test::Certificate& files,
                                            ScriptedServer::Options options = {}) {
  options.certificate = files.certificate;
  options.key = files.key;
  return std::make_unique<ScriptedServer>(
      [](ScriptedConnection& connection) {
        if (connection.handshake()) connection.hang();
      },
      options);
}

ConfiguredCheck check_of(std::uint16_t port, const std::string& more = "",
                         const std::string& host = "localhost") {
  return test::make_check("kind = \"tls\"\naddress = \"" + host + ":" + std::to_string(port) +
                          "\"\n" + more);
}

ProbeResult ask(std::uint16_t port, const std::string& more, Duration limit = Duration(10'000)) {
  return test::ask(check_of(port, more), limit);
}

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"tls\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_SUITE("tls kind") {
  TEST_CASE("tls: a good certificate is pass with version, end date, metrics and phases") {
    const auto server =
        server_with(authority().issue({.ends_in = std::chrono::hours(24 * 41 + 1)}));
    const auto result = ask(server->port(), trust());
    INFO(result.detail);
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail.starts_with("TLSv1.3, certificate until 20"));
    CHECK(result.detail.find("(41d0") != std::string::npos);
    for (const auto phase : {Phase::resolve, Phase::connect, Phase::tls}) {
      CHECK(result.phases.get(phase).has_value());
    }
    CHECK(!result.phases.get(Phase::request).has_value());
    CHECK(test::measured(result, "check_tls_info", {"TLSv1.3"}) == 1);
    const auto end = test::measured(result, "check_tls_not_after_timestamp_seconds").value_or(0);
    const auto now =
        static_cast<double>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
    CHECK(end - now > 24 * 3600 * 41);
    CHECK(end - now < 24 * 3600 * 42);
  }

  TEST_CASE("tls: every handshake is a full one, so that the certificate is seen each time") {
    const auto server = server_with(authority().valid());
    const auto check = check_of(server->port(), trust());
    for (int i = 0; i < 5; ++i) CHECK(test::ask(check).outcome == Outcome::pass);
    CHECK(test::eventually([&] { return server->handshakes() == 5; }));
    CHECK(server->resumed() == 0);
  }

  TEST_CASE("tls: what is wrong with a certificate is told apart") {
    const auto expired = server_with(authority().expired());
    CHECK(ask(expired->port(), trust()).reason == Reason::tls_expired);
    const auto early = server_with(authority().not_yet_valid());
    CHECK(ask(early->port(), trust()).reason == Reason::tls_expired);
    CHECK(ask(expired->port(), "").reason == Reason::tls_expired);  // of an unknown root besides
    const auto lone_and_late = server_with(authority().expired_self_signed());
    CHECK(ask(lone_and_late->port(), "").reason == Reason::tls_expired);
    const auto elsewhere_and_late = server_with(authority().expired_other_host());
    CHECK(ask(elsewhere_and_late->port(), trust()).reason == Reason::tls_expired);
    const auto other = server_with(authority().other_host());
    const auto result = ask(other->port(), trust());
    CHECK(result.reason == Reason::tls_verify);
    CHECK(result.detail.find("other.test") != std::string::npos);
    CHECK(ask(other->port(), trust() + "server_name = \"other.test\"").outcome == Outcome::pass);
    const auto lone = server_with(authority().self_signed());
    CHECK(ask(lone->port(), trust()).reason == Reason::tls_verify);
    const auto unknown = server_with(authority().valid());
    CHECK(ask(unknown->port(), "").reason == Reason::tls_verify);
    CHECK(ask(unknown->port(), "verify = false").outcome == Outcome::pass);
    CHECK(ask(expired->port(), "verify = false\ncert_warn = \"0s\"").outcome == Outcome::pass);
  }

  TEST_CASE("tls: a refused certificate is shown with its end, of that attempt alone") {
    const auto end_of = [](const ProbeResult& result) {
      return test::measured(result, "check_tls_not_after_timestamp_seconds");
    };
    for (const auto& files : {authority().expired(), authority().not_yet_valid(),
                              authority().other_host(), authority().self_signed()}) {
      auto server = server_with(files);
      const auto port = server->port();
      const auto end = end_of(ask(port, "verify = false"));
      REQUIRE(end.has_value());
      const auto check = check_of(port, trust());
      const auto refused = test::ask(check);
      INFO(refused.detail);
      CHECK(refused.outcome == Outcome::fail);
      CHECK(end_of(refused) == end);
      CHECK(test::measured(refused, "check_tls_info", {"TLSv1.3"}) == 1);
      server.reset();
      const auto unreached = test::ask(check);
      CHECK(unreached.reason == Reason::refused);
      CHECK(unreached.measurements.empty());
    }
  }

  TEST_CASE("tls: a certificate near its end is warn cert_expiring, never a failure") {
    const auto server = server_with(authority().issue({.ends_in = std::chrono::hours(24 * 5)}));
    const auto result = ask(server->port(), trust());
    CHECK(result.outcome == Outcome::warn);
    CHECK(result.reason == Reason::cert_expiring);
    CHECK(ask(server->port(), trust() + "cert_warn = \"24h\"").outcome == Outcome::pass);
  }

  TEST_CASE("tls: a server that wants a certificate and gets none, or a foreign one, is tls") {
    const auto ours = authority().issue({.name = "agent"});
    const auto foreign = authority().self_signed({.name = "agent"});
    const auto with = [](const test::Certificate& files) {
      return "client_cert = \"" + files.certificate.string() + "\"\nclient_key = \"" +
             files.key.string() + "\"\n";
    };
    for (const bool old : {false, true}) {
      CAPTURE(old);
      const auto server =
          server_with(authority().valid(), {.client_ca = authority().ca_file(), .only_tls12 = old});
      CHECK(ask(server->port(), trust()).reason == Reason::tls);
      CHECK(ask(server->port(), trust() + with(foreign)).reason == Reason::tls);
      CHECK(ask(server->port(), trust() + with(ours)).outcome == Outcome::pass);
    }
  }

  TEST_CASE("tls: an old version and a port without TLS are tls") {
    ScriptedServer::Options options;
    options.only_tls12 = true;
    const auto old = server_with(authority().valid(), options);
    const auto accepted = ask(old->port(), trust());
    CHECK(accepted.outcome == Outcome::pass);
    CHECK(accepted.detail.starts_with("TLSv1.2, "));
    CHECK(ask(old->port(), trust() + "min_tls = \"1.3\"").reason == Reason::tls);
    const ScriptedServer plain([](ScriptedConnection& connection) {
      connection.send("220 smtp ready\r\n");
      connection.hang();
    });
    CHECK(ask(plain.port(), trust()).reason == Reason::tls);
  }

  TEST_CASE("tls: silence is timeout, a close and a reset in the handshake are reset") {
    const test::DeafListener deaf;
    const test::Stopwatch watch;
    CHECK(ask(deaf.port(), trust(), short_limit).reason == Reason::timeout);
    test::check_ended_at(watch.took(), short_limit);
    const ScriptedServer closing([](ScriptedConnection& connection) { connection.read_some(); });
    CHECK(ask(closing.port(), trust()).reason == Reason::reset);
    const ScriptedServer resetting([](ScriptedConnection& connection) {
      connection.read_some();
      connection.reset();
    });
    CHECK(ask(resetting.port(), trust()).reason == Reason::reset);
  }

  TEST_CASE("tls: refused, unreachable and silent addresses are told apart") {
    const test::RefusingPort refused;
    CHECK(test::ask(check_of(refused.port(), trust(), "127.0.0.1")).reason == Reason::refused);
    CHECK(test::ask(check_of(443, trust(), "255.255.255.255")).reason == Reason::unreachable);
    test::DeafListener silent;
    silent.fill();
    CHECK(test::ask(check_of(silent.port(), trust(), "127.0.0.1"), short_limit).reason ==
          Reason::connect_timeout);
  }

  TEST_CASE("tls: a CA file that is not there is internal and names the file") {
    const test::RefusingPort port;
    const auto result = ask(port.port(), "ca_file = \"/nonexistent/ca.pem\"");
    CHECK(result.reason == Reason::internal);
    CHECK(result.detail.find("/nonexistent/ca.pem") != std::string::npos);
  }

  TEST_CASE("tls: a tls:// URL is an address too; loopback is local, elsewhere is shared") {
    const auto here = test::make_check("kind = \"tls\"\naddress = \"tls://localhost:443\"");
    CHECK(here.spec->target == "tls://localhost:443");
    CHECK(here.spec->scope == Scope::local);
    CHECK(here.spec->impact == Impact::critical);
    const auto there = check_of(443, "", "mail.example");
    CHECK(there.spec->scope == Scope::shared);
    CHECK(there.spec->impact == Impact::degraded);
  }

  TEST_CASE("tls: bad settings are complaints with a way out") {
    CHECK(mistakes_of("address = \"localhost\"").find("no port; write host:port") !=
          std::string::npos);
    CHECK(mistakes_of("").find("address") != std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nmin_tls = \"1.1\"").find("min_tls") != std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"\nsend = \"x\"").find("unknown key 'send'") !=
          std::string::npos);
    CHECK(mistakes_of("address = \"a:1\"").empty());
  }

  TEST_CASE("tls: an interrupt ends it within 100 ms") {
    const test::DeafListener deaf;
    const auto check = check_of(deaf.port(), trust());
    test::check_ends_at_interrupt(check);
  }

  TEST_CASE("tls: 200 rounds of every outcome leave no descriptor behind") {
    const auto server = server_with(authority().valid());
    const test::RefusingPort refused;
    const auto good = check_of(server->port(), trust());
    const auto bad = check_of(server->port(), "");
    const auto none = check_of(refused.port(), trust());
    const auto settled = [&] { return server->open_connections() == 0; };
    CHECK(test::ask(good).outcome == Outcome::pass);
    REQUIRE(test::eventually(settled));
    const auto descriptors = test::open_descriptors();
    for (int i = 0; i < 200; ++i) {
      CHECK(test::ask(good).outcome == Outcome::pass);
      CHECK(test::ask(bad).reason == Reason::tls_verify);
      CHECK(test::ask(none).reason == Reason::refused);
    }
    REQUIRE(test::eventually(settled));
    CHECK(test::open_descriptors() == descriptors);
  }
}

}  // namespace vitals
