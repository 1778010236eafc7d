// The front door as a process of its own: what it is given, what it gives up, and its life.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vitals/result.hpp>

#include "agent/config/config.hpp"
#include "agent/front/door.hpp"

namespace vitals::front {

/// The hidden word of the command line, for `vitals run` alone.
inline constexpr std::string_view command_word = "front-door";

/// Running requests may take so long after TERM, as long as Fly lets any Machine take; the
/// supervisor ends the door with the app's stop_timeout.
inline constexpr Duration stop_limit{300'000};
/// And so long when nobody is left to end the door.
inline constexpr Duration orphan_stop_limit{5'000};

/// What a door needs of the configuration. It is handed over as words: the door's memory never
/// holds the configuration, its secrets or the environment. Words: LISTENER PAGE UPSTREAM, the log
/// level as a digit, and json or logfmt.
struct DoorOrder {
  int listener_fd = -1;  // listening; stays open in the supervisor while doors come and go
  int page_fd = -1;
  std::string upstream;  // as in [app] upstream
  LogConfig log;
};
[[nodiscard]] Result<DoorOrder> order_of(const std::vector<std::string>& words);

/// Runs until TERM; returns the exit code. `words` are those after the command word.
[[nodiscard]] int run_door(const std::vector<std::string>& words);

}  // namespace vitals::front
