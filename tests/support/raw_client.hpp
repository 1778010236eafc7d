// A TCP client that says exactly what a test wants, well-formed or not, and reads what comes back.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/fd.hpp>

namespace vitals::test {

struct RawAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return headers.count(name) != 0; }
};

/// Blocking, with a limit on every wait. Throws std::runtime_error when it can't connect.
class RawClient {
 public:
  /// 127.0.0.1, or ::1 for AF_INET6. A small `receive_buffer` makes a slow reader.
  explicit RawClient(std::uint16_t port, int family = AF_INET, int receive_buffer = 0);

  /// False when the peer is gone or takes nothing more.
  bool send(std::string_view bytes);
  /// One whole answer; nothing when the connection ends or the limit is over first.
  /// `to_head`: the answer has no body, whatever its Content-Length says.
  std::optional<RawAnswer> answer(bool to_head = false);
  /// send() and answer().
  std::optional<RawAnswer> ask(std::string_view bytes);
  /// Everything up to and with `text`, or what came instead until the end or the limit.
  std::string until(std::string_view text);
  /// Everything until the peer closes, or as much as came within the limit.
  std::string rest();
  /// True when the peer closes (or resets) within `limit`; what it says before is thrown away.
  bool closes(std::chrono::milliseconds limit = std::chrono::seconds(30));
  void shutdown_write();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  /// Appends what comes next to `buffer_`; false at the end of the connection or of time.
  bool fill(std::chrono::steady_clock::time_point end);

  Fd fd_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace vitals::test
