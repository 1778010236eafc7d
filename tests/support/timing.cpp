// Reads how long the kernel kept a thread waiting for a CPU.
#include "tests/support/timing.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <stdexcept>

namespace vitals::test {
namespace {

Elapsed queued_so_far() {
  std::ifstream file("/proc/thread-self/schedstat");
  Elapsed::rep ran = 0;
  Elapsed::rep queued = 0;
  if (!(file >> ran >> queued))
    throw std::runtime_error("/proc/thread-self/schedstat can't be read");
  return Elapsed(queued);
}

}  // namespace

Stopwatch::Stopwatch()
    : queued_before_(queued_so_far()), stalled_before_(stalls_so_far()), begin_(Clock::now()) {}

Took Stopwatch::took() const {
  const auto elapsed = Clock::now() - begin_;
  return {elapsed, queued_so_far() - queued_before_, stalled_since(stalled_before_)};
}

void check_ended_at(const Took& took, Duration limit, Duration early) {
  CAPTURE(took.elapsed);
  CAPTURE(took.queued);
  CAPTURE(took.stalled);
  CHECK(took.elapsed >= limit - early);
  CHECK(took.own() <= limit + deadline_slack);
}

}  // namespace vitals::test
