// The table [autostop]: when the Machine counts as idle, and what happens then (contract §10).
#pragma once

#include <cstdint>
#include <string>

#include <vitals/time.hpp>

namespace vitals {

enum class AutostopAction { report, exit, suspend, stop };

struct AutostopConfig {
  /// The table was written: the Machine is watched.
  bool given = false;
  Duration idle_after = std::chrono::minutes(5);
  AutostopAction action = AutostopAction::report;
  Duration min_uptime = std::chrono::minutes(2);
  bool even_if_unhealthy = false;
  std::string api_socket = "/.fly/api";
  /// Where the app listens; connections to it are work where no front door counts them. 0: the app
  /// has no port, and holds and jobs alone are work.
  std::uint16_t port = 0;
};

}  // namespace vitals
