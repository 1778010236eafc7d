// From a snapshot and a moment to the verdict: contract §4.5 to §4.11 as one pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// What counts of one check at one moment. Same order as Snapshot::checks.
struct CheckJudgement {
  Status status = Status::unknown;  // fail when stale
  Reason reason = Reason::none;     // stale when stale
  std::string_view detail;          // into the snapshot, or static text
  bool stale = false;
  /// Set while it is muted. A group of which only muted members are left is so until the first of
  /// them is back.
  std::optional<TimePoint> muted_until;
  /// Not asked while the Machine is idle; what is shown is from before.
  bool paused = false;
  /// Of a failing shared critical check that counts, while the rule is `fleet`: what other Machines
  /// say of it, if that is fresh. Points into the snapshot.
  const FleetWord* fleet = nullptr;
  /// It takes the Machine out of readiness.
  bool gates = false;
  /// Name of the failing parent that silences it; empty: none. Points into the snapshot.
  std::string_view suppressed_by;
  /// A group of nothing but heartbeats that nobody has posted yet.
  bool unfed = false;
  /// A group that does not fail, although too few of its members are known to be well by results of
  /// now: the others rest, or have none since they are there or since the Machine was away.
  bool unproven = false;
  /// False for info, muted and suppressed checks: they never touch verdict or readiness.
  bool counts = true;

  [[nodiscard]] bool muted() const { return muted_until.has_value(); }
};

/// Everything an endpoint answers with 200 or 503, and why.
struct Judgement {
  Status verdict = Status::pass;  // pass, warn or fail
  bool ready = true;
  bool live = true;
  bool startup = false;
  bool fail_open = false;
  bool draining = false;
  /// No check's thread shows a sign of life: every health endpoint answers 503 `internal`.
  bool stuck = false;
  std::vector<CheckJudgement> checks;
  /// Until then the same snapshot judges the same (staleness, mutes).
  TimePoint valid_until{};
};

/// Pure: same arguments, same answer.
[[nodiscard]] Judgement judge(const Snapshot& snapshot, TimePoint now);

/// What one counting check makes of the verdict (contract §4.7): a critical unknown fails it.
[[nodiscard]] Status contribution(Impact impact, Status status);

/// Indices of snapshot.checks, worst first: those that fail the verdict; then failing before
/// warning before unknown before passing. Within that those that count first, critical before
/// degraded before info, then by name.
[[nodiscard]] std::vector<std::size_t> worst_first(const Snapshot& snapshot,
                                                   const Judgement& judgement);

}  // namespace vitals
