// One line per change, on stderr, as logfmt or JSON (contract §8). spdlog stays in log.cpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "agent/config/config.hpp"

namespace vitals {

struct LogField {
  std::string_view key;
  std::string value;
  /// `value` is a number and stands bare in JSON.
  bool number = false;
};

/// A line before it is formatted.
struct LogLine {
  LogLevel level = LogLevel::info;
  std::string message;
  std::vector<LogField> fields{};
};

/// Longest line, newline included: a pipe takes so much whole or not at all (PIPE_BUF).
inline constexpr std::size_t log_line_max = 4'096;

/// Thread-safe. A line is written whole, at once; when stderr can't take it (full pipe, closed,
/// full disk), the line is lost rather than a thread, and the next one that gets through is
/// preceded by "log lines lost". Values may hold any bytes: control characters and what is not
/// UTF-8 are replaced, so that a line stays a line; very long ones are cut. Time stamps are UTC,
/// ISO 8601 with milliseconds.
class Log {
 public:
  /// Writes to its own duplicate of `descriptor`.
  explicit Log(LogConfig config, int descriptor = STDERR_FILENO);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// At any time, from any thread (reload).
  void configure(LogConfig config);
  [[nodiscard]] bool enabled(LogLevel level) const;
  /// logfmt: time=… level=warn msg="check failed" check=db status=fail reason=timeout …
  void line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  void write(const LogLine& line);
  /// Lines lost so far.
  [[nodiscard]] std::uint64_t lost() const;

 private:
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals
