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
  bool internal = false;
};

/// A check that was never asked.
[[nodiscard]] CheckState fresh_state(std::shared_ptr<const CheckSpec> spec, Instant created);

/// Changes `state` as the sample demands. Time comes from the sample alone.
Fold apply_sample(CheckState& state, const Sample& sample);

/// True while the last evidence disagrees with the status: ask again after retry_interval.
[[nodiscard]] bool disagrees(const CheckState& state);

}  // namespace vitals
