// TLS handshakes against servers with good, bad and no certificates.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "probes/net.hpp"
#include "probes/stream.hpp"
#include "probes/tls.hpp"
#include "probes/trust_store.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/timing.hpp"

namespace vitals::tls {
namespace {

using test::Authority;
using test::ScriptedConnection;
using test::ScriptedServer;

/// Made once: the openssl command takes its time.
struct Shared {
  Authority authority{"vitals test CA"};
  Authority stranger{"another CA"};
  test::Certificate valid = authority.valid();
  test::Certificate expired = authority.expired();
  test::Certificate early = authority.not_yet_valid();
  test::Certificate other = authority.other_host();
  test::Certificate own = authority.self_signed();
};
Shared& shared() {
  static Shared all;
  return all;
}

TlsSettings trusting() {
  TlsSettings settings;
  settings.ca_file = shared().authority.ca_file().string();
  return settings;
}

ScriptedServer::Options with(const test::Certificate& certificate) {
  ScriptedServer::Options options;
  options.certificate = certificate.certificate;
  options.key = certificate.key;
  return options;
}

/// Handshake, then one line there and one back.
void greet(ScriptedConnection& connection) {
  if (connection.handshake() && connection.read_some()) connection.send("hello\n");
}

struct Outcome {
  Peer peer;
  Reason reason = Reason::none;
  std::string detail;
  test::Took took;
  std::string answer;
};

/// One connection through `client`; talks when the handshake succeeds.
Outcome shake(Client& client, std::uint16_t port, const std::string& host = "localhost",
              Duration limit = Duration(10'000)) {
  const auto deadline = Deadline::after(limit);
  const net::Address address = *net::numeric_address("127.0.0.1", port);
  auto connected = net::connect_any({&address, 1}, deadline);
  REQUIRE(connected.ok());
  net::Stream stream{std::move(connected.value().fd), nullptr};
  Outcome outcome;
  const test::Stopwatch watch;
  auto session = client.handshake(stream.fd.get(), host, deadline);
  outcome.took = watch.took();
  const auto note = [&](const net::Failure& failure) {
    outcome.reason = failure.reason;
    outcome.detail = failure.detail;
  };
  if (!session) {
    note(session.error());
    return outcome;
  }
  outcome.peer = session.value().peer;
  stream.ssl = std::move(session.value().ssl);
  if (const auto failure = net::write_all(stream, "hi\n", deadline)) note(*failure);
  std::array<char, 64> buffer{};
  const auto count = net::read_some(stream, buffer, deadline);
  if (!count) note(count.error());
  if (count) outcome.answer.assign(buffer.data(), count.value());
  net::say_goodbye(stream);
  return outcome;
}

Outcome shake(const TlsSettings& settings, const test::Certificate& certificate,
              const std::string& host = "localhost") {
  const ScriptedServer server(greet, with(certificate));
  Client client(settings);
  return shake(client, server.port(), host);
}

bool mentions(const Outcome& outcome, const std::string& text) {
  INFO(outcome.detail);
  return outcome.detail.find(text) != std::string::npos;
}

}  // namespace

TEST_SUITE("tls") {
  TEST_CASE("tls: a good certificate passes for its name and its addresses, facts are known") {
    for (const char* host : {"localhost", "localhost.", "127.0.0.1", "::1"}) {
      CAPTURE(host);
      const auto outcome = shake(trusting(), shared().valid, host);
      CHECK(outcome.reason == Reason::none);
      CHECK(outcome.answer == "hello\n");
      CHECK(outcome.peer.version == "TLSv1.3");
      REQUIRE(outcome.peer.not_after.has_value());
      const auto left = *outcome.peer.not_after - std::chrono::system_clock::now();
      CHECK(left > std::chrono::hours(24 * 364));
      CHECK(left < std::chrono::hours(24 * 366));
    }
  }

  TEST_CASE("tls: a certificate for another host is tls_verify and names both") {
    const auto outcome = shake(trusting(), shared().other);
    CHECK(outcome.reason == Reason::tls_verify);
    CHECK(mentions(outcome, "wrong host"));
    CHECK(mentions(outcome, "other.test"));
    CHECK(mentions(outcome, "localhost"));
    CHECK(shake(trusting(), shared().other, "127.0.0.1").reason == Reason::tls_verify);
    auto renamed = trusting();
    renamed.server_name = "other.test";
    CHECK(shake(renamed, shared().other).reason == Reason::none);
    renamed.server_name = "10.0.0.1";
    CHECK(shake(renamed, shared().valid).reason == Reason::tls_verify);
  }

  TEST_CASE("tls: an unknown root and a self-signed certificate are tls_verify, told apart") {
    TlsSettings settings;
    settings.ca_file = shared().stranger.ca_file().string();
    const auto unknown = shake(settings, shared().valid);
    CHECK(unknown.reason == Reason::tls_verify);
    CHECK(mentions(unknown, "unknown root"));
    const auto own = shake(trusting(), shared().own);
    CHECK(own.reason == Reason::tls_verify);
    CHECK(mentions(own, "self-signed"));
    settings.ca_file = shared().own.certificate.string();
    CHECK(shake(settings, shared().own).reason == Reason::none);
  }

  TEST_CASE("tls: a certificate outside its validity is tls_expired") {
    const auto late = shake(trusting(), shared().expired);
    CHECK(late.reason == Reason::tls_expired);
    CHECK(mentions(late, "has expired"));
    const auto early = shake(trusting(), shared().early);
    CHECK(early.reason == Reason::tls_expired);
    CHECK(mentions(early, "not valid yet"));
  }

  TEST_CASE("tls: a certificate outside its validity is tls_expired, whatever else is wrong") {
    TlsSettings strange;
    strange.ca_file = shared().stranger.ca_file().string();
    const auto own = shared().authority.expired_self_signed();
    for (const auto& settings : {trusting(), strange}) {
      const auto outcome = shake(settings, own);
      CHECK(outcome.reason == Reason::tls_expired);
      CHECK(mentions(outcome, "has expired (localhost); also: self-signed certificate"));
    }
    const auto other = shake(trusting(), shared().authority.expired_other_host());
    CHECK(other.reason == Reason::tls_expired);
    CHECK(mentions(other, "has expired (other.test); also: hostname mismatch"));
    const auto late = shake(strange, shared().expired);
    CHECK(late.reason == Reason::tls_expired);
    CHECK(mentions(late, "has expired"));
    const auto early = shake(strange, shared().early);
    CHECK(early.reason == Reason::tls_expired);
    CHECK(mentions(early, "not valid yet; is the clock right?; also: "));
    TlsSettings lenient;
    lenient.verify = false;
    CHECK(shake(lenient, own).reason == Reason::none);
  }

  TEST_CASE("tls: verify = false accepts them all, without any bundle, and still knows the dates") {
    TlsSettings settings;
    settings.verify = false;
    settings.ca_file = "/nonexistent/ca.pem";
    for (const auto* certificate : {&shared().other, &shared().own, &shared().early}) {
      const auto outcome = shake(settings, *certificate);
      CHECK(outcome.reason == Reason::none);
      CHECK(outcome.peer.not_after.has_value());
    }
    const auto expired = shake(settings, shared().expired);
    REQUIRE(expired.peer.not_after.has_value());
    CHECK(*expired.peer.not_after < std::chrono::system_clock::now());
  }

  TEST_CASE("tls: TLS 1.2 is the least by default, min_tls = 1.3 refuses it") {
    auto options = with(shared().valid);
    options.only_tls12 = true;
    const ScriptedServer server(greet, options);
    Client usual(trusting());
    CHECK(shake(usual, server.port()).peer.version == "TLSv1.2");
    auto strict = trusting();
    strict.min_version = 0x0304;
    Client modern(strict);
    const auto outcome = shake(modern, server.port());
    CHECK(outcome.reason == Reason::tls);
    CHECK(mentions(outcome, "TLS version"));
  }

  TEST_CASE("tls: an answer in plain text is tls, and the detail asks about it") {
    for (const char* text :
         {"HTTP/1.1 400 Bad Request\r\n\r\n", "-ERR unknown command\r\n", "220 mail ready\r\n"}) {
      CAPTURE(text);
      const ScriptedServer server([&](ScriptedConnection& connection) {
        if (connection.read_some()) connection.send(text);
      });
      Client client(trusting());
      const auto outcome = shake(client, server.port());
      CHECK(outcome.reason == Reason::tls);
      CHECK(mentions(outcome, "plain text"));
    }
  }

  TEST_CASE("tls: a close or a reset in mid-handshake is reset") {
    const ScriptedServer closing([](ScriptedConnection& connection) { connection.read_some(); });
    const ScriptedServer resetting([](ScriptedConnection& connection) {
      if (connection.read_some()) connection.reset();
    });
    Client client(trusting());
    CHECK(shake(client, closing.port()).reason == Reason::reset);
    CHECK(shake(client, resetting.port()).reason == Reason::reset);
  }

  TEST_CASE("tls: silence and a drip in the handshake end at the deadline as timeout") {
    const ScriptedServer silent([](ScriptedConnection& connection) { connection.hang(); });
    const ScriptedServer dripping([](ScriptedConnection& connection) {
      // The head of a ServerHello record that never gets whole.
      connection.drip(std::string("\x16\x03\x03\x10\x00", 5) + std::string(500, '\x02'),
                      std::chrono::milliseconds(20));
    });
    for (const auto* server : {&silent, &dripping}) {
      Client client(trusting());
      const auto outcome = shake(client, server->port(), "localhost", Duration(300));
      CHECK(outcome.reason == Reason::timeout);
      CHECK(outcome.took.elapsed >= Duration(250));
      CHECK(outcome.took.own() < test::at_most(Duration(350)));
    }
  }

  TEST_CASE("tls: a server that wants a certificate gets ours; without one it is tls") {
    const auto ours = shared().authority.issue({.name = "agent"});
    for (const bool old : {false, true}) {
      CAPTURE(old);
      auto options = with(shared().valid);
      options.client_ca = shared().authority.ca_file();
      options.only_tls12 = old;
      const ScriptedServer server(greet, options);
      Client bare(trusting());
      CHECK(shake(bare, server.port()).reason == Reason::tls);
      auto settings = trusting();
      settings.client_cert = ours.certificate.string();
      settings.client_key = ours.key.string();
      Client known(settings);
      CHECK(shake(known, server.port()).answer == "hello\n");
    }
  }

  TEST_CASE("tls: settings that cannot work are internal and say the way out") {
    const ScriptedServer server(greet, with(shared().valid));
    const auto outcome_of = [&](const TlsSettings& settings) {
      Client client(settings);
      const auto outcome = shake(client, server.port());
      CHECK(outcome.reason == Reason::internal);
      return outcome;
    };
    const test::TempDir folder;
    auto settings = trusting();
    settings.ca_file = "/nonexistent/ca.pem";
    CHECK(mentions(outcome_of(settings), "set ca_file"));
    settings.ca_file = folder.write("empty.pem", "no certificate\n").string();
    CHECK(mentions(outcome_of(settings), "no certificate in it"));

    settings = trusting();
    settings.client_cert = "/nonexistent/cert.pem";
    CHECK(mentions(outcome_of(settings), "client_cert /nonexistent/cert.pem"));
    settings.client_cert = shared().valid.certificate.string();
    settings.client_key = shared().other.key.string();
    CHECK(mentions(outcome_of(settings), "client_key"));

    const auto locked = (folder.path() / "locked.key").string();
    REQUIRE(test::run({.argv = {"openssl", "ec", "-aes128", "-passout", "pass:secret", "-in",
                                shared().valid.key.string(), "-out", locked}})
                .code == 0);
    settings.client_key = locked;
    CHECK(mentions(outcome_of(settings), "unencrypted"));
  }

  TEST_CASE("tls: sessions are resumed, with a full handshake every tenth time") {
    for (const bool old : {false, true}) {
      CAPTURE(old);
      auto options = with(shared().valid);
      options.only_tls12 = old;
      const ScriptedServer server(greet, options);
      Client client(trusting());
      std::string kinds;
      for (int i = 0; i < 21; ++i) {
        const auto outcome = shake(client, server.port());
        CHECK(outcome.reason == Reason::none);
        CHECK(outcome.peer.not_after.has_value());
        kinds += outcome.peer.resumed ? 'r' : 'F';
      }
      CHECK(kinds == "FrrrrrrrrrFrrrrrrrrrF");
      CHECK(server.resumed() == 18);
    }
  }

  TEST_CASE("tls: a session is not resumed for another host, nor after a failure or a new CA") {
    const ScriptedServer server(greet, with(shared().valid));
    const ScriptedServer closing([](ScriptedConnection& connection) { connection.read_some(); });
    const test::TempDir folder;
    auto settings = trusting();
    settings.ca_file = (folder.path() / "ca.pem").string();
    const auto place = [&](const Authority& authority) {
      std::filesystem::copy_file(authority.ca_file(), settings.ca_file,
                                 std::filesystem::copy_options::overwrite_existing);
    };
    place(shared().authority);
    Client client(settings);
    CHECK(!shake(client, server.port()).peer.resumed);
    CHECK(shake(client, server.port()).peer.resumed);
    CHECK(!shake(client, server.port(), "127.0.0.1").peer.resumed);
    CHECK(shake(client, server.port(), "127.0.0.1").peer.resumed);
    CHECK(shake(client, closing.port(), "127.0.0.1").reason == Reason::reset);
    CHECK(!shake(client, server.port(), "127.0.0.1").peer.resumed);
    std::filesystem::remove(settings.ca_file);
    place(shared().stranger);
    CHECK(shake(client, server.port(), "127.0.0.1").reason == Reason::tls_verify);
  }

  TEST_CASE("tls: a resumed session does not hide that the certificate has expired meanwhile") {
    const ScriptedServer server(greet, with(shared().valid));
    Client client(trusting());
    shake(client, server.port());
    const auto outcome = shake(client, server.port());
    REQUIRE(outcome.peer.resumed);
    auto result = passed("ok");
    judge_certificate(result, outcome.peer, client.settings(),
                      std::chrono::system_clock::now() + std::chrono::hours(24 * 366));
    CHECK(result.reason == Reason::tls_expired);
  }

  TEST_CASE("tls: one CA file is one store for all, loaded again when it changes") {
    const test::TempDir folder;
    const auto file = (folder.path() / "ca.pem").string();
    std::filesystem::copy_file(shared().authority.ca_file(), file);
    const auto first = trust_store(file);
    REQUIRE(first.ok());
    CHECK(trust_store(file).value() == first.value());
    std::filesystem::remove(file);
    CHECK(trust_store(file).error().reason == Reason::internal);
    std::filesystem::copy_file(shared().stranger.ca_file(), file);
    const auto second = trust_store(file);
    REQUIRE(second.ok());
    CHECK(second.value() != first.value());
  }

  TEST_CASE("tls: without ca_file SSL_CERT_FILE counts, then SSL_CERT_DIR") {
    const ScriptedServer server(greet, with(shared().valid));
    setenv("SSL_CERT_FILE", shared().authority.ca_file().c_str(), 1);
    Client client{TlsSettings{}};
    CHECK(shake(client, server.port()).reason == Reason::none);
    setenv("SSL_CERT_FILE", shared().stranger.ca_file().c_str(), 1);
    CHECK(shake(client, server.port()).reason == Reason::tls_verify);
    unsetenv("SSL_CERT_FILE");

    const test::TempDir folder;
    std::filesystem::copy_file(shared().authority.ca_file(), folder.path() / "ca.pem");
    REQUIRE(test::run({.argv = {"openssl", "rehash", folder.path().string()}}).code == 0);
    setenv("SSL_CERT_DIR", folder.path().c_str(), 1);
    CHECK(shake(client, server.port()).reason == Reason::none);
    unsetenv("SSL_CERT_DIR");
  }

  TEST_CASE("tls: 200 rounds leave no descriptor behind") {
    const ScriptedServer server(greet, with(shared().valid));
    const ScriptedServer wrong(greet, with(shared().other));
    Client client(trusting());
    shake(client, server.port());
    REQUIRE(test::eventually([&] { return server.open_connections() == 0; }));
    const auto descriptors = test::open_descriptors();
    for (int i = 0; i < 200; ++i) {
      CHECK(shake(client, server.port()).reason == Reason::none);
      if (i % 4 == 0) CHECK(shake(client, wrong.port()).reason == Reason::tls_verify);
    }
    REQUIRE(test::eventually(
        [&] { return server.open_connections() == 0 && wrong.open_connections() == 0; }));
    CHECK(test::open_descriptors() == descriptors);
  }
}

}  // namespace vitals::tls
