// When the watchdog speaks, and above all when it does not.
#include <doctest/doctest.h>

#include "agent/child/watchdog.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::child {
namespace {

using namespace std::chrono_literals;
using Advice = Watchdog::Advice;

constexpr Duration after = 60s;

struct Scene {
  Watchdog watchdog;
  TimePoint now = TimePoint(1h);

  /// Looks once a second for `time`; how often it said restart.
  int pass_time(Duration time, const WatchdogView& view) {
    int restarts = 0;
    for (Duration passed{0}; passed < time; passed += 1s, now += 1s) {
      WatchdogView each = view;
      each.now = now;
      if (watchdog.look(each, after) == Advice::restart) ++restarts;
    }
    return restarts;
  }
};

constexpr WatchdogView passing{{}, 7, true, false, false};
constexpr WatchdogView failing{{}, 7, false, true, false};
constexpr WatchdogView failing_quiet{{}, 7, false, true, true};

TEST_CASE("watchdog: an app that passed and then fails for the whole time is restarted, once") {
  Scene scene;
  CHECK(scene.pass_time(3s, passing) == 0);
  CHECK(scene.pass_time(after, failing) == 0);
  CHECK(scene.pass_time(1s, failing) == 1);
  CHECK(scene.pass_time(10min, failing) == 0);
}

TEST_CASE("watchdog: an app that never passed is left alone") {
  Scene scene;
  CHECK(scene.pass_time(10min, failing) == 0);
}

TEST_CASE("watchdog: the next app has to pass first, and has the whole time then") {
  Scene scene;
  scene.pass_time(1s, passing);
  CHECK(scene.pass_time(after + 1s, failing) == 1);
  WatchdogView next = failing;
  next.app = 8;
  CHECK(scene.pass_time(10min, next) == 0);
  next.passed = true;
  next.fails = false;
  scene.pass_time(1s, next);
  next.passed = false;
  next.fails = true;
  CHECK(scene.pass_time(after, next) == 0);
  CHECK(scene.pass_time(1s, next) == 1);
}

TEST_CASE("watchdog: one success in between begins the time anew") {
  Scene scene;
  scene.pass_time(1s, passing);
  CHECK(scene.pass_time(after - 1s, failing) == 0);
  CHECK(scene.pass_time(1s, passing) == 0);
  CHECK(scene.pass_time(after, failing) == 0);
  CHECK(scene.pass_time(1s, failing) == 1);
}

TEST_CASE("watchdog: it is quiet while something else is the cause, and gives time after that") {
  Scene scene;
  scene.pass_time(1s, passing);
  scene.pass_time(30s, failing);
  CHECK(scene.pass_time(10min, failing_quiet) == 0);
  CHECK(scene.pass_time(after, failing) == 0);
  CHECK(scene.pass_time(1s, failing) == 1);
}

TEST_CASE("watchdog: time that the agent slept through does not count") {
  Scene scene;
  scene.pass_time(1s, passing);
  scene.pass_time(30s, failing);
  scene.now += 10min;
  CHECK(scene.pass_time(after, failing) == 0);
  CHECK(scene.pass_time(1s, failing) == 1);
}

TEST_CASE("watchdog: an app that does not run can't be stuck") {
  Scene scene;
  scene.pass_time(1s, passing);
  WatchdogView none = failing;
  none.app = 0;
  CHECK(scene.pass_time(10min, none) == 0);
}

TEST_CASE("watchdog: what the agent before this one saw counts for the same app alone") {
  Scene same;
  same.watchdog.arm(7);
  CHECK(same.pass_time(after + 1s, failing) == 1);
  Scene other;
  other.watchdog.arm(6);
  CHECK(other.pass_time(after + 1s, failing) == 0);
}

TEST_CASE("watchdog: that it saw the app pass is said once") {
  Watchdog watchdog;
  WatchdogView view = passing;
  view.now = TimePoint(1h);
  CHECK(watchdog.look(view, after) == Advice::armed);
  CHECK(watchdog.look(view, after) == Advice::nothing);
}

}  // namespace
}  // namespace vitals::child
