// What the log says of idleness: each change, but not each step of a busy app to and fro.
#pragma once

#include <optional>

#include <vitals/time.hpp>

#include "agent/idle/idleness.hpp"
#include "agent/log.hpp"

namespace vitals::idle {

/// Lines on why the Machine is not idle: so many at once, and one more for each pause. What is
/// idle, or was, is told at once.
inline constexpr int reason_lines_max = 4;
inline constexpr Duration reason_line_pause = std::chrono::minutes(1);

/// Told every look, in the order of time. Pure but for what it remembers.
class Narrator {
 public:
  /// The line that is due; nothing while what was said last still holds, or may wait.
  [[nodiscard]] std::optional<LogLine> tell(const Idleness& idleness, TimePoint now);

 private:
  [[nodiscard]] bool may_speak(TimePoint now);

  Keeps said_ = Keeps::nothing;
  bool said_idle_ = false;
  bool said_anything_ = false;
  int lines_left_ = reason_lines_max;
  TimePoint counted_at_{};  // lines_left_ as of then
};

}  // namespace vitals::idle
