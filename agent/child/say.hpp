// The supervisor's few lines on stderr: the agent's log format, written without allocating or
// waiting, for a supervisor whose agent is dead must still be able to say so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vitals::child {

enum class SayLevel { info, warn, error };

/// One line: time, level and msg, then fields; written when it is destroyed. What does not fit is
/// cut. `json` as in `[log] format`.
class Say {
 public:
  Say(bool json, SayLevel level, std::string_view message);
  ~Say();
  Say(const Say&) = delete;
  Say& operator=(const Say&) = delete;

  Say& number(std::string_view key, std::int64_t value);
  Say& text(std::string_view key, std::string_view value);

  /// The line so far, without its end; for tests.
  [[nodiscard]] std::string_view line() const { return {line_.data(), size_}; }

 private:
  void append(std::string_view text);
  void append_value(std::string_view value);
  void append_key(std::string_view key);
  void append_time();

  static constexpr std::size_t line_max = 512;
  const bool json_;
  std::size_t size_ = 0;
  std::array<char, line_max> line_{};
};

/// "YYYY-MM-DDTHH:MM:SS.mmmZ" of a Unix time. Reads no time zone, unlike gmtime_r.
[[nodiscard]] std::array<char, 24> utc_text(std::int64_t unix_ms);

/// "vitals: <parts>" on stderr, for a person: what can't be started, and why.
void complain(std::string_view first, std::string_view second = {}, std::string_view third = {});

}  // namespace vitals::child
