// The supervisor's decisions: when to start again, and when to give up. Pure, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <vitals/time.hpp>

namespace vitals::child {

/// Restarts of the app within `restart_window`; one more, and it is given up (contract §9).
inline constexpr std::size_t restarts_max = 5;
inline constexpr Duration restart_window = std::chrono::minutes(10);
inline constexpr Duration restart_delay_min = std::chrono::seconds(1);
inline constexpr Duration restart_delay_max = std::chrono::seconds(60);

/// Restarts of the app: how long to wait, and whether there is one left.
class RestartBudget {
 public:
  struct Decision {
    bool restart = false;
    Duration delay{};
  };
  /// The app ended at `now` after it ran for `lifetime`. 1 s, 2 s, 4 s … 60 s; from the beginning
  /// once it ran for a whole window.
  [[nodiscard]] Decision next(TimePoint now, Elapsed lifetime);

 private:
  std::array<TimePoint, restarts_max> restarts_{};  // a ring of those granted
  std::size_t granted_ = 0;
  std::uint32_t in_a_row_ = 0;
};

/// A helper that died: the first time at once, then 100 ms, 200 ms … 1 s, and after ten deaths in a
/// row up to 30 s, for then it is not chance. One that lived for 10 s begins anew.
class HelperBackoff {
 public:
  [[nodiscard]] Duration next(Elapsed lifetime);

 private:
  std::uint32_t in_a_row_ = 0;
};

/// 0 to 255 of a wait status: the code, or 128 + the signal's number.
[[nodiscard]] int exit_code_of(int wait_status);

}  // namespace vitals::child
