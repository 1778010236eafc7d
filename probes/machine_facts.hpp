// What is measured of the Machine itself: by the kind memory, and for the metrics page without it.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>
#include <vitals/probe.hpp>

#include "probes/kernel_files.hpp"
#include "probes/machine_memory.hpp"

namespace vitals {

inline constexpr std::array<std::string_view, 2> pressure_labels{"resource", "kind"};
inline constexpr std::array<MetricSpec, 2> machine_metrics{{
    {.name = "memory_available_bytes",
     .help = "Memory left before something has to give: of the machine or of the cgroup, whichever "
             "is tighter.",
     .owner_label = ""},
    {.name = "pressure_stalled_seconds_total",
     .type = MetricType::counter,
     .help = "Time in which some or all tasks waited for a resource (PSI).",
     .labels = pressure_labels,
     .owner_label = ""},
}};

/// `room` and what the kernel tells of pressure.
[[nodiscard]] std::vector<Measurement> machine_measurements(const MemoryRoom& room,
                                                            const KernelRoots& roots);
/// The same with the tightest limit there is; empty without /proc/meminfo.
[[nodiscard]] std::vector<Measurement> machine_measurements(const KernelRoots& roots);

}  // namespace vitals
