// Kind websocket against servers that upgrade, hang, refuse, break the rules and speak TLS.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"
#include "tests/support/websocket_peer.hpp"

namespace vitals {
namespace {

using test::ScriptedConnection;
using test::ScriptedServer;
using test::WebsocketPeer;

ConfiguredCheck check_of(const std::string& url, const std::string& more = "") {
  return test::make_check("kind = \"websocket\"\nurl = \"" + url + "\"\n" + more);
}

std::string url_of(const ScriptedServer& server, const std::string& path = "/") {
  return "ws://127.0.0.1:" + std::to_string(server.port()) + path;
}

struct Seen {
  ProbeResult result;
  test::Took took;
};

Seen ask(const ConfiguredCheck& check, Duration limit = Duration(10'000)) {
  const test::Stopwatch watch;
  Seen seen;
  seen.result = test::ask(check, limit);
  seen.took = watch.took();
  return seen;
}

Seen ask(const ScriptedServer& server, const std::string& more = "",
         Duration limit = Duration(10'000)) {
  return ask(check_of(url_of(server), more), limit);
}

bool says(const Seen& seen, const std::string& text) {
  INFO(seen.result.detail);
  return seen.result.detail.find(text) != std::string::npos;
}

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"websocket\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

/// Upgrades, then does that.
ScriptedServer::Script upgraded(std::function<void(WebsocketPeer&, ScriptedConnection&)> then) {
  return [then = std::move(then)](ScriptedConnection& connection) {
    WebsocketPeer peer(connection);
    if (peer.upgrade()) then(peer, connection);
  };
}

const std::string question = "send = \"how are you\"\nexpect = \"fine\"\n";
constexpr Duration short_limit{300};

}  // namespace

TEST_SUITE("websocket") {
  TEST_CASE("websocket: an answered ping is pass, with resolve, connect, request and transfer") {
    const ScriptedServer server(test::websocket_echo());
    const auto seen = ask(server);
    CHECK(seen.result.outcome == Outcome::pass);
    CHECK(seen.result.detail == "101, ping answered");
    for (const auto phase : {Phase::resolve, Phase::connect, Phase::request, Phase::transfer}) {
      CHECK(seen.result.phases.get(phase).has_value());
    }
    CHECK(!seen.result.phases.get(Phase::tls).has_value());
    CHECK(!seen.result.phases.get(Phase::auth).has_value());
  }

  TEST_CASE("websocket: an upgrade and then silence is timeout at the deadline") {
    const ScriptedServer server(
        upgraded([](WebsocketPeer&, ScriptedConnection& connection) { connection.hang(); }));
    for (const std::string& more : {std::string(), question, std::string("send = \"x\"")}) {
      const auto seen = ask(server, more, short_limit);
      CHECK(seen.result.reason == Reason::timeout);
      CHECK(says(seen, "upgraded, but"));
      test::check_ended_at(seen.took, short_limit);
    }
  }

  TEST_CASE("websocket: only the pong with our own payload counts, whatever comes before it") {
    const ScriptedServer right(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      const auto ping = peer.read();
      peer.send(test::ws_text, "welcome");
      peer.send(test::ws_pong, "");  // unsolicited, RFC 6455 §5.5.3
      peer.send(test::ws_binary, std::string(100'000, 'b'), false);
      peer.send(test::ws_ping, "are you there");
      const auto pong = peer.read();
      if (pong.opcode != test::ws_pong || pong.payload != "are you there") return;
      peer.send(test::ws_continuation, "end");
      peer.send(test::ws_pong, ping.payload);
      peer.echo();
    }));
    const auto seen = ask(right);
    INFO(seen.result.detail);
    CHECK(seen.result.outcome == Outcome::pass);

    const ScriptedServer wrong(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      peer.read();
      peer.send(test::ws_pong, "something");
      peer.echo();
    }));
    CHECK(ask(wrong, "", short_limit).result.reason == Reason::timeout);
  }

  TEST_CASE("websocket: pings and keys are random, and every frame is masked with another mask") {
    std::mutex mutex;
    std::set<std::string> pings;
    std::set<std::string> keys;
    std::set<std::uint32_t> masks;
    bool all_masked = true;
    {
      const ScriptedServer server(upgraded([&](WebsocketPeer& peer, ScriptedConnection&) {
        const auto ping = peer.read();
        peer.send(test::ws_pong, ping.payload);
        const auto close = peer.read();
        peer.send(test::ws_close, close.payload);
        const std::lock_guard lock(mutex);
        pings.insert(ping.payload);
        keys.insert(ScriptedConnection::header_of(peer.request(), "Sec-WebSocket-Key"));
        masks.insert(ping.mask);
        masks.insert(close.mask);
        all_masked = all_masked && ping.masked && close.masked;
      }));
      const auto check = check_of(url_of(server));
      for (int i = 0; i < 5; ++i) CHECK(ask(check).result.outcome == Outcome::pass);
    }
    CHECK(pings.size() == 5);
    CHECK(keys.size() == 5);
    CHECK(masks.size() == 10);
    CHECK(all_masked);
    for (const auto& key : keys) CHECK(key.size() == 24);  // base64 of 16 bytes
  }

  TEST_CASE("websocket: it says goodbye with 1000 and waits for the answer, but not long") {
    std::mutex mutex;
    std::string code;
    bool clean_end = false;
    {
      const ScriptedServer server(upgraded([&](WebsocketPeer& peer, ScriptedConnection&) {
        peer.send(test::ws_pong, peer.read().payload);
        const auto close = peer.read();
        peer.send(test::ws_close, close.payload);
        const std::lock_guard lock(mutex);
        clean_end = close.opcode == test::ws_close;
        code = close.payload;
      }));
      CHECK(ask(server).result.outcome == Outcome::pass);
    }
    CHECK(clean_end);
    CHECK(code == test::close_with(1000));

    const ScriptedServer deaf(upgraded([](WebsocketPeer& peer, ScriptedConnection& connection) {
      peer.send(test::ws_pong, peer.read().payload);
      connection.hang();
    }));
    const auto seen = ask(deaf, "", Duration(5'000));
    CHECK(seen.result.outcome == Outcome::pass);
    CHECK(seen.took.own() < test::at_most(Duration(1'000)));
  }

  TEST_CASE("websocket: send and expect are a question and its answer") {
    const ScriptedServer server(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      const auto asked = peer.read();
      if (asked.opcode != test::ws_text || asked.payload != "how are you") return;
      peer.send(test::ws_text, "joined the room");
      peer.send(test::ws_text, "I am fi", false);
      peer.send(test::ws_ping, "");
      peer.send(test::ws_continuation, "", false);
      peer.send(test::ws_continuation, "ne\n");
      peer.echo();
    }));
    const auto seen = ask(server, question);
    CHECK(seen.result.outcome == Outcome::pass);
    CHECK(seen.result.detail == "found \"fine\"");
    CHECK(ask(server, "send = \"how are you\"\nexpect = '/^i am FINE$/i'").result.outcome ==
          Outcome::pass);
  }

  TEST_CASE("websocket: a message without expect must be followed by an answered ping") {
    const ScriptedServer server(test::websocket_echo());
    CHECK(ask(server, "send = \"hello\"").result.outcome == Outcome::pass);
  }

  TEST_CASE("websocket: expect alone waits for what the server says by itself, and for the pong") {
    const ScriptedServer server(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      peer.send(test::ws_text, "0{\"sid\":\"x\"}");
      peer.echo();
    }));
    CHECK(ask(server, "expect = '\"sid\"'").result.outcome == Outcome::pass);
    const ScriptedServer pushes_only(
        upgraded([](WebsocketPeer& peer, ScriptedConnection& connection) {
          peer.send(test::ws_text, "0{\"sid\":\"x\"}");
          connection.hang();
        }));
    const auto seen = ask(pushes_only, "expect = '\"sid\"'", short_limit);
    CHECK(seen.result.reason == Reason::timeout);
    CHECK(says(seen, "ping"));
  }

  TEST_CASE("websocket: frames that come in one packet with the 101 are heard") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      const auto request = connection.read_request();
      connection.send(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
          test::ws_accept(ScriptedConnection::header_of(request, "Sec-WebSocket-Key")) +
          "\r\n\r\n" + test::server_frame(test::ws_text, "fine"));
      connection.hang();
    });
    CHECK(ask(server, question).result.outcome == Outcome::pass);
  }

  TEST_CASE("websocket: wrong messages are assertion and the last one is shown, at the deadline") {
    const ScriptedServer server(test::websocket_echo());
    const auto seen = ask(server, "send = \"how are you\"\nexpect = \"better\"", short_limit);
    CHECK(seen.result.reason == Reason::assertion);
    CHECK(says(seen, "no message with \"better\""));
    const ScriptedServer closing(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      peer.read();
      peer.send(test::ws_text, "so so");
      peer.send(test::ws_close, test::close_with(1000));
    }));
    const auto early = ask(closing, question);
    CHECK(early.result.reason == Reason::assertion);
    CHECK(says(early, "so so"));
    CHECK(early.took.own() < test::at_most(Duration(1'000)));
  }

  TEST_CASE("websocket: a close instead of an answer is reset and tells the code") {
    const ScriptedServer server(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      peer.read();
      peer.send(test::ws_close, test::close_with(1013, "come back later"));
    }));
    for (const std::string& more : {std::string(), question}) {
      const auto seen = ask(server, more);
      CHECK(seen.result.reason == Reason::reset);
      CHECK(says(seen, "1013 (try again later): come back later"));
      CHECK(seen.took.own() < test::at_most(Duration(1'000)));
    }
  }

  TEST_CASE("websocket: an end without a close frame and a reset are reset, at every stage") {
    const ScriptedServer at_once([](ScriptedConnection&) {});
    CHECK(says(ask(at_once), "closed without an answer to the upgrade"));
    CHECK(ask(at_once).result.reason == Reason::reset);
    const ScriptedServer in_head([](ScriptedConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 101 Swit");
    });
    CHECK(ask(in_head).result.reason == Reason::reset);
    CHECK(says(ask(in_head), "in the middle"));
    const ScriptedServer behind(
        upgraded([](WebsocketPeer& peer, ScriptedConnection&) { peer.read(); }));
    CHECK(ask(behind).result.reason == Reason::reset);
    CHECK(says(ask(behind), "1006"));
    const ScriptedServer resetting([](ScriptedConnection& connection) {
      connection.read_request();
      connection.reset();
    });
    CHECK(ask(resetting).result.reason == Reason::reset);
    const ScriptedServer reset_later(
        upgraded([](WebsocketPeer& peer, ScriptedConnection& connection) {
          peer.read();
          connection.reset();
        }));
    CHECK(ask(reset_later).result.reason == Reason::reset);
  }

  TEST_CASE("websocket: another status than 101 is status with its code") {
    for (const std::string status :
         {"200 OK", "401 Unauthorized", "403 Forbidden", "404 Not Found", "426 Upgrade Required",
          "302 Found", "503 Service Unavailable"}) {
      const ScriptedServer server(
          test::answering(test::http_answer(status, "no", "Location: /login?next=x\r\n")));
      const auto seen = ask(server);
      CHECK(seen.result.reason == Reason::status);
      CHECK(says(seen, "HTTP " + status));
      CHECK(!says(seen, "next=x"));
    }
  }

  TEST_CASE(
      "websocket: interim answers before the 101 are passed over, and are none by themselves") {
    const std::string interim =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    const ScriptedServer patient([&](ScriptedConnection& connection) {
      connection.send(interim);
      WebsocketPeer peer(connection);
      if (peer.upgrade()) peer.echo();
    });
    const auto good = ask(patient);
    INFO(good.result.detail);
    CHECK(good.result.outcome == Outcome::pass);
    const ScriptedServer denying([&](ScriptedConnection& connection) {
      connection.read_request();
      connection.send(interim + test::http_answer("403 Forbidden", "no"));
    });
    CHECK(says(ask(denying), "HTTP 403 Forbidden"));
    const ScriptedServer closing([&](ScriptedConnection& connection) {
      connection.read_request();
      connection.send(interim);
    });
    CHECK(ask(closing).result.reason == Reason::reset);
    const ScriptedServer endless([&](ScriptedConnection& connection) {
      connection.read_request();
      connection.send_endlessly(interim);
    });
    CHECK(ask(endless).result.reason == Reason::too_large);
    const ScriptedServer nonsense([&](ScriptedConnection& connection) {
      connection.read_request();
      connection.send(interim + "-ERR\r\n");
      connection.hang();
    });
    CHECK(ask(nonsense).result.reason == Reason::protocol);
  }

  TEST_CASE("websocket: a 101 with a wrong Accept key, and what is no HTTP, are protocol") {
    const ScriptedServer wrong_key([](ScriptedConnection& connection) {
      connection.read_request();
      connection.send(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
      connection.hang();
    });
    CHECK(ask(wrong_key).result.reason == Reason::protocol);
    const ScriptedServer redis([](ScriptedConnection& connection) {
      connection.read_request();
      connection.send("-ERR unknown command\r\n");
      connection.hang();
    });
    const auto seen = ask(redis);
    CHECK(seen.result.reason == Reason::protocol);
    CHECK(says(seen, "-ERR unknown command"));
    CHECK(seen.took.own() < test::at_most(Duration(1'000)));
    const ScriptedServer alert([](ScriptedConnection& connection) {
      connection.read_request();
      connection.send(std::string("\x15\x03\x03\x00\x02\x02\x0a", 7));
      connection.hang();
    });
    CHECK(says(ask(alert), "wss://"));
  }

  TEST_CASE("websocket: frames that break the rules are protocol") {
    const ScriptedServer server(upgraded([](WebsocketPeer& peer, ScriptedConnection& connection) {
      peer.read();
      connection.send(std::string("\x81\x80\x01\x02\x03\x04", 6));
      connection.hang();
    }));
    const auto seen = ask(server);
    CHECK(seen.result.reason == Reason::protocol);
    CHECK(says(seen, "masked"));
  }

  TEST_CASE("websocket: the subprotocol is asked for and must be chosen") {
    const ScriptedServer server([](ScriptedConnection& connection) {
      WebsocketPeer peer(connection);
      if (peer.upgrade("Sec-WebSocket-Protocol: chat.v2\r\n")) peer.echo();
    });
    CHECK(ask(server, "subprotocol = \"chat.v2\"").result.outcome == Outcome::pass);
    CHECK(ScriptedConnection::header_of(server.requests().back(), "Sec-WebSocket-Protocol") ==
          "chat.v2");
    CHECK(ask(server, "subprotocol = \"chat.v1\"").result.reason == Reason::protocol);
    CHECK(ask(server).result.reason == Reason::protocol);
    const ScriptedServer indifferent(test::websocket_echo());
    const auto seen = ask(indifferent, "subprotocol = \"chat.v1\"");
    CHECK(seen.result.reason == Reason::protocol);
    CHECK(says(seen, "chat.v1"));
  }

  TEST_CASE("websocket: path, query, credentials and headers arrive, a header file is read anew") {
    const test::TempDir folder;
    const auto file = folder.write("cookie", "session=first-one\n");
    const ScriptedServer server(test::websocket_echo());
    const auto check =
        check_of("ws://user:pass@127.0.0.1:" + std::to_string(server.port()) + "/chat?room=1",
                 "headers = { X-App = \"a\", Cookie = { file = \"" + file.string() + "\" } }");
    CHECK(ask(check).result.outcome == Outcome::pass);
    const auto first = server.requests().back();
    CHECK(ScriptedConnection::target_of(first) == "/chat?room=1");
    CHECK(ScriptedConnection::header_of(first, "Authorization") == "Basic dXNlcjpwYXNz");
    CHECK(ScriptedConnection::header_of(first, "X-App") == "a");
    CHECK(ScriptedConnection::header_of(first, "Cookie") == "session=first-one");
    CHECK(ScriptedConnection::header_of(first, "Origin") ==
          "http://127.0.0.1:" + std::to_string(server.port()));
    folder.write("cookie", "session=second-one\n");
    CHECK(ask(check).result.outcome == Outcome::pass);
    CHECK(ScriptedConnection::header_of(server.requests().back(), "Cookie") ==
          "session=second-one");
  }

  TEST_CASE("websocket: heads and streams without end are too_large, long before the deadline") {
    const ScriptedServer head([](ScriptedConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 101 Switching Protocols\r\n");
      connection.send_endlessly("X-More: " + std::string(1'000, 'x') + "\r\n");
    });
    auto seen = ask(head, "", Duration(10'000));
    CHECK(seen.result.reason == Reason::too_large);
    CHECK(seen.took.own() < test::at_most(Duration(5'000)));
    const ScriptedServer pushes(upgraded([](WebsocketPeer&, ScriptedConnection& connection) {
      connection.send_endlessly(test::server_frame(test::ws_text, std::string(60'000, 'x')));
    }));
    for (const std::string& more : {std::string(), question}) {
      seen = ask(pushes, more, Duration(10'000));
      CHECK(seen.result.reason == Reason::too_large);
      CHECK(seen.took.own() < test::at_most(Duration(5'000)));
    }
    const ScriptedServer huge(upgraded([](WebsocketPeer&, ScriptedConnection& connection) {
      connection.send(std::string("\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00", 10));
      connection.hang();
    }));
    CHECK(ask(huge).result.reason == Reason::too_large);
  }

  TEST_CASE("websocket: a drip in the head or in a frame ends at the deadline") {
    const ScriptedServer head([](ScriptedConnection& connection) {
      connection.read_request();
      connection.drip("HTTP/1.1 101 " + std::string(1'000, 'x'), std::chrono::milliseconds(20));
    });
    const ScriptedServer frame(upgraded([](WebsocketPeer&, ScriptedConnection& connection) {
      connection.drip(test::server_frame(test::ws_text, std::string(1'000, 'x')),
                      std::chrono::milliseconds(20));
    }));
    for (const auto* server : {&head, &frame}) {
      const auto seen = ask(*server, question, short_limit);
      CHECK(seen.result.reason == Reason::timeout);
      test::check_ended_at(seen.took, short_limit);
    }
  }

  TEST_CASE("websocket: wss is judged and measured as https is") {
    test::Authority authority;
    const auto trust = "ca_file = \"" + authority.ca_file().string() + "\"\n";
    const auto server_with = [&](const test::Certificate& files) {
      ScriptedServer::Options options;
      options.certificate = files.certificate;
      options.key = files.key;
      return std::make_unique<ScriptedServer>(test::websocket_echo(true), options);
    };
    const auto wss = [](const ScriptedServer& server) {
      return "wss://localhost:" + std::to_string(server.port()) + "/";
    };
    const auto server = server_with(authority.valid());
    const auto good = ask(check_of(wss(*server), trust));
    INFO(good.result.detail);
    CHECK(good.result.outcome == Outcome::pass);
    for (const auto phase : {Phase::connect, Phase::tls, Phase::request}) {
      CHECK(good.result.phases.get(phase).has_value());
    }
    CHECK(test::measured(good.result, "check_tls_info", {"TLSv1.3"}) == 1);
    CHECK(test::measured(good.result, "check_tls_not_after_timestamp_seconds").value_or(0) > 1e9);
    CHECK(ScriptedConnection::header_of(server->requests().back(), "Origin") ==
          "https://localhost:" + std::to_string(server->port()));

    CHECK(ask(check_of(wss(*server))).result.reason == Reason::tls_verify);
    CHECK(ask(check_of(wss(*server), "verify = false")).result.outcome == Outcome::pass);
    const auto expired = server_with(authority.expired());
    const auto refused = ask(check_of(wss(*expired), trust)).result;
    CHECK(refused.reason == Reason::tls_expired);
    CHECK(test::measured(refused, "check_tls_not_after_timestamp_seconds").value_or(0) > 1e9);
    CHECK(ask(check_of(wss(*expired))).result.reason == Reason::tls_expired);
    const auto other = server_with(authority.other_host());
    CHECK(ask(check_of(wss(*other), trust)).result.reason == Reason::tls_verify);
    CHECK(ask(check_of(wss(*other), trust + "server_name = \"other.test\"")).result.outcome ==
          Outcome::pass);
    const auto ending = server_with(authority.issue({.ends_in = std::chrono::hours(24 * 5)}));
    CHECK(ask(check_of(wss(*ending), trust)).result.reason == Reason::cert_expiring);
    CHECK(ask(check_of(wss(*ending), trust + "cert_warn = \"24h\"")).result.outcome ==
          Outcome::pass);
  }

  TEST_CASE("websocket: a client certificate is shown to a server that asks for it") {
    test::Authority authority;
    const auto own = authority.valid();
    ScriptedServer::Options options;
    options.certificate = own.certificate;
    options.key = own.key;
    options.client_ca = authority.ca_file();
    const ScriptedServer server(test::websocket_echo(true), options);
    const auto url = "wss://localhost:" + std::to_string(server.port());
    const auto trust = "ca_file = \"" + authority.ca_file().string() + "\"\n";
    CHECK(ask(check_of(url, trust + "client_cert = \"" + own.certificate.string() +
                                "\"\nclient_key = \"" + own.key.string() + "\""))
              .result.outcome == Outcome::pass);
    CHECK(ask(check_of(url, trust)).result.outcome == Outcome::fail);
  }

  TEST_CASE("websocket: refused, unreachable, silent and deaf addresses are told apart") {
    const test::RefusingPort refused;
    CHECK(ask(check_of("ws://127.0.0.1:" + std::to_string(refused.port()))).result.reason ==
          Reason::refused);
    CHECK(ask(check_of("ws://255.255.255.255")).result.reason == Reason::unreachable);
    test::DeafListener silent;
    silent.fill();
    CHECK(ask(check_of("ws://127.0.0.1:" + std::to_string(silent.port())), short_limit)
              .result.reason == Reason::connect_timeout);
    const test::DeafListener deaf;
    CHECK(
        ask(check_of("ws://127.0.0.1:" + std::to_string(deaf.port())), short_limit).result.reason ==
        Reason::timeout);
  }

  TEST_CASE("websocket: a Unix socket is a target, and local") {
    const test::TempDir folder;
    ScriptedServer::Options options;
    options.unix_path = folder.path() / "app.sock";
    const ScriptedServer server(test::websocket_echo(), options);
    std::string host;
    for (const char c : options.unix_path.string()) host += c == '/' ? "%2F" : std::string(1, c);
    const auto check = check_of("ws+unix://" + host + "/chat");
    CHECK(ask(check).result.outcome == Outcome::pass);
    CHECK(ScriptedConnection::header_of(server.requests().back(), "Host") == "localhost");
    CHECK(check.spec->target == "ws+unix://" + options.unix_path.string());
    CHECK(check.spec->scope == Scope::local);
    CHECK(check.spec->impact == Impact::critical);
  }

  TEST_CASE("websocket: targets show no path and no query; elsewhere is shared and degraded") {
    const auto there = check_of("wss://u:secret-pw@chat.example/room?token=abcdefgh");
    CHECK(there.spec->target == "wss://chat.example:443");
    CHECK(there.spec->scope == Scope::shared);
    CHECK(there.spec->impact == Impact::degraded);
    CHECK(check_of("ws://localhost").spec->target == "ws://localhost:80");
    CHECK(check_of("ws://localhost").spec->impact == Impact::critical);
  }

  TEST_CASE("websocket: a token of the message does not come back in the detail") {
    const ScriptedServer server(upgraded([](WebsocketPeer& peer, ScriptedConnection&) {
      peer.read();
      peer.send(test::ws_text, "invalid token canary-1234567890-abcdef");
      peer.send(test::ws_close, test::close_with(1008, "canary-1234567890-abcdef"));
    }));
    const auto seen =
        ask(server, "send = '{\"token\":\"canary-1234567890-abcdef\"}'\nexpect = \"welcome\"");
    CHECK(seen.result.reason == Reason::assertion);
    CHECK(says(seen, "invalid token ***"));
  }

  TEST_CASE(
      "websocket: a server that names the secret part of a setting alone does not get it shown") {
    const std::string secret = "SecretValue";
    const ScriptedServer server([&](ScriptedConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 403 no " + secret + "\r\nContent-Length: 0\r\n\r\n");
    });
    const auto port = std::to_string(server.port());
    for (const auto& [userinfo, more] : std::vector<std::pair<std::string, std::string>>{
             {"", "headers = { X-Auth = 'Bearer " + secret + "' }"},
             {"", "headers = { X-Sig = 't=1,v1=" + secret + "' }"},
             {"", "headers = { Authorization = 'Token token=\"" + secret + "\"' }"},
             {secret + "@", ""},
             {secret + ":@", ""},
             {"", "send = '{\"k\":\"" + secret + "\"}'"}}) {
      CAPTURE(userinfo);
      CAPTURE(more);
      const auto check = check_of("ws://" + userinfo + "127.0.0.1:" + port + "/", more);
      const auto shown = check.secrets->scrub(ask(check).result.detail);
      CHECK(shown.find("403 no ***") != std::string::npos);
      CHECK(shown.find(secret) == std::string::npos);
      CHECK(check.spec->settings_text.find(secret) == std::string::npos);
    }
  }

  TEST_CASE("websocket: an interrupt ends it within 100 ms") {
    const ScriptedServer server(
        upgraded([](WebsocketPeer&, ScriptedConnection& connection) { connection.hang(); }));
    const auto check = check_of(url_of(server));
    test::check_ends_at_interrupt(check);
  }

  TEST_CASE("websocket: bad settings are complaints with a way out") {
    CHECK(mistakes_of("url = \"http://a\"").find("not for kind websocket; write ws://") !=
          std::string::npos);
    CHECK(mistakes_of("url = \"ws://\"").find("no host") != std::string::npos);
    CHECK(mistakes_of("").find("url") != std::string::npos);
    const std::string fine = "url = \"ws://a\"\n";
    CHECK(mistakes_of(fine + "expect = '/a(/'").find("not a regular expression") !=
          std::string::npos);
    CHECK(mistakes_of(fine + "subprotocol = \"a, b\"").find("one name") != std::string::npos);
    CHECK(mistakes_of(fine + "headers = { Upgrade = \"x\" }").find("leave it out") !=
          std::string::npos);
    CHECK(mistakes_of(fine + "headers = { \"A B\" = \"x\" }").find("no header name") !=
          std::string::npos);
    CHECK(mistakes_of(fine + "headers = { A = \"x\\ny\" }").find("line break") !=
          std::string::npos);
    CHECK(
        mistakes_of("url = \"ws://u:p@a\"\nheaders = { Authorization = \"x\" }").find("keep one") !=
        std::string::npos);
    CHECK(mistakes_of(fine).empty());
  }

  TEST_CASE("websocket: 200 rounds of every outcome leave no descriptor and no thread behind") {
    const ScriptedServer server(test::websocket_echo());
    const test::RefusingPort refused;
    const auto good = check_of(url_of(server));
    const auto bad = check_of("ws://127.0.0.1:" + std::to_string(refused.port()));
    const auto wrong = check_of(url_of(server), "subprotocol = \"x\"");
    const auto settled = [&] { return server.open_connections() == 0; };
    CHECK(ask(good).result.outcome == Outcome::pass);
    REQUIRE(test::eventually(settled));
    const auto descriptors = test::open_descriptors();
    for (int i = 0; i < 200; ++i) {
      CHECK(ask(good).result.outcome == Outcome::pass);
      CHECK(ask(bad).result.reason == Reason::refused);
      CHECK(ask(wrong).result.reason == Reason::protocol);
    }
    REQUIRE(test::eventually(settled));
    CHECK(test::open_descriptors() == descriptors);
  }
}

}  // namespace vitals
