// What a thread of ours is given when it starts.
#include "agent/schedule/thread.hpp"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "tests/support/time_slice.hpp"

namespace vitals {
namespace {

void run_as_thread(const std::function<void()>& body) {
  auto thread = Thread::start("tested", body);
  REQUIRE(thread);
  thread.value().join();
}

TEST_CASE("thread: it asks for short turns, and leaves its starter's alone") {
  const auto usual = test::time_slice(gettid());
  std::chrono::nanoseconds asked{};
  run_as_thread([&] { asked = test::time_slice(gettid()); });
  // A kernel before 6.12 has no turns that one could ask for.
  CHECK(asked == (usual.count() == 0 ? usual : thread_slice));
  CHECK(test::time_slice(gettid()) == usual);
}

TEST_CASE("thread: a nice value that we were started with stays") {
  constexpr int nicer = 7;
  int nice_of_ours = 0;
  std::thread([&] {
    REQUIRE(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nicer) == 0);
    run_as_thread([&] { nice_of_ours = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); });
  }).join();
  CHECK(nice_of_ours == nicer);
}

}  // namespace
}  // namespace vitals
