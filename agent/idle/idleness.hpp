// Is this Machine idle, and may it stop? A state machine that is told everything, time included.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/health.hpp>
#include <vitals/time.hpp>

#include "agent/config/autostop_config.hpp"

namespace vitals::idle {

/// How often the Machine is looked at.
inline constexpr Duration look_interval{500};

/// One look at the connections of the app.
struct Traffic {
  /// Empty: they are known. Else why they can't be: that is no idleness.
  std::string unknown;
  std::uint64_t connections = 0;
  std::uint64_t in_flight = 0;  // requests; 0 where only connections can be seen
  /// Through the front door even what came and went between two looks: its last activity. Without
  /// one, connections are all that is seen.
  bool by_door = false;
  std::optional<TimePoint> last_active{};
};

/// Without the front door a Fly check is a connection as any other, but a short one. So what was
/// there in one look alone is no work; it is work when so many of the last looks saw connections.
inline constexpr std::size_t looks_needed = 2;
inline constexpr std::size_t looks_kept = 4;

/// After an action that was refused, or had no effect.
inline constexpr Duration pause_min = std::chrono::seconds(30);
inline constexpr Duration pause_max = std::chrono::minutes(10);

/// All that one look has seen.
struct Facts {
  TimePoint now{};
  Traffic traffic;
  std::vector<std::string> holds{};
  /// Processes beside the app that the supervisor has adopted, by name.
  std::vector<std::string> jobs{};
  Status verdict = Status::pass;
  bool draining = false;
  /// True where the app is nobody's child here.
  bool app_runs = true;
  std::uint64_t resumes = 0;
};

/// Why the Machine is not stopped now; the order is that in which they are told.
enum class Keeps {
  connections,
  unknown_traffic,
  hold,
  job,
  quiet_too_short,  // no work, but not for idle_after yet
  min_uptime,
  draining,
  unhealthy,
  asked,    // the action was asked for, and takes its time
  refused,  // it was refused, and is asked for again after a pause
  nothing
};

/// What the Machine is after a look.
struct Idleness {
  /// The end of the last work, at most a look late; absent while there is some.
  std::optional<TimePoint> quiet_since{};
  /// Without work for idle_after: checks with pause_when_idle rest.
  bool idle = false;
  /// Idle, and nothing else speaks against stopping.
  bool safe = false;
  Keeps keeps = Keeps::nothing;
  /// For people: "3 connections", "hold 'import'".
  std::string why{};
};

class Watch {
 public:
  Watch(TimePoint started, TimePoint now);

  /// Takes in one look. Looks come every look_interval, in the order of time.
  const Idleness& look(const Facts& facts, const AutostopConfig& rules);
  [[nodiscard]] const Idleness& idleness() const { return idleness_; }

  /// Is it time to act? Safe, and no pause runs.
  [[nodiscard]] bool may_act(TimePoint now) const;
  /// The action was asked for, or refused: not again before a pause that grows from pause_min to
  /// pause_max, until work comes and goes. Returns the pause.
  Duration asked(TimePoint now, std::string what);
  Duration refused(TimePoint now, std::string why);
  /// It was away (suspended): min_uptime and idle_after count from now.
  void new_life(TimePoint now);

 private:
  [[nodiscard]] Keeps work_in(const Facts& facts);
  void tell(const Facts& facts, const AutostopConfig& rules, Keeps work);
  void keep(Keeps keeps, std::string why);
  Duration pause(TimePoint now, Keeps keeps, std::string why);
  void forget_pause();

  TimePoint started_;
  std::uint64_t resumes_ = 0;
  std::array<bool, looks_kept> seen_{};
  std::size_t looks_ = 0;
  bool working_ = false;  // as of the last look
  TimePoint quiet_since_;
  TimePoint not_before_{};
  Duration pause_{0};
  Keeps pausing_ = Keeps::refused;
  std::string pausing_why_;
  Idleness idleness_;
};

/// "connections", "min_uptime" …: for log and document; "" when nothing keeps it up.
[[nodiscard]] std::string_view to_word(Keeps keeps);

}  // namespace vitals::idle
