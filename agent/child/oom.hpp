// Kills by the kernel for want of memory, as it counts them.
#pragma once

#include <cstdint>
#include <string_view>

namespace vitals::child {

/// What the kernel has counted so far; 0 where it does not count.
struct OomKills {
  std::uint64_t machine = 0;  // oom_kill of /proc/vmstat (Linux 4.13)
  std::uint64_t cgroup = 0;   // oom_kill of our memory cgroup: memory.events, memory.oom_control
};

/// Blocks for microseconds, allocates nothing.
[[nodiscard]] OomKills count_oom_kills();

[[nodiscard]] constexpr bool rose(const OomKills& before, const OomKills& after) {
  return after.machine > before.machine || after.cgroup > before.cgroup;
}

/// The number behind "key " at the start of a line; 0 when there is none.
[[nodiscard]] std::uint64_t counter_in(std::string_view text, std::string_view key);

/// The path of the memory controller's cgroup in /proc/self/cgroup: of version 1 if that has the
/// controller, else of version 2; empty when there is neither.
struct MemoryCgroup {
  std::string_view path;  // begins with a slash
  bool version1 = false;
};
[[nodiscard]] MemoryCgroup memory_cgroup_in(std::string_view text);

}  // namespace vitals::child
