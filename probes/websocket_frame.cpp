// Encodes and decodes frames byte by byte; trusts nothing that it reads.
#include "probes/websocket_frame.hpp"

#include <algorithm>

namespace vitals::websocket {
namespace {

constexpr unsigned final_bit = 0x80;
constexpr unsigned reserved_bits = 0x70;
constexpr unsigned opcode_bits = 0x0f;
constexpr unsigned control_bit = 0x08;
constexpr unsigned mask_bit = 0x80;
/// Lengths that mean: the true one follows in 2 or 8 bytes.
constexpr unsigned length_of_2 = 126;
constexpr unsigned length_of_8 = 127;

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

void append_big_endian(std::string& out, std::uint64_t value, std::size_t bytes) {
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes) & 0xff);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value = value << 8U | byte_at(bytes, i);
  return value;
}

bool is_known(unsigned opcode) {
  return opcode <= static_cast<unsigned>(Opcode::binary) ||
         (opcode >= static_cast<unsigned>(Opcode::close) &&
          opcode <= static_cast<unsigned>(Opcode::pong));
}

/// RFC 6455 §7.4.1 and the registry it began.
std::string_view meaning_of(std::uint64_t code) {
  constexpr std::array<std::string_view, 16> meanings{"normal closure",
                                                      "going away",
                                                      "protocol error",
                                                      "unsupported data",
                                                      "",
                                                      "no code",
                                                      "abnormal closure",
                                                      "invalid payload data",
                                                      "policy violation",
                                                      "message too big",
                                                      "extension missing",
                                                      "internal error",
                                                      "service restart",
                                                      "try again later",
                                                      "bad gateway",
                                                      "TLS handshake"};
  constexpr std::uint64_t first = 1'000;
  if (code < first || code - first >= meanings.size()) return {};
  return meanings[code - first];
}

}  // namespace

std::string encode_frame(Opcode opcode, std::string_view payload, Mask mask) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame += static_cast<char>(final_bit | static_cast<unsigned>(opcode));
  if (payload.size() < length_of_2) {
    frame += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() <= 0xffff) {
    frame += static_cast<char>(mask_bit | length_of_2);
    append_big_endian(frame, payload.size(), 2);
  } else {
    frame += static_cast<char>(mask_bit | length_of_8);
    append_big_endian(frame, payload.size(), 8);
  }
  for (const auto byte : mask) frame += static_cast<char>(byte);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(byte_at(payload, i) ^ mask[i % mask.size()]);
  }
  return frame;
}

std::string close_payload(std::uint16_t code) {
  std::string payload;
  append_big_endian(payload, code, 2);
  return payload;
}

std::string close_text(std::string_view payload) {
  if (payload.size() < 2) return "no code";
  const auto code = big_endian(payload.substr(0, 2));
  std::string text = std::to_string(code);
  if (const auto meaning = meaning_of(code); !meaning.empty()) {
    text += " (" + std::string(meaning) + ")";
  }
  return payload.size() == 2 ? text : text + ": " + std::string(payload.substr(2));
}

void FrameReader::feed(std::string_view bytes) {
  // Here and not frame by frame: a block of a thousand tiny frames is moved once.
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes);
}

std::optional<Message> FrameReader::next() {
  while (!failure_) {
    if (in_frame_) {
      take_payload();
      if (left_ > 0) return std::nullopt;
      if (auto whole = end_of_frame()) return whole;
    }
    const auto head = read_head();
    if (!head) return std::nullopt;
    if ((static_cast<unsigned>(head->opcode) & control_bit) != 0) return read_control(*head);
    begin_data(*head);
  }
  return std::nullopt;
}

/// Nothing when it is not there as a whole, or breaks a rule.
std::optional<FrameReader::Head> FrameReader::read_head() {
  const auto bytes = rest();
  if (bytes.size() < 2) return std::nullopt;
  const unsigned first = byte_at(bytes, 0);
  const unsigned second = byte_at(bytes, 1);
  const bool control = (first & control_bit) != 0;
  const unsigned short_length = second & ~mask_bit;
  Head head;
  head.opcode = static_cast<Opcode>(first & opcode_bits);
  head.final = (first & final_bit) != 0;
  head.length = short_length;
  head.size = 2;

  const auto broken = [&](const char* how) {
    break_off(Reason::protocol, how);
    return std::nullopt;
  };
  if ((first & reserved_bits) != 0) return broken("a frame of an extension nobody agreed on");
  if (!is_known(first & opcode_bits)) return broken("a frame of an unknown kind");
  if ((second & mask_bit) != 0) return broken("a masked frame, which only clients send");
  if (control && (!head.final || short_length > control_payload_max)) {
    return broken("a control frame in pieces or longer than 125 bytes");
  }
  if (short_length < length_of_2) return head;

  const std::size_t extra = short_length == length_of_2 ? 2 : 8;
  if (bytes.size() < head.size + extra) return std::nullopt;
  head.length = big_endian(bytes.substr(head.size, extra));
  head.size += extra;
  const std::uint64_t least = extra == 2 ? length_of_2 : 0x1'0000;
  if (head.length < least || head.length >> 63U != 0) {
    return broken("a frame with a length that is written wrongly");
  }
  if (head.length > frame_max) {
    break_off(Reason::too_large, "a frame of " + std::to_string(head.length) + " bytes");
    return std::nullopt;
  }
  return head;
}

std::optional<Message> FrameReader::read_control(const Head& head) {
  const auto length = static_cast<std::size_t>(head.length);
  if (rest().size() < head.size + length) return std::nullopt;
  Message message{head.opcode, std::string(rest().substr(head.size, length)), false};
  taken_ += head.size + length;
  if (head.opcode == Opcode::close && length == 1) {
    break_off(Reason::protocol, "a close frame with half a code");
    return std::nullopt;
  }
  return message;
}

void FrameReader::begin_data(const Head& head) {
  const bool goes_on = head.opcode == Opcode::continuation;
  if (goes_on != message_.has_value()) {
    return break_off(Reason::protocol, goes_on ? "a continuation of nothing"
                                               : "a new message inside an unfinished one");
  }
  if (!goes_on) message_ = Message{head.opcode, {}, false};
  taken_ += head.size;
  in_frame_ = true;
  final_frame_ = head.final;
  left_ = head.length;
}

void FrameReader::take_payload() {
  const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest().size()));
  const auto kept = std::min(here, message_max - message_->payload.size());
  message_->payload.append(rest().substr(0, kept));
  message_->cut = message_->cut || kept < here;
  taken_ += here;
  left_ -= here;
}

/// The message, when this was its last frame.
std::optional<Message> FrameReader::end_of_frame() {
  in_frame_ = false;
  if (!final_frame_) return std::nullopt;
  auto whole = std::move(message_);
  message_.reset();
  return whole;
}

void FrameReader::break_off(Reason reason, std::string detail) {
  failure_ = net::Failure{reason, "the server sent " + std::move(detail)};
  buffer_.clear();
  taken_ = 0;
}

}  // namespace vitals::websocket
