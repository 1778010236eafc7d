// From the app's state to samples.
#include "agent/child/app_readings.hpp"

#include <vitals/process_metrics.hpp>

namespace vitals::child {

std::vector<OtherReading> app_readings(const AppState& app, const AppUsage& usage) {
  std::vector<OtherReading> readings;
  const auto add = [&](ProcessMetric metric, double value) {
    readings.push_back({"app", {.metric = &spec_of(metric), .labels = {}, .value = value}});
  };
  const auto add_known = [&](ProcessMetric metric, const std::optional<double>& value) {
    if (app.pid != 0 && value) add(metric, *value);
  };
  // Whole milliseconds: more digits would only tell how floating point rounds.
  constexpr std::int64_t nanoseconds = 1'000'000;
  const std::int64_t started_unix_ms = app.started_unix_ns / nanoseconds;
  const double started = static_cast<double>(started_unix_ms) / 1e3;
  add(ProcessMetric::up, app.pid != 0 ? 1 : 0);
  add_known(ProcessMetric::cpu_seconds, usage.cpu_seconds);
  add_known(ProcessMetric::resident_memory, usage.resident_bytes);
  add_known(ProcessMetric::open_fds, usage.open_fds);
  add_known(ProcessMetric::max_fds, usage.max_fds);
  add_known(ProcessMetric::threads, usage.threads);
  add_known(ProcessMetric::start_time, started);
  add(ProcessMetric::restarts, app.restarts);
  add(ProcessMetric::last_exit_code, app.last_exit_code);
  add(ProcessMetric::oom_kills, app.oom_kills);
  return readings;
}

}  // namespace vitals::child
