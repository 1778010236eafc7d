// sched_setattr(2) as the kernel reads it: C libraries before glibc 2.41 lack it, and the kernel's
// own header can't stand beside theirs.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>

namespace vitals {

/// The first version of the kernel's `struct sched_attr`; times in nanoseconds.
struct SchedulingAttributes {
  std::uint32_t size = 48;
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // of SCHED_OTHER since Linux 6.12: how long it wants to run at a time
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

/// False, with errno, when there is no such thread (0: the caller).
inline bool get_scheduling(pid_t thread, SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0U) == 0;
}

/// False, with errno, when it is refused.
inline bool set_scheduling(pid_t thread, const SchedulingAttributes& attributes) {
  return syscall(SYS_sched_setattr, thread, &attributes, 0U) == 0;
}

}  // namespace vitals
