// When a wedged app is to be started again (contract §9). Pure: time comes in as an argument.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

#include <vitals/time.hpp>

#include "agent/verdict/judge.hpp"

namespace vitals::child {

/// How often the watchdog looks.
inline constexpr Duration watchdog_tick{1'000};

/// What the watchdog wants to know at one moment.
struct WatchdogView {
  TimePoint now;
  pid_t app = 0;        // 0: it does not run
  bool passed = false;  // an attempt begun after this app was started passed
  bool fails = false;
  /// Not the moment to judge the app: a shared critical check fails, the machine drains, the check
  /// is muted or suppressed, or the agent itself is stuck.
  bool quiet = false;
};

/// `app_seen`: since when the agent knows of this app. A check that is gone neither passed nor
/// fails.
[[nodiscard]] WatchdogView look_at(std::string_view check, const Snapshot& snapshot,
                                   const Judgement& judgement, pid_t app, TimePoint app_seen,
                                   TimePoint now);

class Watchdog {
 public:
  enum class Advice { nothing, armed, restart };

  /// To be called about every `watchdog_tick`; after a longer gap (a suspend) time counts anew.
  /// `armed`: the check passed once under this app. `restart`: it has failed for `after` since;
  /// said once per app.
  [[nodiscard]] Advice look(const WatchdogView& view, Duration after);
  /// An agent before this one saw this app pass.
  void arm(pid_t app);

 private:
  void follow(pid_t app);

  pid_t app_ = 0;
  bool armed_ = false;
  bool asked_ = false;
  std::optional<TimePoint> failing_since_;
  std::optional<TimePoint> looked_at_;
};

}  // namespace vitals::child
