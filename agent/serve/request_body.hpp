// The body of one request, by Content-Length or chunked, in pieces and bounded (RFC 9112 §6, §7).
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/serve/request_head.hpp"

namespace vitals::http {

/// Chunk sizes, extensions and trailers may take this many bytes for each byte of the body limit.
inline constexpr std::size_t chunked_overhead_factor = 8;

/// Collects at most `body_max` bytes; refuses more with 413, bad framing with 400.
class BodyReader {
 public:
  enum class State { more, complete, rejected };

  BodyReader(const RequestHead& head, std::size_t body_max);

  /// Before the first feed(): nothing to read, too large by its own word, or more.
  [[nodiscard]] State state() const { return state_; }
  /// Takes what belongs to the body from the front of `bytes`; returns how many bytes it took.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] const Rejection& rejection() const { return rejection_; }
  [[nodiscard]] std::string take() { return std::move(body_); }

 private:
  enum class Step { size, extension, size_end, data, data_end, data_end_feed, trailer, last_feed };

  std::size_t feed_plain(std::string_view bytes);
  std::size_t feed_chunked(std::string_view bytes);
  void take_byte(char c);
  void take_size_digit(char c);
  void end_size_line();
  void take_trailer_byte(char c);
  void reject(int status, std::string_view why);

  State state_ = State::more;
  Step step_ = Step::size;
  bool chunked_ = false;
  bool any_digit_ = false;
  bool line_empty_ = true;
  std::size_t body_max_;
  std::size_t wanted_ = 0;  // of the plain body, or of the current chunk
  std::size_t raw_ = 0;
  std::string body_;
  Rejection rejection_{};
};

}  // namespace vitals::http
