// When the supervisor starts again, how late, and when it gives up.
#include <doctest/doctest.h>

#include <csignal>
#include <vector>

#include "agent/child/policy.hpp"

namespace vitals::child {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration time) { return TimePoint(1h) + time; }

TEST_CASE("restart: 1 s, 2 s, 4 s, 8 s, 16 s, and the sixth end within ten minutes is the last") {
  RestartBudget budget;
  TimePoint now = at(0s);
  for (const Duration expected : {1s, 2s, 4s, 8s, 16s}) {
    const auto decision = budget.next(now, 1s);
    CHECK(decision.restart);
    CHECK(decision.delay == expected);
    now += expected + 1s;
  }
  CHECK(!budget.next(now, 1s).restart);
}

TEST_CASE("restart: what is ten minutes ago counts no more, and the delay grows to 60 s") {
  RestartBudget budget;
  std::vector<Duration> delays;
  for (int i = 0; i < 9; ++i) {
    const auto decision = budget.next(at(3min * i), 3min);
    REQUIRE(decision.restart);
    delays.push_back(decision.delay);
  }
  CHECK(delays == std::vector<Duration>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s});
}

TEST_CASE("restart: exactly five fit into a window, to the millisecond") {
  RestartBudget budget;
  for (int i = 0; i < 5; ++i) CHECK(budget.next(at(1s * i), 1s).restart);
  CHECK(!budget.next(at(restart_window - 1ms), 1s).restart);
  CHECK(budget.next(at(restart_window), 1s).restart);
  CHECK(!budget.next(at(restart_window), 1s).restart);
  CHECK(budget.next(at(restart_window + 1s), 1s).restart);
}

TEST_CASE("restart: an app that ran for ten minutes begins with 1 s again") {
  RestartBudget budget;
  CHECK(budget.next(at(0s), 1s).delay == 1s);
  CHECK(budget.next(at(5min), 5min).delay == 2s);
  CHECK(budget.next(at(16min), 10min).delay == 1s);
}

TEST_CASE("helper: the first death costs nothing, ten in a row at most a second each, then 30 s") {
  HelperBackoff backoff;
  std::vector<Duration> delays;
  for (int i = 0; i < 18; ++i) delays.push_back(backoff.next(1s));
  CHECK(delays == std::vector<Duration>{0ms, 100ms, 200ms, 400ms, 800ms, 1s, 1s, 1s, 1s, 1s, 1s, 2s,
                                        4s, 8s, 16s, 30s, 30s, 30s});
  CHECK(backoff.next(10s) == 0ms);
  CHECK(backoff.next(9'999ms) == 100ms);
}

TEST_CASE("exit code: the code itself, or 128 + the signal") {
  CHECK(exit_code_of(0) == 0);
  CHECK(exit_code_of(255 << 8) == 255);
  CHECK(exit_code_of(SIGKILL) == 137);
  constexpr int with_core = 0x80;
  CHECK(exit_code_of(SIGSEGV | with_core) == 139);
}

}  // namespace
}  // namespace vitals::child
