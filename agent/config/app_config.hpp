// The table [app]: the parent of the app, and the app's own metrics (contract §9).
#pragma once

#include <optional>
#include <string>

#include <vitals/settings.hpp>
#include <vitals/time.hpp>

namespace vitals {

enum class RestartPolicy { never, on_failure };

/// [app] user. Whether it exists is known only where the app runs.
struct AppUser {
  std::string name;   // "name", "name:group", "uid:gid"; empty: stay who we are
  std::string place;  // "vitals.toml:3:8: app: 'user'", for what is wrong with it there
};

struct AppConfig {
  AppUser user;
  Duration drain_delay{0};
  Duration stop_timeout{4'000};
  RestartPolicy restart = RestartPolicy::never;
  /// Name of a local check; empty: no watchdog.
  std::string watchdog;
  Duration watchdog_after{60'000};
  /// The front door: where it listens, and where the app does. Both empty: there is none.
  std::string front;
  std::string upstream;
  /// URL of the app's metrics.
  std::optional<Text> metrics;

  /// The table was written.
  bool given = false;
};

}  // namespace vitals
