// Frames of RFC 6455: what a client writes, and what it makes of anything a server sends.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "probes/websocket_frame.hpp"
#include "tests/support/websocket_peer.hpp"

namespace vitals {
namespace {

using test::server_frame;
using websocket::FrameReader;
using websocket::Message;
using websocket::Opcode;

struct Heard {
  std::vector<Message> messages;
  std::optional<net::Failure> failure;
};

Heard hear(const std::string& bytes, std::size_t piece = 1'000'000) {
  Heard heard;
  FrameReader reader;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(std::string_view(bytes).substr(at, piece));
    while (auto message = reader.next()) heard.messages.push_back(*message);
  }
  heard.failure = reader.failure();
  return heard;
}

Reason reason_of(const std::string& bytes) {
  const auto heard = hear(bytes);
  return heard.failure ? heard.failure->reason : Reason::none;
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

}  // namespace

TEST_SUITE("websocket frames") {
  TEST_CASE("websocket frames: a client's frame is the one of RFC 6455 §5.7, masked") {
    const websocket::Mask mask{0x37, 0xfa, 0x21, 0x3d};
    CHECK(websocket::encode_frame(Opcode::text, "Hello", mask) ==
          bytes_of({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
    CHECK(websocket::encode_frame(Opcode::ping, "", mask) ==
          bytes_of({0x89, 0x80, 0x37, 0xfa, 0x21, 0x3d}));
  }

  TEST_CASE("websocket frames: lengths are written in 0, 2 or 8 more bytes") {
    const websocket::Mask none{};
    const auto head = [&](std::size_t length) {
      return websocket::encode_frame(Opcode::binary, std::string(length, 'x'), none).substr(1, 9);
    };
    CHECK(head(125).substr(0, 1) == bytes_of({0x80 | 125}));
    CHECK(head(126).substr(0, 3) == bytes_of({0x80 | 126, 0, 126}));
    CHECK(head(65'535).substr(0, 3) == bytes_of({0x80 | 126, 0xff, 0xff}));
    CHECK(head(65'536) == bytes_of({0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0}));
  }

  TEST_CASE("websocket frames: messages come out whole however the bytes are cut") {
    const std::string bytes =
        server_frame(test::ws_text, "Hel", false) + server_frame(test::ws_ping, "are you there") +
        server_frame(test::ws_continuation, "", false) + server_frame(test::ws_continuation, "lo") +
        server_frame(test::ws_binary, std::string(70'000, 'b').substr(0, 300)) +
        server_frame(test::ws_pong, "") + server_frame(test::ws_close, "");
    for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 1'000UL}) {
      CAPTURE(piece);
      const auto heard = hear(bytes, piece);
      REQUIRE(heard.messages.size() == 5);
      CHECK(!heard.failure);
      CHECK(heard.messages[0].opcode == Opcode::ping);
      CHECK(heard.messages[0].payload == "are you there");
      CHECK(heard.messages[1].opcode == Opcode::text);
      CHECK(heard.messages[1].payload == "Hello");
      CHECK(!heard.messages[1].cut);
      CHECK(heard.messages[2].opcode == Opcode::binary);
      CHECK(heard.messages[2].payload == std::string(300, 'b'));
      CHECK(heard.messages[3].opcode == Opcode::pong);
      CHECK(heard.messages[4].opcode == Opcode::close);
    }
  }

  TEST_CASE(
      "websocket frames: of a long message the beginning is kept, and what follows is heard") {
    const auto size = FrameReader::message_max;
    const auto heard = hear(server_frame(test::ws_text, std::string(size, 'a'), false) +
                                server_frame(test::ws_continuation, std::string(100'000, 'b')) +
                                server_frame(test::ws_text, "next"),
                            16'384);
    REQUIRE(heard.messages.size() == 2);
    CHECK(heard.messages[0].payload == std::string(size, 'a'));
    CHECK(heard.messages[0].cut);
    CHECK(heard.messages[1].payload == "next");
    const auto exact = hear(server_frame(test::ws_text, std::string(size, 'a')));
    REQUIRE(exact.messages.size() == 1);
    CHECK(!exact.messages[0].cut);
  }

  TEST_CASE("websocket frames: what breaks the rules is protocol, and final") {
    struct Row {
      const char* what;
      std::string bytes;
    };
    const std::vector<Row> rows{
        {"masked", bytes_of({0x81, 0x80, 1, 2, 3, 4})},
        {"reserved bit", bytes_of({0xc1, 0})},
        {"unknown data opcode", bytes_of({0x83, 0})},
        {"unknown control opcode", bytes_of({0x8b, 0})},
        {"ping in pieces", bytes_of({0x09, 0})},
        {"ping of 126 bytes", server_frame(test::ws_ping, std::string(126, 'x'))},
        {"close with half a code", bytes_of({0x88, 1, 3})},
        {"continuation of nothing", server_frame(test::ws_continuation, "x")},
        {"message in a message",
         server_frame(test::ws_text, "a", false) + server_frame(test::ws_text, "b")},
        {"125 written in 2 bytes", bytes_of({0x81, 126, 0, 125})},
        {"65535 written in 8 bytes", bytes_of({0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff})},
        {"a length with its first bit set", bytes_of({0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      CHECK(reason_of(row.bytes) == Reason::protocol);
      CHECK(reason_of(row.bytes + server_frame(test::ws_text, "fine")) == Reason::protocol);
      CHECK(hear(row.bytes + server_frame(test::ws_text, "fine")).messages.empty());
    }
  }

  TEST_CASE("websocket frames: a frame longer than anybody waits for is too_large at once") {
    CHECK(reason_of(bytes_of({0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1})) == Reason::too_large);
    CHECK(reason_of(bytes_of({0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0})) == Reason::none);
  }

  TEST_CASE("websocket frames: close codes are told by number, meaning and the server's words") {
    CHECK(websocket::close_text(test::close_with(1011, "out of memory")) ==
          "1011 (internal error): out of memory");
    CHECK(websocket::close_text(test::close_with(1000)) == "1000 (normal closure)");
    CHECK(websocket::close_text(test::close_with(1013)) == "1013 (try again later)");
    CHECK(websocket::close_text(test::close_with(1015)) == "1015 (TLS handshake)");
    CHECK(websocket::close_text(test::close_with(1016)) == "1016");
    CHECK(websocket::close_text(test::close_with(4001, "token expired")) == "4001: token expired");
    CHECK(websocket::close_text("") == "no code");
    CHECK(websocket::close_payload(1000) == test::close_with(1000));
  }
}

}  // namespace vitals
