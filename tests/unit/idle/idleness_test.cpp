// Which looks are work, when a Machine is idle, and what speaks against stopping it: told looks on
// a told clock.
#include "agent/idle/idleness.hpp"

#include <doctest/doctest.h>

#include "tests/support/verdict_fixture.hpp"

namespace vitals::idle {
namespace {

using test::at;

/// A Machine that started at the second 0: idle after 60 s, up for at least 10.
struct Told {
  Watch watch{at(0).mono, at(0).mono};
  AutostopConfig rules;
  Facts facts;

  Told() {
    rules.given = true;
    rules.idle_after = Duration(60'000);
    rules.min_uptime = Duration(10'000);
  }

  const Idleness& look(double seconds) {
    facts.now = at(seconds).mono;
    return watch.look(facts, rules);
  }
  const Idleness& look_with(std::uint64_t connections, double seconds) {
    facts.traffic.connections = connections;
    return look(seconds);
  }
  /// The same look twice a second, the last one at `end`.
  const Idleness& looks(double begin, double end) {
    for (double now = begin; now < end; now += 0.5) look(now);
    return look(end);
  }
};

TEST_CASE("idle: quiet for idle_after and no less") {
  Told told;
  CHECK(told.look(59.9).keeps == Keeps::quiet_too_short);
  CHECK_FALSE(told.watch.idleness().idle);
  CHECK(told.look(60).idle);
  CHECK(told.watch.idleness().safe);
  CHECK(told.watch.idleness().keeps == Keeps::nothing);
  CHECK(told.watch.may_act(at(60).mono));
  CHECK(told.watch.idleness().quiet_since == at(0).mono);
}

TEST_CASE("idle without a door: a connection in one look alone is no work, in two of four it is") {
  struct Row {
    std::array<int, 6> seen;
    bool work;
  };
  for (const Row& row : {Row{{0, 0, 0, 0, 0, 0}, false}, Row{{0, 0, 0, 0, 0, 1}, false},
                         Row{{0, 1, 0, 0, 0, 1}, false}, Row{{0, 0, 1, 0, 0, 1}, true},
                         Row{{0, 0, 0, 0, 1, 1}, true}, Row{{0, 0, 1, 1, 0, 0}, true},
                         Row{{1, 1, 0, 0, 0, 0}, false}, Row{{1, 0, 0, 0, 1, 0}, false}}) {
    Told told;
    for (std::size_t i = 0; i < row.seen.size(); ++i) {
      told.look_with(static_cast<std::uint64_t>(row.seen[i]), 100 + 0.5 * static_cast<double>(i));
    }
    CAPTURE(row.seen);
    CHECK((told.watch.idleness().keeps == Keeps::connections) == row.work);
  }
}

TEST_CASE("idle without a door: a check each ten seconds does not keep it up") {
  Told told;
  for (int round = 0; round < 7; ++round) {
    told.look_with(1, 10 * round);
    told.facts.traffic.connections = 0;
    told.looks(10 * round + 0.5, 10 * round + 9.5);
  }
  CHECK(told.watch.idleness().safe);
}

TEST_CASE("idle through the door: one look is enough, and what came between two looks counts") {
  Told told;
  told.facts.traffic.by_door = true;
  CHECK(told.look_with(1, 100).keeps == Keeps::connections);
  CHECK(told.watch.idleness().why == "1 connection");
  CHECK_FALSE(told.watch.idleness().quiet_since);
  told.facts.traffic.in_flight = 2;
  CHECK(told.look(100.5).why == "2 requests in flight");
  told.facts.traffic.in_flight = 0;
  told.facts.traffic.connections = 0;
  CHECK(told.look(101).quiet_since == at(101).mono);
  told.facts.traffic.last_active = at(130).mono;
  CHECK(told.look(189).keeps == Keeps::quiet_too_short);
  CHECK(told.watch.idleness().quiet_since == at(130).mono);
  CHECK(told.look(190).safe);
}

TEST_CASE("idle: connections that can't be counted are no idleness") {
  Told told;
  told.facts.traffic.unknown = "no netlink";
  CHECK(told.look(1'000).keeps == Keeps::unknown_traffic);
  CHECK(told.watch.idleness().why == "connections of the app can't be counted: no netlink");
  told.facts.traffic.unknown.clear();
  CHECK(told.look(1'001).keeps == Keeps::quiet_too_short);
  CHECK(told.look(1'060.5).keeps == Keeps::quiet_too_short);
  CHECK(told.look(1'061).safe);
}

TEST_CASE("idle: holds and jobs are work, and are named") {
  Told told;
  told.facts.holds = {"import"};
  CHECK(told.look(100).why == "hold 'import'");
  told.facts.holds = {"backup", "import", "mail"};
  CHECK(told.look(101).why == "hold 'backup' and 2 more");
  CHECK(told.watch.idleness().keeps == Keeps::hold);
  told.facts.holds.clear();
  told.facts.jobs = {"pg_dump"};
  CHECK(told.look(102).why == "job 'pg_dump' beside the app");
  CHECK(told.watch.idleness().keeps == Keeps::job);
  // It may have ended right before the first look that did not see it, and no sooner.
  told.facts.jobs.clear();
  CHECK(told.look(102.5).quiet_since == at(102.5).mono);
  CHECK(told.look(162).keeps == Keeps::quiet_too_short);
  CHECK(told.look(162.5).safe);
}

TEST_CASE("idle, but not to be stopped: min_uptime, drain, sick, without its app") {
  Told told;
  told.rules.min_uptime = Duration(300'000);
  CHECK(told.look(299).keeps == Keeps::min_uptime);
  CHECK(told.watch.idleness().idle);
  CHECK_FALSE(told.watch.idleness().safe);
  CHECK_FALSE(told.watch.may_act(at(299).mono));
  CHECK(told.look(300).safe);

  told.facts.verdict = Status::fail;
  CHECK(told.look(301).keeps == Keeps::unhealthy);
  CHECK_FALSE(told.watch.may_act(at(301).mono));
  told.rules.even_if_unhealthy = true;
  CHECK(told.look(302).safe);
  told.facts.draining = true;
  CHECK(told.look(303).keeps == Keeps::draining);
  told.facts.draining = false;
  told.facts.app_runs = false;
  CHECK(told.look(304).keeps == Keeps::unhealthy);
  told.facts.app_runs = true;
  told.facts.verdict = Status::warn;
  told.rules.even_if_unhealthy = false;
  CHECK(told.look(305).safe);
}

TEST_CASE("idle: a refusal is followed by pauses from 30 s to 10 min; work begins them anew") {
  Told told;
  const auto pause = [&](double now) {
    REQUIRE(told.look(now).safe);
    REQUIRE(told.watch.may_act(at(now).mono));
    return std::chrono::duration_cast<std::chrono::seconds>(told.watch.refused(at(now).mono, "403"))
        .count();
  };
  double now = 100;
  for (const int expected : {30, 60, 120, 240, 480, 600, 600}) {
    CHECK(pause(now) == expected);
    CHECK(told.watch.idleness().keeps == Keeps::refused);
    CHECK(told.look(now + expected - 0.1).why == "403");
    CHECK(told.watch.idleness().safe);
    CHECK_FALSE(told.watch.may_act(at(now + expected - 0.1).mono));
    now += expected;
  }
  told.facts.holds = {"x"};
  told.look(now);
  told.facts.holds.clear();
  told.look(now + 0.5);
  CHECK(pause(now + 60.5) == 30);
}

TEST_CASE("idle: after a resume both min_uptime and idle_after count from then") {
  Told told;
  told.rules.min_uptime = Duration(90'000);
  REQUIRE(told.look(100).safe);
  told.watch.refused(at(100).mono, "frozen in the middle");
  told.facts.resumes = 1;
  CHECK(told.look(5'000).keeps == Keeps::quiet_too_short);
  CHECK(told.watch.idleness().quiet_since == at(5'000).mono);
  CHECK(told.look(5'060).keeps == Keeps::min_uptime);
  CHECK(told.look(5'090).safe);
  CHECK(told.watch.may_act(at(5'090).mono));
}

TEST_CASE("idle: an accepted suspend begins a new life, too") {
  Told told;
  REQUIRE(told.look(100).safe);
  told.watch.new_life(at(100).mono);
  CHECK_FALSE(told.watch.idleness().idle);
  CHECK_FALSE(told.watch.may_act(at(100).mono));
  CHECK(told.look(159).keeps == Keeps::quiet_too_short);
  CHECK(told.look(160).safe);
}

TEST_CASE("idle: an action that is asked for is not asked for at each look") {
  Told told;
  REQUIRE(told.look(100).safe);
  CHECK(told.watch.asked(at(100).mono, "about to end") == pause_min);
  CHECK(told.look(100.5).keeps == Keeps::asked);
  CHECK_FALSE(told.watch.may_act(at(100.5).mono));
  CHECK(told.look(130).safe);
  CHECK(told.watch.may_act(at(130).mono));
}

}  // namespace
}  // namespace vitals::idle
