// What the scheduler was asked for by a thread.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include "agent/schedule/scheduling_attributes.hpp"

namespace vitals::test {

/// How long it runs at a time; 0 on a kernel before 6.12, which does not tell. Throws when the
/// thread is gone.
inline std::chrono::nanoseconds time_slice(pid_t thread) {
  SchedulingAttributes attributes;
  if (!get_scheduling(thread, attributes)) {
    throw std::runtime_error("sched_getattr: thread " + std::to_string(thread));
  }
  return std::chrono::nanoseconds(attributes.runtime);
}

}  // namespace vitals::test
