// How long something took, and how long it may: sanitizers and a busy machine make it slower, not
// wrong.
#pragma once

#include <algorithm>

#include <vitals/time.hpp>

#include "tests/support/stalls.hpp"

namespace vitals::test {

#if defined(__SANITIZE_THREAD__)
constexpr int slowness = 20;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int slowness = 5;
#else
constexpr int slowness = 1;
#endif

/// The longest that something may take which is promised within `bound`: a duration, or seconds.
template <typename Bound>
constexpr Bound at_most(Bound bound) {
  return bound * slowness;
}

struct Took {
  Elapsed elapsed{};
  /// Of that, the thread was ready to run and others had the CPU (proc_pid_schedstat(5)).
  Elapsed queued{};
  /// Of that, a processor was away from everybody, also from who only slept (stalls.hpp).
  Elapsed stalled{};
  /// What it took by itself. An upper bound is asked of this, a lower one of `elapsed`. The two
  /// above may be the same time, so only one of them is taken off.
  [[nodiscard]] Elapsed own() const { return elapsed - std::max(queued, stalled); }
};

/// Measures the thread that made it, from then on; read it in the same thread.
class Stopwatch {
 public:
  Stopwatch();
  [[nodiscard]] Took took() const;

 private:
  Elapsed queued_before_;
  Stalls stalled_before_;
  TimePoint begin_;
};

/// How late an attempt may end.
constexpr Duration deadline_slack = at_most(Duration(50));

/// It ended at its deadline: not before (or `early` before it), and not much later.
void check_ended_at(const Took& took, Duration limit, Duration early = Duration(0));

}  // namespace vitals::test
