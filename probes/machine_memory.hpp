// How much memory is left to this Machine and to the control group it runs in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "probes/kernel_files.hpp"

namespace vitals {

/// What a limit leaves. What the kernel would free on demand (file pages, slab) is not used.
struct MemoryRoom {
  double total = 0;
  double available = 0;
  std::string_view of;  // static text: "the machine", "the cgroup"

  [[nodiscard]] double used_share() const { return total > 0 ? 1 - available / total : 0; }
};

/// MemTotal and MemAvailable of /proc/meminfo (proc_meminfo(5)). Pure.
[[nodiscard]] std::optional<MemoryRoom> parse_meminfo(std::string_view meminfo);

/// Every limit on memory above us: of the machine, and of each control group (v2 or v1) that has
/// one. Empty without /proc/meminfo.
[[nodiscard]] std::vector<MemoryRoom> memory_rooms(const KernelRoots& roots);

/// The one that leaves least in proportion; nothing when there is none.
[[nodiscard]] std::optional<MemoryRoom> tightest(const std::vector<MemoryRoom>& rooms);

/// One total of /proc/pressure/RESOURCE: how long some or all tasks were stalled.
struct Pressure {
  std::string_view resource;  // "cpu", "memory", "io"
  std::string kind;           // "some", "full"
  double seconds = 0;
};
/// Empty where the kernel has no PSI.
[[nodiscard]] std::vector<Pressure> read_pressure(const KernelRoots& roots);

}  // namespace vitals
