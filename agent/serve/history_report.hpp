// /history as JSON: what happened to all checks, or everything about one (pure functions).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/serve/report.hpp"
#include "agent/verdict/history.hpp"

namespace vitals {

/// With more checks the overview leaves their results and failures out: it would be megabytes.
inline constexpr std::size_t history_overview_max = 100;

/// Changes of the verdict and of statuses, and of each check its last results and failures.
[[nodiscard]] std::string render_history(const Snapshot& snapshot, const Judgement& judgement,
                                         const History& history, Instant now);

/// All that is known of one check: what `vitals explain` prints.
struct CheckHistoryRequest {
  std::string_view check;                 // must exist
  std::optional<TimePoint> next_attempt;  // none: not known
};
[[nodiscard]] std::string render_check_history(const Snapshot& snapshot, const Judgement& judgement,
                                               const History& history,
                                               const CheckHistoryRequest& request, Instant now);

/// What a failure of this check does, or would do: one sentence each for /health, /health/ready and
/// /health/live, with what Fly makes of it.
struct EffectsInput {
  const CheckSpec& spec;
  const CheckJudgement& check;
  const Judgement& machine;
  SharedRule shared_rule;
};
[[nodiscard]] std::vector<std::string> effects_of(const EffectsInput& input);

}  // namespace vitals
