// A thread that is started, nudged, interrupted, ended, and started again.
#include "agent/schedule/worker.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <chrono>

#include "tests/support/process.hpp"

namespace vitals {
namespace {

using namespace std::chrono_literals;
using test::eventually;

bool readable(int fd, int wait_ms = 0) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, wait_ms) > 0;
}

TEST_CASE("worker: a nudge ends one sleep, also one that begins later, and stop() ends it all") {
  Worker worker;
  std::atomic<int> rounds{0};
  const auto body = [&] {
    while (worker.running()) {
      ++rounds;
      worker.rest_until(TimePoint::max());
    }
  };
  CHECK_FALSE(worker.stop());
  worker.nudge();
  for (int life = 0; life < 2; ++life) {
    CAPTURE(life);
    rounds = 0;
    REQUIRE_FALSE(worker.start("worker", body));
    // What was rung before it slept: the first time our nudge, then that of the stop.
    REQUIRE(eventually([&] { return rounds == 2; }));
    CHECK(test::stays([&] { return rounds == 2; }, 200ms));
    worker.nudge();
    CHECK(eventually([&] { return rounds == 3; }));
    CHECK(worker.running());
    CHECK(worker.stop());
    CHECK_FALSE(worker.running());
    CHECK(rounds >= 3);
    worker.nudge();
  }
}

TEST_CASE("worker: it sleeps no longer than told, and is started once") {
  Worker worker;
  std::atomic<int> bodies{0};
  std::atomic<int> rounds{0};
  const auto body = [&] {
    ++bodies;
    while (worker.running()) {
      worker.rest_until(Clock::now() + Duration(10));
      ++rounds;
    }
  };
  REQUIRE_FALSE(worker.start("worker", body));
  REQUIRE_FALSE(worker.start("worker", body));
  CHECK(eventually([&] { return rounds >= 3; }));
  CHECK(worker.stop());
  CHECK(bodies == 1);
}

TEST_CASE("worker: what its body waits for is interrupted by stop() alone, in each of its lives") {
  Worker worker;
  std::atomic<bool> waits{false};
  for (int life = 0; life < 2; ++life) {
    CAPTURE(life);
    std::atomic<bool> interrupted{false};
    REQUIRE_FALSE(worker.start("worker", [&] {
      waits = true;
      interrupted = readable(worker.stop_fd(), -1);
    }));
    REQUIRE(eventually([&] { return waits.exchange(false); }));
    worker.nudge();
    CHECK(readable(worker.nudge_fd()));
    CHECK(test::stays([&] { return !interrupted; }, 100ms));
    worker.take_nudge();
    CHECK_FALSE(readable(worker.nudge_fd()));
    CHECK(worker.stop());
    CHECK(interrupted);
  }
}

}  // namespace
}  // namespace vitals
