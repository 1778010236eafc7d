// Thresholds: folds one sample into the state of its check (contract §4.2, 4.3, 4.4, 4.11). Pure.
#pragma once

#include <optional>

#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// What folding a sample changed, for whoever logs.
struct Fold {
  /// Set when the status changed.
  std::optional<Status> from;
  /// The first failure of a streak (evidence, not internal).
  bool first_failure = false;
  /// The first internal outcome of a row.
  bool internal = false;
};

/// The evidence is older than CheckSpec::stale_after(), or the thread has been silent for as long
/// (contract §4.5, 4.8).
[[nodiscard]] bool is_stale(const CheckState& state, TimePoint now);

/// Turns a stale state into fail(stale), so that a later single failure can't show the old green
/// again and `rise` successes are asked for. Changes nothing when it is fresh or has failed anyway.
Fold expire(CheckState& state, Instant now);

/// The state after a resume: nothing of it goes stale before `now + grace` (contract §4.9).
void refresh(CheckState& state, Instant now, Duration grace);

/// A check that was never asked.
[[nodiscard]] CheckState fresh_state(std::shared_ptr<const CheckSpec> spec, Instant created);

/// Changes `state` as the sample demands. Time comes from the sample alone.
Fold apply_sample(CheckState& state, const Sample& sample);

/// True while the last evidence disagrees with the status: ask again after retry_interval.
[[nodiscard]] bool disagrees(const CheckState& state);

}  // namespace vitals
