// Asks /proc about the app.
#include "agent/child/app_readings.hpp"
#include "probes/process_facts.hpp"

namespace vitals::child {

AppUsage read_app_usage(pid_t app) {
  const std::string proc = "/proc";
  const auto facts = app == 0 ? std::nullopt : read_process(proc, app);
  if (!facts || facts->is_zombie()) return {};
  return {.cpu_seconds = facts->cpu_seconds,
          .resident_bytes = facts->resident_bytes,
          .threads = facts->threads,
          .open_fds = count_fds(proc, app),
          .max_fds = max_fds(proc, app)};
}

}  // namespace vitals::child
