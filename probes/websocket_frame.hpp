// Frames of the WebSocket protocol (RFC 6455 §5), written by a client and read from a server; pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "probes/net.hpp"

namespace vitals::websocket {

enum class Opcode : std::uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xa,
};

/// Random for each frame (RFC 6455 §5.3).
using Mask = std::array<unsigned char, 4>;

/// A whole message in one masked frame. Payloads of close, ping and pong have at most
/// control_payload_max bytes.
[[nodiscard]] std::string encode_frame(Opcode opcode, std::string_view payload, Mask mask);
inline constexpr std::size_t control_payload_max = 125;

/// The payload of a close frame.
[[nodiscard]] std::string close_payload(std::uint16_t code);
/// "1011 (internal error): out of memory", "no code"; the reason is the server's text.
[[nodiscard]] std::string close_text(std::string_view payload);

/// What a server said: a control frame, or a data message put together from its fragments.
struct Message {
  Opcode opcode = Opcode::text;  // never continuation
  /// The first message_max bytes of a data message.
  std::string payload;
  bool cut = false;
};

/// Takes the bytes of a server in pieces of any size and gives back whole messages. Control frames
/// may stand between fragments. Memory is bounded: of a message that is longer than message_max the
/// rest is skipped as it comes.
class FrameReader {
 public:
  /// Of a data message that is kept, as much as `tcp` searches of an answer.
  static constexpr std::size_t message_max = 64 * 1024;
  /// Announces a frame that nobody would wait for.
  static constexpr std::uint64_t frame_max = std::uint64_t{16} * 1024 * 1024;

  void feed(std::string_view bytes);
  /// The next whole message, or nothing: then feed more, or see failure().
  [[nodiscard]] std::optional<Message> next();
  /// protocol when the server broke the rules, too_large above frame_max; final.
  [[nodiscard]] const std::optional<net::Failure>& failure() const { return failure_; }

 private:
  struct Head {
    Opcode opcode = Opcode::text;
    bool final = false;
    std::uint64_t length = 0;
    std::size_t size = 0;  // of the head itself
  };
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(taken_); }
  [[nodiscard]] std::optional<Head> read_head();
  [[nodiscard]] std::optional<Message> read_control(const Head& head);
  [[nodiscard]] std::optional<Message> end_of_frame();
  void begin_data(const Head& head);
  void take_payload();
  void break_off(Reason reason, std::string detail);

  std::string buffer_;
  std::size_t taken_ = 0;           // of the buffer
  std::optional<Message> message_;  // data, begun
  bool in_frame_ = false;           // of data
  bool final_frame_ = false;
  std::uint64_t left_ = 0;  // of that frame's payload
  std::optional<net::Failure> failure_;
};

}  // namespace vitals::websocket
