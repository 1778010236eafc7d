// The families about a process: of the kind `process`, and of the app that the agent is parent of.
#pragma once

#include <array>
#include <cstddef>

#include <vitals/kind.hpp>

namespace vitals {

/// Index into process_metrics.
enum class ProcessMetric {
  up,
  cpu_seconds,
  resident_memory,
  open_fds,
  max_fds,
  threads,
  start_time,
  restarts,
  last_exit_code,
  oom_kills,
};

/// How many of them, from the first, can be told of any process; a parent alone knows the others.
inline constexpr std::size_t process_metrics_of_any = 7;

inline constexpr std::array<MetricSpec, 10> process_metrics{{
    {.name = "process_up",
     .help = "1 while the process is there and no zombie.",
     .owner_label = "process"},
    {.name = "process_cpu_seconds_total",
     .type = MetricType::counter,
     .help = "CPU time of the process, user and system.",
     .owner_label = "process"},
    {.name = "process_resident_memory_bytes",
     .help = "Resident memory of the process.",
     .owner_label = "process"},
    {.name = "process_open_fds",
     .help = "Open file descriptors of the process; absent where the kernel does not let us look.",
     .owner_label = "process"},
    {.name = "process_max_fds",
     .help = "Limit of its open file descriptors (soft).",
     .owner_label = "process"},
    {.name = "process_threads", .help = "Threads of the process.", .owner_label = "process"},
    {.name = "process_start_time_seconds",
     .help = "Unix time at which the process was created.",
     .owner_label = "process"},
    {.name = "process_restarts_total",
     .type = MetricType::counter,
     .help = "Times the agent started the process again.",
     .owner_label = "process"},
    {.name = "process_last_exit_code",
     .help = "Exit code of its last end, 128 + n for signal n.",
     .owner_label = "process"},
    {.name = "process_oom_kills_total",
     .type = MetricType::counter,
     .help = "Times the kernel killed the process for want of memory.",
     .owner_label = "process"},
}};

[[nodiscard]] constexpr const MetricSpec& spec_of(ProcessMetric metric) {
  return process_metrics[static_cast<std::size_t>(metric)];
}

}  // namespace vitals
