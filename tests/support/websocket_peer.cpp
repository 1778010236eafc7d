// Reads and writes frames for tests, by hand and independent of the code under test.
#include "tests/support/websocket_peer.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace vitals::test {
namespace {

unsigned byte_of(char c) { return static_cast<unsigned char>(c); }

}  // namespace

std::string server_frame(int opcode, const std::string& payload, bool final) {
  std::string frame(1, static_cast<char>((final ? 0x80 : 0) | opcode));
  const auto size = payload.size();
  int length_bytes = 0;
  if (size < 126) {
    frame += static_cast<char>(size);
  } else {
    length_bytes = size < 65'536 ? 2 : 8;
    frame += static_cast<char>(length_bytes == 2 ? 126 : 127);
  }
  for (int i = length_bytes - 1; i >= 0; --i) frame += static_cast<char>(size >> (8 * i) & 0xff);
  return frame + payload;
}

std::string close_with(unsigned code, const std::string& reason) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} + reason;
}

std::string ws_accept(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 64> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(length)};
}

bool WebsocketPeer::upgrade(const std::string& header_lines) {
  request_ = connection_.read_request();
  if (request_.empty()) return false;
  const auto key = ScriptedConnection::header_of(request_, "Sec-WebSocket-Key");
  connection_.send(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
      "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: " +
      ws_accept(key) + "\r\n" + header_lines + "\r\n");
  return true;
}

bool WebsocketPeer::need(std::size_t bytes) {
  while (pending_.size() < bytes) {
    const auto more = connection_.read_bytes();
    if (more.empty()) return false;
    pending_ += more;
  }
  return true;
}

ClientFrame WebsocketPeer::read() {
  ClientFrame frame;
  if (!need(2)) return frame;
  const unsigned second = byte_of(pending_[1]);
  std::size_t length = second & 0x7fU;
  std::size_t at = 2;
  const std::size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (extra > 0) {
    if (!need(at + extra)) return frame;
    length = 0;
    for (std::size_t i = 0; i < extra; ++i) length = length << 8U | byte_of(pending_[at + i]);
    at += extra;
  }
  frame.masked = (second & 0x80U) != 0;
  const std::size_t mask_bytes = frame.masked ? 4 : 0;
  if (!need(at + mask_bytes + length)) return frame;
  const std::string mask = pending_.substr(at, mask_bytes);
  for (const char c : mask) frame.mask = frame.mask << 8U | byte_of(c);
  at += mask_bytes;
  frame.payload = pending_.substr(at, length);
  for (std::size_t i = 0; frame.masked && i < length; ++i) {
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  }
  frame.opcode = static_cast<int>(byte_of(pending_[0]) & 0x0fU);
  pending_.erase(0, at + length);
  return frame;
}

void WebsocketPeer::echo() {
  while (true) {
    const auto frame = read();
    if (frame.opcode == -1) return;
    if (frame.opcode == ws_ping) send(ws_pong, frame.payload);
    if (frame.opcode == ws_text) send(ws_text, frame.payload);
    if (frame.opcode == ws_close) return send(ws_close, frame.payload);
  }
}

ScriptedServer::Script websocket_echo(bool tls) {
  return [tls](ScriptedConnection& connection) {
    if (tls && !connection.handshake()) return;
    WebsocketPeer peer(connection);
    if (peer.upgrade()) peer.echo();
  };
}

}  // namespace vitals::test
