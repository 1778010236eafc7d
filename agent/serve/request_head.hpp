// One request head, checked byte by byte before any library sees it (RFC 9112, contract §5). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <vitals/result.hpp>

namespace vitals::http {

struct HeadLimits {
  std::size_t request_line_max = 4 * 1024;  // without its CRLF
  std::size_t headers_max = 8 * 1024;       // all header lines with their CRLFs
};

/// Why a request is answered without being understood; the connection closes after the answer.
struct Rejection {
  int status = 0;
  std::string_view why;  // static text, a sentence for people
};

/// What the head says, with everything that two parsers could read differently refused.
struct RequestHead {
  std::string method;  // any token, as sent
  /// Origin form: starts with '/', query included, still percent-encoded; the scheme and host of
  /// an absolute form are gone. "*" for OPTIONS *; the authority for CONNECT.
  std::string target;
  std::string accept;              // all Accept lines joined with ", "
  std::string authorization;       // empty also when it was sent more than once
  bool has_credentials = false;    // also then
  std::size_t content_length = 0;  // saturates instead of overflowing
  bool chunked = false;
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool forwarded = false;  // Fly-Client-IP, X-Forwarded-For or Forwarded
};

/// Finds the end of a head in bytes that arrive in pieces; looks at every byte once.
class HeadScanner {
 public:
  enum class State { more, complete, rejected };

  /// `bytes` is everything since the first byte of this head; it only grows between calls.
  State scan(std::string_view bytes, const HeadLimits& limits);

  /// No byte was looked at yet.
  [[nodiscard]] bool untouched() const { return scanned_ == 0; }
  /// After complete: where the head starts (an empty line may precede it) and ends.
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return line_start_; }
  /// After rejected.
  [[nodiscard]] const Rejection& rejection() const { return rejection_; }

 private:
  State end_line(std::string_view bytes, std::size_t line_feed, const HeadLimits& limits);
  State check_growth(std::string_view bytes, const HeadLimits& limits);
  State reject(int status, std::string_view why);

  std::uint32_t scanned_ = 0;
  std::uint32_t begin_ = 0;
  std::uint32_t line_start_ = 0;
  std::uint32_t headers_start_ = 0;  // 0: still in the request line
  bool line_checked_ = false;
  Rejection rejection_{};
};

/// `head` is one whole head with its empty line, as HeadScanner found it.
[[nodiscard]] Result<RequestHead, Rejection> parse_head(std::string_view head);

}  // namespace vitals::http
