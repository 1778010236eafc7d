// What readers see: one immutable picture of all checks. Every answer is a pure function of it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vitals/check.hpp>
#include <vitals/health.hpp>
#include <vitals/probe.hpp>
#include <vitals/time.hpp>

namespace vitals {

/// Upper bounds of check_duration_seconds (contract §6), in seconds; +Inf is implied.
inline constexpr std::array<double, 13> duration_bounds{.001, .0025, .005, .01, .025, .05, .1,
                                                        .25,  .5,    1,    2.5, 5,    10};

/// A Prometheus histogram: counts per bucket (not cumulative), the last one is +Inf.
template <std::size_t N>
struct Histogram {
  std::array<std::uint64_t, N + 1> counts{};
  double sum = 0;

  void observe(double value, const std::array<double, N>& bounds) {
    std::size_t bucket = 0;
    while (bucket < N && value > bounds[bucket]) ++bucket;
    ++counts[bucket];
    sum += value;
  }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t total = 0;
    for (const auto n : counts) total += n;
    return total;
  }
};

/// How late attempts start, in seconds (scheduler_delay_seconds).
inline constexpr std::array<double, 10> delay_bounds{.0005, .001, .0025, .005, .01,
                                                     .025,  .05,  .1,    .5,   1};
using DelayHistogram = Histogram<delay_bounds.size()>;

/// One finished attempt. The detail inside is already scrubbed and clean.
struct Sample {
  Instant started;
  Instant finished;
  ProbeResult result;

  [[nodiscard]] Elapsed duration() const { return finished.mono - started.mono; }
};

/// Monotonic counts since the process began.
struct CheckCounters {
  std::array<std::uint64_t, 3> attempts{};                    // by Outcome
  std::array<std::uint64_t, reason_count> failures{};         // by Reason
  std::array<std::array<std::uint64_t, 4>, 4> transitions{};  // [from][to], by Status
  Histogram<duration_bounds.size()> durations;
};

/// What a resume leaves of the evidence from before it (contract §4.9).
struct Grace {
  /// It counts until then, whatever its age, and no longer.
  TimePoint until{};
  /// From `until` to here the check reads fail(stale), but its status stays: the first attempt
  /// after the resume may still be on its way, and one pass is enough to go on as before.
  TimePoint decided_by{};
};

/// All that is known of one check. Immutable once published.
struct CheckState {
  std::shared_ptr<const CheckSpec> spec;

  /// After thresholds; staleness is judged by the reader (judge.hpp).
  Status status = Status::unknown;
  /// Of the evidence behind `status`: for fail the latest failure, for warn the latest warning,
  /// for pass none. For unknown the latest failure, if any.
  Reason reason = Reason::none;
  std::string detail;
  /// When what `status` says began: of a failure the end of the first failed attempt of the streak
  /// that led to it, so that `fall` hides none of the outage; else when the status changed; the
  /// creation of the check for the first unknown.
  Instant since;
  /// When `status` changed; the creation of the check for the first unknown.
  Instant changed;

  int failures_in_a_row = 0;
  int successes_in_a_row = 0;
  /// The latest streak of failures, also after its end: start and end of its first attempt, the
  /// start of its latest one. The epoch before any failure.
  TimePoint streak_started{};
  Instant streak_began{};
  TimePoint streak_latest{};

  /// The last finished attempt, whatever it was (internal included).
  std::optional<Sample> last;
  std::optional<WallTime> last_pass;  // finish of the last pass or warn
  /// End of the last attempt that was evidence (anything but internal); creation before that.
  TimePoint evidence_at{};
  /// Since a resume; absent once there is evidence from after it.
  std::optional<Grace> grace;
  /// The check's thread was last seen alive: creation, start or end of an attempt.
  TimePoint alive_at{};
  bool ever_passed = false;    // one pass or warn: feeds the startup latch
  bool ever_finished = false;  // one attempt of any outcome
  /// False for a check that a reload added, or changed while it was well: it counts from its first
  /// status on (contract §3).
  bool counts_while_unknown = true;
  /// The failure and its streak are from before a reload that changed the check: they stand until
  /// there is evidence under its new config, of which one pass is enough.
  bool inherited = false;

  /// Monotonic end of a mute; absent: not muted.
  std::optional<TimePoint> muted_until;
  /// Not asked since then, for the Machine is idle; absent: it is asked. The evidence does not grow
  /// old meanwhile, as long as the check's thread shows that it is there.
  std::optional<TimePoint> paused_since;
  CheckCounters counters;
};

/// `[ready] shared`: what failing shared critical checks do to readiness.
enum class SharedRule { fleet, gate, report };

/// What other Machines make of a shared critical check that fails here (contract §10).
enum class FleetVerdict {
  alone,   // nobody answers, or nothing can be said yet
  shared,  // at least half of those who answer fail it, too
  ours     // fewer than half: the failure is this Machine's
};

/// The word of the fleet on one check.
struct FleetWord {
  std::string check;
  FleetVerdict verdict = FleetVerdict::alone;
  int answered = 0;
  int failing = 0;
  /// Another failed attempt of ours may settle it: ask again after retry_interval, not after the
  /// interval.
  bool undecided = false;
  /// When it was last confirmed. Older than fleet_word_good_for, it counts as `alone`.
  TimePoint at{};

  [[nodiscard]] bool operator==(const FleetWord&) const = default;
};
/// Two rounds of questions and what they may take.
inline constexpr Duration fleet_word_good_for{25'000};

/// What [autostop] makes of the Machine (contract §10).
struct IdleState {
  /// The end of the last work; absent while there is some.
  std::optional<TimePoint> quiet_since;
  /// Without work for idle_after: checks with pause_when_idle rest.
  bool idle = false;
  /// Nothing speaks against stopping.
  bool safe = false;
  std::string kept_by;  // "connections", "hold" …; empty: nothing keeps it up
  std::string why;      // for people: "3 connections"
  std::vector<std::string> holds;

  [[nodiscard]] bool operator==(const IdleState&) const = default;
};

/// Immutable. `checks` are in config order, names unique.
struct Snapshot {
  /// Grows with each publication; two snapshots with the same generation are the same object.
  std::uint64_t generation = 0;
  Instant started;  // of the process
  std::vector<std::shared_ptr<const CheckState>> checks;

  SharedRule shared_rule = SharedRule::fleet;
  /// On checks that fail, began to, or failed a moment ago; each check at most once.
  std::vector<FleetWord> fleet;
  std::optional<IdleState> idle;  // with [autostop]
  bool draining = false;
  Instant draining_since;
  bool startup_latched = false;
  bool config_reload_ok = true;
  WallTime config_reload_success_at{};
  std::uint64_t resumes = 0;
  /// Of the verdict, [from][to] by Status (unknown unused); the first verdict is no transition.
  std::array<std::array<std::uint64_t, 4>, 4> verdict_transitions{};
  Status verdict = Status::pass;  // as last announced by the board; readers use judge()
  Instant verdict_since;
};

}  // namespace vitals
