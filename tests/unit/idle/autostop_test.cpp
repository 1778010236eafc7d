// The thread that looks for work: what it tells the board, when it acts, and how it ends.
#include "agent/idle/autostop.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::idle {
namespace {

using namespace std::chrono_literals;
using test::eventually;

/// A watcher of a Machine on which nothing goes on but what the test says.
struct Fixture {
  StatusBoard board{Instant::now(), nullptr};
  Holds holds;
  Log log{LogConfig{.level = LogLevel::error}};
  std::atomic<int> looks{0};
  std::atomic<int> exits{0};
  std::atomic<bool> resting{false};
  Autostop autostop{{.board = board,
                     .holds = holds,
                     .log = log,
                     .snapshot = [this] { return board.latest(); },
                     .traffic =
                         [this](std::uint16_t) {
                           ++looks;
                           return Traffic{};
                         },
                     .jobs = [] { return std::vector<std::string>{}; },
                     .app_runs = [] { return true; },
                     .rest = [this](bool idle) { resting = idle; },
                     .exit = [this] { ++exits; },
                     .machine = {}}};

  static AutostopConfig rules(AutostopAction action) {
    AutostopConfig rules;
    rules.given = true;
    rules.idle_after = Duration(1);
    rules.min_uptime = Duration(0);
    rules.action = action;
    return rules;
  }
  void configure(const AutostopConfig& rules) {
    REQUIRE_FALSE(autostop.configure(rules, Clock::now()));
  }
  [[nodiscard]] bool watched() const { return board.latest()->idle.has_value(); }
  [[nodiscard]] std::string kept_by() const {
    const auto snapshot = board.latest();
    return snapshot->idle ? snapshot->idle->kept_by : "not watched";
  }
};

TEST_CASE("autostop: a hold keeps the Machine up; without it the end is asked for, once") {
  Fixture fixture;
  fixture.holds.put("import", std::chrono::minutes(10), Clock::now());
  fixture.configure(Fixture::rules(AutostopAction::exit));
  REQUIRE(eventually([&] { return fixture.looks >= 3; }));
  CHECK(fixture.kept_by() == "hold");
  CHECK(fixture.exits == 0);
  CHECK_FALSE(fixture.resting);
  CHECK(fixture.holds.remove("import"));
  REQUIRE(eventually([&] { return fixture.exits == 1; }));
  CHECK(eventually([&] { return fixture.kept_by() == "asked"; }));
  CHECK(fixture.resting);
  const int looks = fixture.looks;
  CHECK(eventually([&] { return fixture.looks >= looks + 2; }));
  CHECK(fixture.exits == 1);
}

TEST_CASE(
    "autostop: a reload gives other rules to the thread that runs, ends it, or starts it again") {
  Fixture fixture;
  CHECK_FALSE(fixture.watched());
  auto rules = Fixture::rules(AutostopAction::exit);
  rules.idle_after = std::chrono::hours(1);
  fixture.configure(rules);
  REQUIRE(eventually([&] { return fixture.kept_by() == "quiet_too_short"; }));
  fixture.configure(Fixture::rules(AutostopAction::report));
  CHECK(eventually([&] { return fixture.kept_by().empty() && fixture.resting; }));
  CHECK(fixture.exits == 0);

  for (int life = 0; life < 2; ++life) {
    CAPTURE(life);
    fixture.configure({});
    CHECK_FALSE(fixture.watched());
    CHECK_FALSE(fixture.resting);
    const int looks = fixture.looks;
    CHECK(test::stays([&] { return fixture.looks == looks; }, 700ms));
    fixture.configure(Fixture::rules(AutostopAction::report));
    CHECK(eventually([&] { return fixture.watched() && fixture.resting; }));
  }
}

}  // namespace
}  // namespace vitals::idle
