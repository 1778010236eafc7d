// When others are asked on one failure, and what their answers come to at the moments that matter.
#include "agent/fleet/hearing.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "tests/support/verdict_fixture.hpp"

namespace vitals::fleet {
namespace {

TimePoint second(double seconds) { return test::at(seconds).mono; }

/// The first attempt failed from 11 to 16 s; interval 10 s, timeout 5 s, fall 3: due at 26 s.
OwnFailure failing_since(double latest) {
  return {.began = second(16),
          .latest = second(latest),
          .worst_case = Duration(26'000),
          .started = second(11),
          .due = second(26),
          .last_call = second(24)};
}

PeerReport passed_at(double ended) {
  PeerReport report;
  report.attempt = {second(ended - 0.1), second(ended)};
  return report;
}

void round(Hearing& hearing, double at, std::initializer_list<double> passes) {
  hearing.open(second(at), passes.size());
  int peer = 0;
  for (const double ended : passes) hearing.hear(std::to_string(++peer), passed_at(ended));
  hearing.close(second(at + 0.1));
}

FleetVerdict verdict(const Hearing& hearing) { return hearing.word().verdict; }

TEST_CASE("hearing: settings say when a failure is due and when to ask for the last time") {
  auto spec = test::spec("db");
  CheckState state = fresh_state(spec, test::at(0));
  apply_sample(state, {test::at(11), test::at(12), failed(Reason::refused, "")});
  apply_sample(state, {test::at(13), test::at(14), failed(Reason::refused, "")});
  OwnFailure own = failure_of(state);
  CHECK(own.started == second(11));
  CHECK(own.began == second(12));
  CHECK(own.latest == second(13));
  CHECK(own.due == second(26));
  CHECK(own.last_call == second(24));
  spec->fall = 1;
  spec->timeout = Duration(800);
  own = failure_of(state);
  CHECK(own.due == second(11.8));
  CHECK(own.last_call == second(11.4));
}

TEST_CASE("hearing: when it is due, the answers in hand decide, though most have not asked since") {
  Hearing hearing(failing_since(11));
  round(hearing, 16, {8, 9, 10, 11});
  CHECK(verdict(hearing) == FleetVerdict::alone);
  CHECK(hearing.word().undecided);
  hearing.follow(failing_since(16), second(21));
  round(hearing, 21, {15, 9, 10, 11});
  CHECK(verdict(hearing) == FleetVerdict::alone);
  CHECK(hearing.next_look() == second(26));
  hearing.follow(failing_since(21), second(25.999));
  CHECK(verdict(hearing) == FleetVerdict::alone);
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::ours);
  CHECK(hearing.word().answered == 4);
  CHECK_FALSE(hearing.word().undecided);
  CHECK(hearing.next_look() == TimePoint::max());
}

TEST_CASE(
    "hearing: when it is due and nobody has asked since, the first pass that we outlast tells") {
  Hearing hearing(failing_since(11));
  round(hearing, 24, {8, 9});
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::alone);
  CHECK(hearing.word().undecided);
  round(hearing, 26, {25, 9});
  CHECK(verdict(hearing) == FleetVerdict::alone);
  hearing.follow(failing_since(26), second(31));
  CHECK(verdict(hearing) == FleetVerdict::ours);
}

TEST_CASE("hearing: when it is due, as many that fail as pass settle nothing") {
  Hearing hearing(failing_since(21));
  hearing.open(second(24), 3);
  hearing.hear("1", {.fails = true});
  hearing.hear("2", passed_at(18));
  hearing.hear("3", passed_at(8));
  hearing.close(second(24.1));
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::alone);
}

TEST_CASE("hearing: answers of a round that is still open count when it is due") {
  Hearing hearing(failing_since(21));
  hearing.open(second(25.5), 3);
  hearing.hear("1", passed_at(19));
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::ours);
}

TEST_CASE("hearing: a round that nobody answers does not take back what is in hand") {
  Hearing hearing(failing_since(21));
  round(hearing, 21, {19, 8, 9});
  round(hearing, 24, {});
  CHECK(verdict(hearing) == FleetVerdict::alone);
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::ours);
}

TEST_CASE("hearing: after rounds that nobody answers, what is older than a round decides nothing") {
  const auto due_at_36 = [](double latest) {
    OwnFailure own = failing_since(latest);
    own.due = second(36);
    own.last_call = second(34);
    return own;
  };
  for (const double answered : {16.0, 23.9, 24.0}) {
    CAPTURE(answered);
    Hearing hearing(due_at_36(11));
    round(hearing, answered, {15, 8, 9});
    round(hearing, 26, {});
    hearing.follow(due_at_36(31), second(35));
    round(hearing, 35, {});
    hearing.follow(due_at_36(31), second(36));
    CHECK((verdict(hearing) == FleetVerdict::ours) == (answered >= 24));
  }
}

TEST_CASE(
    "hearing: others are asked at once, after failed attempts, before it is due, and then "
    "every 10 s") {
  Hearing hearing(failing_since(11));
  CHECK(hearing.next_round() <= second(16));
  round(hearing, 16, {8, 9});
  // Nothing of ours has failed since.
  CHECK(hearing.next_round() == second(24));
  hearing.follow(failing_since(16), second(21));
  CHECK(hearing.next_round() <= second(21));
  round(hearing, 21, {14, 9});
  round(hearing, 24, {14, 9});
  CHECK(hearing.next_round() == second(34));
  hearing.follow(failing_since(21), second(26));
  CHECK(verdict(hearing) == FleetVerdict::ours);
  round(hearing, 34, {30, 31});
  CHECK(hearing.next_round() == second(44));
}

TEST_CASE("hearing: those who say nothing of their attempts are not asked after each of ours") {
  Hearing hearing(failing_since(11));
  hearing.open(second(16), 3);
  hearing.hear("1", {});
  hearing.close(second(16.1));
  hearing.follow(failing_since(16), second(21));
  CHECK(hearing.next_round() == second(24));
}

TEST_CASE(
    "hearing: a round waits for half of those asked, and for stragglers until we fail again") {
  Hearing hearing(failing_since(11));
  hearing.open(second(16), 4);
  hearing.hear("1", passed_at(9));
  hearing.hear("2", passed_at(9));
  CHECK(hearing.patience() == TimePoint::max());
  hearing.follow(failing_since(16), second(16.2));
  CHECK(hearing.patience() == second(16.5));
  hearing.close(second(16.5));
  hearing.open(second(17), 4);
  hearing.hear("1", passed_at(9));
  hearing.follow(failing_since(17), second(17.2));
  CHECK(hearing.patience() == TimePoint::max());
}

}  // namespace
}  // namespace vitals::fleet
