// The families vitals_process_* of the app, as its parent knows them.
#pragma once

#include <vector>

#include "agent/child/link.hpp"
#include "agent/serve/metrics.hpp"

namespace vitals::child {

/// What the kernel tells of a running process; nothing where it does not let us look.
struct AppUsage {
  std::optional<double> cpu_seconds{};
  std::optional<double> resident_bytes{};
  std::optional<double> threads{};
  std::optional<double> open_fds{};
  std::optional<double> max_fds{};
};

/// Asks the kernel about that process (tens of microseconds, more with thousands of descriptors).
[[nodiscard]] AppUsage read_app_usage(pid_t app);

/// Pure. Restarts, the last code and OOM kills are told from the start; what only a running process
/// has is absent while it does not run.
[[nodiscard]] std::vector<OtherReading> app_readings(const AppState& app, const AppUsage& usage);

}  // namespace vitals::child
