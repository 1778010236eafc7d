// Notices that the Machine was suspended or the process stopped (contract §4.9). Pure.
#pragma once

#include <vitals/time.hpp>

namespace vitals {

/// Wall clock against monotonic clock: a larger step between two looks is a resume.
inline constexpr Duration clock_step_max{1'000};
/// The scheduler woke this much later than it had asked for: the process did not run.
inline constexpr Duration lateness_max{5'000};

/// Fed at each wake-up; not thread-safe.
class ClockWatch {
 public:
  explicit ClockWatch(Instant now) : last_(now), due_(now.mono) {}

  /// The next look is planned for `due`.
  void expect(TimePoint due) { due_ = due; }

  /// A look; what follows is measured from here.
  void look(Instant now) {
    last_ = now;
    due_ = now.mono;
  }

  /// True when time went by without us since the last look.
  [[nodiscard]] bool gap(Instant now) const { return stepped(now) || late(now.mono); }

  [[nodiscard]] bool stepped(Instant now) const {
    const auto mono = now.mono - last_.mono;
    const auto wall = std::chrono::duration_cast<Elapsed>(now.wall - last_.wall);
    return std::chrono::abs(wall - mono) > clock_step_max;
  }
  [[nodiscard]] bool late(TimePoint now) const { return now > due_ + lateness_max; }

  /// The time since the last look, if all of it was a gap: too long by less than the time between
  /// two looks. A wall clock that was set back slept for no time.
  [[nodiscard]] Sleep slept(Instant now) const {
    const auto wall = std::chrono::duration_cast<Elapsed>(now.wall - last_.wall);
    return {now.mono - last_.mono, std::max(Elapsed::zero(), wall)};
  }

  /// The last look: we ran then.
  [[nodiscard]] TimePoint last_look() const { return last_.mono; }

 private:
  Instant last_;
  TimePoint due_;
};

}  // namespace vitals
