// Checks, samples and boards with a clock that is told, for tests of thresholds and verdicts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <vitals/check.hpp>

#include "agent/verdict/health_state.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals::test {

/// t = 0 of every told clock: far from the epoch of either clock.
inline Instant at(double seconds) {
  const auto offset = std::chrono::duration_cast<Elapsed>(std::chrono::duration<double>(seconds));
  return {TimePoint(std::chrono::hours(1)) + offset,
          WallTime(std::chrono::hours(24 * 365 * 56)) +
              std::chrono::duration_cast<WallTime::duration>(offset)};
}

/// interval 10 s, timeout 5 s (stale after 35 s), fall 3, rise 2, critical, shared.
std::shared_ptr<CheckSpec> spec(const std::string& name);

/// An attempt of 100 ms that ended at `seconds`.
Sample sample(ProbeResult result, double seconds);

}  // namespace vitals::test
