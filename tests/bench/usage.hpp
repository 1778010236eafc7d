// What a process has used so far, as the kernel counts it.
#pragma once

#include <sys/types.h>

#include <string>

#include <vitals/time.hpp>

namespace vitals::bench {

/// CPU time of all threads of a process, user and system, to the nanosecond. Throws when it is
/// gone.
[[nodiscard]] Elapsed cpu_time(pid_t pid);

/// In bytes. `anonymous` is what the process itself filled; the rest is pages of its file, which
/// the kernel may drop. In `proportional` a page that n processes share counts as 1/n in each.
struct Memory {
  double resident = 0;
  double anonymous = 0;
  double proportional = 0;
};
[[nodiscard]] Memory memory_of(pid_t pid);

inline constexpr double megabyte = 1e6;

/// "2 × Intel …, Linux 6.1, load 0.4 before".
[[nodiscard]] std::string machine();

}  // namespace vitals::bench
