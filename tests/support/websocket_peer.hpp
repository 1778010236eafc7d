// The server's side of a WebSocket over a scripted connection: upgrades, reads what the client
// sends, and sends any frame, also ones that break the rules.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/scripted_server.hpp"

namespace vitals::test {

/// As read from a client, unmasked.
struct ClientFrame {
  int opcode = -1;  // -1: the connection ended
  bool masked = false;
  std::uint32_t mask = 0;
  std::string payload;
};

constexpr int ws_continuation = 0;
constexpr int ws_text = 1;
constexpr int ws_binary = 2;
constexpr int ws_close = 8;
constexpr int ws_ping = 9;
constexpr int ws_pong = 10;

/// One frame of a server.
std::string server_frame(int opcode, const std::string& payload, bool final = true);
/// The payload of a close frame.
std::string close_with(unsigned code, const std::string& reason = {});
/// What RFC 6455 says Sec-WebSocket-Accept has to be.
std::string ws_accept(const std::string& key);

class WebsocketPeer {
 public:
  explicit WebsocketPeer(ScriptedConnection& connection) : connection_(connection) {}

  /// Reads the request and consents, with more header lines if given; false at the end.
  bool upgrade(const std::string& header_lines = {});
  /// The next frame of the client.
  ClientFrame read();
  void send(int opcode, const std::string& payload, bool final = true) {
    connection_.send(server_frame(opcode, payload, final));
  }
  /// Answers pings with pongs, texts with the same text, and a close with a close, until the end.
  void echo();
  [[nodiscard]] const std::string& request() const { return request_; }

 private:
  bool need(std::size_t bytes);

  ScriptedConnection& connection_;
  std::string request_;
  std::string pending_;
};

/// Upgrades and echoes; over TLS when the server has a certificate and `tls` is set.
ScriptedServer::Script websocket_echo(bool tls = false);

}  // namespace vitals::test
