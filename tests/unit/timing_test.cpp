// The stopwatch of the tests: what a busy machine adds is known, what the thread took is not
// hidden.
#include "tests/support/timing.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace vitals::test {
namespace {

/// The calling thread and those it makes run on the first CPU it may use, until the end of the
/// block.
class OneCpu {
 public:
  OneCpu() {
    REQUIRE(sched_getaffinity(0, sizeof(before_), &before_) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &before_)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof(before_), &before_); }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_{};
};

TEST_CASE("stopwatch: time that another thread had the only CPU is not the thread's own") {
  const OneCpu shared;
  std::atomic<bool> done{false};
  std::thread rival([&] {
    while (!done) {
    }
  });
  const Stopwatch watch;
  const auto end = Clock::now() + Duration(200);
  while (Clock::now() < end) {
  }
  const Took took = watch.took();
  done = true;
  rival.join();
  CHECK(took.elapsed >= Duration(200));
  CHECK(took.queued > Duration(20));
  CHECK(took.own() > Duration(20));
  CHECK(took.own() < took.elapsed);
}

TEST_CASE("stopwatch: time that the thread waits for something else is its own") {
  const Stopwatch watch;
  std::condition_variable never;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  never.wait_for(lock, Duration(50), [] { return false; });
  CHECK(watch.took().own() >= Duration(49));
}

}  // namespace
}  // namespace vitals::test
