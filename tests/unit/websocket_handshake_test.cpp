// The opening handshake: what is asked, and which answers are a consent.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "probes/websocket_handshake.hpp"

namespace vitals {
namespace {

using websocket::Upgrade;

Upgrade upgrade_to(const std::string& url) {
  Upgrade upgrade;
  upgrade.target = http::parse_target(url, http::websocket_schemes).value();
  upgrade.key = "dGhlIHNhbXBsZSBub25jZQ==";  // of RFC 6455 §1.3
  return upgrade;
}

const std::string good_lines =
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

std::string consent(const std::string& lines) {
  return "HTTP/1.1 101 Switching Protocols\r\n" + lines + "\r\n";
}

std::optional<net::Failure> judge(const std::string& head, const std::string& subprotocol = {}) {
  auto upgrade = upgrade_to("ws://localhost:8080/chat");
  upgrade.subprotocol = subprotocol;
  return websocket::refusal(head, upgrade, [](std::string_view text, SecretSet::Ending) {
    auto shown = std::string(text);
    const auto at = shown.find("s3cret?");
    return at == std::string::npos ? shown : shown.replace(at, 7, "***");
  });
}

bool says(const std::string& request, const std::string& line) {
  return request.find("\r\n" + line + "\r\n") != std::string::npos;
}

}  // namespace

TEST_SUITE("websocket handshake") {
  TEST_CASE("websocket handshake: the request has what RFC 6455 asks for") {
    const auto request = websocket::upgrade_request(upgrade_to("wss://chat.example/room?id=1"));
    CHECK(request.starts_with("GET /room?id=1 HTTP/1.1\r\nHost: chat.example\r\n"));
    CHECK(request.ends_with("\r\n\r\n"));
    for (const char* line : {"Upgrade: websocket", "Connection: Upgrade",
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                             "Sec-WebSocket-Version: 13", "Origin: https://chat.example"}) {
      CHECK_MESSAGE(says(request, line), line);
    }
    CHECK(request.find("Sec-WebSocket-Protocol") == std::string::npos);
    CHECK(request.find("Authorization") == std::string::npos);
    CHECK(says(websocket::upgrade_request(upgrade_to("ws://[::1]:8080")),
               "Origin: http://[::1]:8080"));
    CHECK(says(websocket::upgrade_request(upgrade_to("ws+unix://%2Frun%2Fapp.sock/x")),
               "Host: localhost"));
  }

  TEST_CASE("websocket handshake: headers of the user win, credentials of the URL are sent") {
    auto upgrade = upgrade_to("ws://u:p%40@localhost:8080");
    upgrade.subprotocol = "chat.v2";
    upgrade.headers = {{"host", "app.internal"}, {"ORIGIN", "https://app"}, {"Cookie", "a=b"}};
    const auto request = websocket::upgrade_request(upgrade);
    CHECK(says(request, "host: app.internal"));
    CHECK(says(request, "ORIGIN: https://app"));
    CHECK(says(request, "Cookie: a=b"));
    CHECK(says(request, "Sec-WebSocket-Protocol: chat.v2"));
    CHECK(says(request, "Authorization: Basic dTpwQA=="));
    CHECK(request.find("Host:") == std::string::npos);
    CHECK(request.find("Origin:") == std::string::npos);
  }

  TEST_CASE("websocket handshake: the Accept key is the one of RFC 6455") {
    CHECK(websocket::accept_for("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  }

  TEST_CASE(
      "websocket handshake: a right answer is a consent, in any case and among other tokens") {
    CHECK(!judge(consent(good_lines)));
    CHECK(
        !judge(consent("UPGRADE: WebSocket\r\nconnection: keep-alive ,upgrade\r\n"
                       "sec-websocket-accept:  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\n")));
    CHECK(!judge(consent(good_lines + "Sec-WebSocket-Protocol: chat\r\n"), "chat"));
  }

  TEST_CASE("websocket handshake: a 101 that breaks the rules is protocol") {
    const std::vector<std::string> broken{
        "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        good_lines + "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        good_lines + "Sec-WebSocket-Protocol: chat\r\n",
    };
    for (const auto& lines : broken) {
      CAPTURE(lines);
      const auto failure = judge(consent(lines));
      REQUIRE(failure.has_value());
      CHECK(failure->reason == Reason::protocol);
    }
    CHECK(judge(consent(good_lines), "chat")->reason == Reason::protocol);
    CHECK(judge(consent(good_lines + "Sec-WebSocket-Protocol: other\r\n"), "chat")->reason ==
          Reason::protocol);
    for (const char* line : {"SSH-2.0-OpenSSH", "HTTP/1.1 1O1 x", "HTTP/1.1", "HTTP/2 101"}) {
      CAPTURE(line);
      CHECK(judge(std::string(line) + "\r\n\r\n")->reason == Reason::protocol);
    }
  }

  TEST_CASE("websocket handshake: another status is status with its code, redirects too") {
    const auto forbidden = judge("HTTP/1.1 403 Forbidden\r\n\r\n");
    CHECK(forbidden->reason == Reason::status);
    CHECK(forbidden->detail == "HTTP 403 Forbidden, expected 101 Switching Protocols");
    CHECK(judge("HTTP/1.1 200 OK\r\n" + good_lines + "\r\n")->reason == Reason::status);
    const auto moved = judge("HTTP/1.1 302 Found\r\nLocation: /login-s3cret?/x?a=b\r\n\r\n");
    CHECK(moved->reason == Reason::status);
    CHECK(moved->detail.ends_with(": leads to /login-***/x"));
  }

  TEST_CASE("websocket handshake: an interim answer is any 1xx but 101") {
    CHECK(websocket::is_interim("HTTP/1.1 100 Continue\r\n\r\n"));
    CHECK(websocket::is_interim("HTTP/1.1 199 x\r\n\r\n"));
    CHECK(!websocket::is_interim("HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    CHECK(!websocket::is_interim("HTTP/1.1 200 OK\r\n\r\n"));
    CHECK(!websocket::is_interim("HTTP/1.1 099 x\r\n\r\n"));
    CHECK(!websocket::is_interim("-ERR\r\n\r\n"));
  }

  TEST_CASE("websocket handshake: what can't be HTTP is noticed with its first byte") {
    CHECK(websocket::may_be_http(""));
    CHECK(websocket::may_be_http("HT"));
    CHECK(websocket::may_be_http("HTTP/1.1 101"));
    CHECK(!websocket::may_be_http("h"));
    CHECK(!websocket::may_be_http("HTTX"));
    CHECK(!websocket::may_be_http("\x15\x03"));
  }

  TEST_CASE("websocket handshake: the headers of the protocol are ours") {
    CHECK(websocket::reserved_header("sec-websocket-key") != nullptr);
    CHECK(websocket::reserved_header("Upgrade") != nullptr);
    CHECK(std::string(websocket::reserved_header("Sec-WebSocket-Protocol")).find("subprotocol") !=
          std::string::npos);
    CHECK(websocket::reserved_header("Authorization") == nullptr);
    CHECK(websocket::reserved_header("Origin") == nullptr);
  }
}

}  // namespace vitals
