// Any bytes of a WebSocket server: whole messages or a failure, however they are cut, in bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <vitals/assert.hpp>

#include "probes/websocket_frame.hpp"
#include "probes/websocket_handshake.hpp"

namespace {

using vitals::websocket::FrameReader;

/// All messages in one text, and whether the rules were broken.
std::string heard_in(std::string_view bytes, std::size_t piece) {
  FrameReader reader;
  std::string heard;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(bytes.substr(at, piece));
    while (const auto message = reader.next()) {
      VITALS_ASSERT(message->payload.size() <= FrameReader::message_max);
      heard += std::to_string(static_cast<int>(message->opcode)) + ":" + message->payload + "\n";
      if (message->opcode == vitals::websocket::Opcode::close) {
        heard += vitals::websocket::close_text(message->payload);
      }
    }
  }
  return reader.failure() ? heard + reader.failure()->detail : heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] + std::size_t{1};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  VITALS_ASSERT(heard_in(bytes, piece) == heard_in(bytes, bytes.size() + 1));

  vitals::websocket::Upgrade upgrade;
  upgrade.key = "dGhlIHNhbXBsZSBub25jZQ==";
  upgrade.subprotocol = "chat";
  const auto as_is = [](std::string_view text, vitals::SecretSet::Ending) {
    return std::string(text);
  };
  static_cast<void>(vitals::websocket::refusal(bytes, upgrade, as_is));
  return 0;
}
