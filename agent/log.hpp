// One line per change, on stderr, as logfmt or JSON (contract §8). spdlog stays in log.cpp.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "agent/config/config.hpp"

namespace vitals {

struct LogField {
  std::string_view key;
  std::string value;
};

/// Thread-safe. A line is written whole, at once, and flushed; when stderr can't take it (full
/// pipe, closed), the line is lost rather than a thread. Values are quoted and escaped so that a
/// line stays a line. Time stamps are UTC, ISO 8601 with milliseconds.
class Log {
 public:
  explicit Log(LogConfig config);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// At any time, from any thread (reload).
  void configure(LogConfig config);
  [[nodiscard]] bool enabled(LogLevel level) const;
  /// logfmt: time=… level=warn msg="check failed" check=db status=fail reason=timeout …
  void line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals
