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

/// From here on the state is stale: judge with the same snapshot until then.
[[nodiscard]] TimePoint stale_from(const CheckState& state);

/// Turns a stale state into fail(stale), so that a later single failure can't show the old green
/// again and `rise` successes are asked for. Changes nothing when it is fresh, has failed anyway,
/// or when the first attempt after a resume may still be on its way (Grace::decided_by).
Fold expire(CheckState& state, Instant now);

/// What was known counts for so long after a resume or a pause (contract §4.9).
inline constexpr Duration resume_grace{5'000};

/// Time went by without us: nothing was asked after `from`, and now it is `now`.
struct Gap {
  TimePoint from{};
  Instant now;
};

/// Its latest result says something of the dependency, and nothing went by without us since.
[[nodiscard]] bool has_word(const CheckState& state);

/// May it rest, that is, is there nothing to be asked? It passes or warns, and nothing that was
/// seen since or went by without us speaks against that.
[[nodiscard]] bool may_rest(const CheckState& state, TimePoint now);

/// The state after a gap: what was known counts for `grace` more, and no longer (contract §4.9).
/// One evidence gets one grace however often there is a gap: the time awake after an earlier gap is
/// taken off.
void refresh(CheckState& state, const Gap& gap, Duration grace);

/// A probe may return this much after its deadline before its answer is too late.
inline constexpr Duration overrun_slack{50};
/// The answer in its place.
[[nodiscard]] ProbeResult overran();

/// A check that was never asked.
[[nodiscard]] CheckState fresh_state(std::shared_ptr<const CheckSpec> spec, Instant created);

/// What a reload that changes the check leaves of it: its mute, and a failure, which readers must
/// not see end before it passed once, unless a failure weighs more under the new config than it
/// did. What else there was is unknown; it counts as such only if it did before.
[[nodiscard]] CheckState changed_state(std::shared_ptr<const CheckSpec> spec,
                                       const CheckState& before, Instant now);

/// Changes `state` as the sample demands. Time comes from the sample alone.
Fold apply_sample(CheckState& state, const Sample& sample);

/// True while the last evidence disagrees with the status: ask again after retry_interval.
[[nodiscard]] bool disagrees(const CheckState& state);

}  // namespace vitals
