// What the board announces, as log lines (contract §8). describe_* are pure.
#pragma once

#include "agent/log.hpp"
#include "agent/verdict/board.hpp"
#include "agent/verdict/judge.hpp"

namespace vitals {

/// One line per change. `since` says how long the status before had lasted.
[[nodiscard]] LogLine describe_event(const Event& event);

/// The hourly line: verdict, how many checks are in which status, attempts and failures so far.
[[nodiscard]] LogLine describe_summary(const Snapshot& snapshot, const Judgement& judgement);

void log_event(Log& log, const Event& event);
void log_summary(Log& log, const Snapshot& snapshot, Instant now);

}  // namespace vitals
