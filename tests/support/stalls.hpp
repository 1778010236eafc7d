// How long the machine kept everybody waiting: a virtual machine whose processors are lent to
// others stands still, and no program on it can be in time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

namespace vitals::test {

inline constexpr std::size_t stall_threads_max = 8;

/// How late threads have been that only sleep, one on each processor; all zero for ever in a
/// program that has none (a bench).
using Stalls = std::array<std::chrono::nanoseconds, stall_threads_max>;

/// Since the start of the test program. From any thread, and from children that were forked.
Stalls stalls_so_far();
/// Since then: of the processor that was away for longest.
std::chrono::nanoseconds stalled_since(const Stalls& before);

/// Starts those threads in this process. What is measured can be read here and in children that are
/// forked while it lives, but not in this process's parent.
class StallWatch {
 public:
  /// Makes the memory that is shared with the children to come; no thread yet.
  StallWatch();
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;
  void start();

  struct Shared;

 private:
  struct Threads;
  Shared* shared_;
  std::unique_ptr<Threads> threads_;
};

}  // namespace vitals::test
