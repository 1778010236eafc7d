// The body of one request, by Content-Length or chunked, in pieces and bounded.
#include "agent/serve/request_body.hpp"

#include <algorithm>

namespace vitals::http {
namespace {

constexpr std::string_view too_large = "the body is larger than 1 KiB";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

BodyReader::BodyReader(const RequestHead& head, std::size_t body_max)
    : chunked_(head.chunked), body_max_(body_max), wanted_(head.content_length) {
  if (chunked_) {
    wanted_ = 0;
  } else if (wanted_ == 0) {
    state_ = State::complete;
  } else if (wanted_ > body_max_) {
    reject(413, too_large);
  }
}

void BodyReader::reject(int status, std::string_view why) {
  state_ = State::rejected;
  rejection_ = {status, why};
}

std::size_t BodyReader::feed(std::string_view bytes) {
  if (state_ != State::more) return 0;
  return chunked_ ? feed_chunked(bytes) : feed_plain(bytes);
}

std::size_t BodyReader::feed_plain(std::string_view bytes) {
  const auto count = std::min(bytes.size(), wanted_ - body_.size());
  body_ += bytes.substr(0, count);
  if (body_.size() == wanted_) state_ = State::complete;
  return count;
}

std::size_t BodyReader::feed_chunked(std::string_view bytes) {
  std::size_t taken = 0;
  while (state_ == State::more && taken < bytes.size()) {
    if (step_ == Step::data) {
      const auto count = std::min(bytes.size() - taken, wanted_);
      body_ += bytes.substr(taken, count);
      taken += count;
      wanted_ -= count;
      if (wanted_ == 0) step_ = Step::data_end;
      continue;
    }
    // Framing bytes are the only ones that could go on for ever.
    if (++raw_ > body_max_ * chunked_overhead_factor) reject(413, too_large);
    if (state_ == State::more) take_byte(bytes[taken++]);
  }
  return taken;
}

void BodyReader::take_byte(char c) {
  switch (step_) {
    case Step::size:
      return take_size_digit(c);
    case Step::extension:
      if (c == '\r') step_ = Step::size_end;
      if (c == '\n' || c == '\0') reject(400, "a chunk extension has a bare LF or NUL");
      return;
    case Step::size_end:
      return c == '\n' ? end_size_line() : reject(400, "a chunk size does not end with CR LF");
    case Step::data_end:
    case Step::data_end_feed:
      if (c != (step_ == Step::data_end ? '\r' : '\n')) {
        return reject(400, "a chunk does not end with CR LF");
      }
      step_ = step_ == Step::data_end ? Step::data_end_feed : Step::size;
      return;
    case Step::trailer:
    case Step::last_feed:
      return take_trailer_byte(c);
    case Step::data:
      VITALS_ASSERT(false);
  }
}

void BodyReader::take_size_digit(char c) {
  const int digit = hex_digit(c);
  if (digit >= 0) {
    any_digit_ = true;
    // Saturates past the limit; end_size_line() refuses it.
    wanted_ = std::min(wanted_ * 16 + static_cast<std::size_t>(digit), body_max_ + 1);
    return;
  }
  if (!any_digit_) return reject(400, "a chunk has no size");
  if (c == '\r') {
    step_ = Step::size_end;
  } else if (c == ';') {
    step_ = Step::extension;
  } else {
    reject(400, "a chunk size is not hexadecimal");
  }
}

void BodyReader::end_size_line() {
  any_digit_ = false;
  if (wanted_ > body_max_ - body_.size()) return reject(413, too_large);
  step_ = wanted_ == 0 ? Step::trailer : Step::data;
  line_empty_ = true;
}

// Trailers are skipped: nothing here listens to them.
void BodyReader::take_trailer_byte(char c) {
  if (step_ == Step::last_feed) {
    if (c != '\n') return reject(400, "a trailer line does not end with CR LF");
    if (line_empty_) {
      state_ = State::complete;
      return;
    }
    step_ = Step::trailer;
    line_empty_ = true;
    return;
  }
  if (c == '\n' || c == '\0') return reject(400, "a trailer line has a bare LF or NUL");
  if (c == '\r') {
    step_ = Step::last_feed;
  } else {
    line_empty_ = false;
  }
}

}  // namespace vitals::http
