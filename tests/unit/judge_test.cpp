// The verdict and readiness as tables (contract §4.7 to 4.11).
#include "agent/verdict/judge.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;

struct Member {
  Impact impact = Impact::critical;
  Status status = Status::pass;
  Scope scope = Scope::shared;
  bool live = false;
  const char* parent = "";
  bool muted = false;
  bool newcomer = false;
};

/// Checks are named "a", "b", "c" … in order; all evidence is from t = 0.
Snapshot picture(const std::vector<Member>& members) {
  Snapshot snapshot;
  snapshot.startup_latched = true;
  char name = 'a';
  for (const Member& member : members) {
    auto spec = test::spec(std::string(1, name++));
    spec->impact = member.impact;
    spec->scope = member.scope;
    spec->live = member.live;
    spec->parent = member.parent;
    auto state = std::make_shared<CheckState>(fresh_state(spec, at(0)));
    state->status = member.status;
    if (member.status == Status::fail) state->reason = Reason::refused;
    if (member.muted) state->muted_until = at(20).mono;
    state->counts_while_unknown = !member.newcomer;
    snapshot.checks.push_back(std::move(state));
  }
  return snapshot;
}

using enum Status;
constexpr auto critical = Impact::critical;
constexpr auto degraded = Impact::degraded;
constexpr auto info = Impact::info;

TEST_CASE("verdict: each set of checks has its verdict") {
  struct Row {
    std::vector<Member> members;
    Status verdict;
  };
  const std::vector<Row> rows{
      {{}, pass},
      {{{critical, pass}}, pass},
      {{{critical, fail}}, fail},
      {{{critical, unknown}}, fail},
      {{{critical, warn}}, warn},
      {{{degraded, fail}}, warn},
      {{{degraded, unknown}}, warn},
      {{{degraded, warn}}, warn},
      {{{info, fail}}, pass},
      {{{info, warn}}, pass},
      {{{info, unknown}}, pass},
      {{{critical, pass}, {degraded, fail}}, warn},
      {{{degraded, fail}, {critical, fail}}, fail},
      {{{critical, warn}, {critical, pass}}, warn},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    CHECK(judge(picture(rows[i].members), at(1).mono).verdict == rows[i].verdict);
  }
}

TEST_CASE("verdict: muted, suppressed and newly added unknown checks don't count") {
  Member muted{critical, fail};
  muted.muted = true;
  CHECK(judge(picture({muted}), at(1).mono).verdict == pass);
  CHECK(judge(picture({muted}), at(20).mono).verdict == fail);

  Member child{degraded, fail};
  child.parent = "b";
  const Snapshot snapshot = picture({child, {info, fail}});
  const Judgement judgement = judge(snapshot, at(1).mono);
  CHECK(judgement.verdict == pass);
  CHECK(judgement.checks[0].suppressed_by == "b");
  CHECK(judgement.checks[0].status == fail);
  CHECK(judge(picture({child, {info, pass}}), at(1).mono).verdict == warn);

  Member newcomer{critical, unknown};
  newcomer.newcomer = true;
  CHECK(judge(picture({newcomer}), at(1).mono).verdict == pass);
  newcomer.status = fail;
  CHECK(judge(picture({newcomer}), at(1).mono).verdict == fail);
}

TEST_CASE("verdict: draining is a fail that says so") {
  Snapshot snapshot = picture({{critical, pass}});
  snapshot.draining = true;
  const Judgement judgement = judge(snapshot, at(1).mono);
  CHECK(judgement.verdict == fail);
  CHECK(judgement.draining);
  CHECK_FALSE(judgement.ready);
  CHECK(judgement.live);
}

TEST_CASE("staleness: an old result reads fail(stale), whatever it was") {
  for (const Status before : {pass, warn, fail, unknown}) {
    const Snapshot snapshot = picture({{critical, before}, {info, pass}});
    CHECK(judge(snapshot, at(35).mono).checks[0].status == before);
    const Judgement judgement = judge(snapshot, at(35.1).mono);
    CHECK(judgement.checks[0].status == fail);
    CHECK(judgement.checks[0].reason == Reason::stale);
    CHECK(judgement.verdict == fail);
  }
}

TEST_CASE("stuck: when no thread shows a sign of life, nothing is fine any more") {
  Snapshot snapshot = picture({{info, pass}, {info, pass}});
  CHECK_FALSE(judge(snapshot, at(35).mono).stuck);
  const Judgement judgement = judge(snapshot, at(36).mono);
  CHECK(judgement.stuck);
  CHECK(judgement.verdict == fail);
  CHECK_FALSE(judgement.live);
  CHECK_FALSE(judgement.ready);
  CHECK_FALSE(judgement.startup);

  auto alive = std::make_shared<CheckState>(*snapshot.checks[1]);
  alive->alive_at = at(30).mono;
  snapshot.checks[1] = alive;
  CHECK_FALSE(judge(snapshot, at(36).mono).stuck);
  CHECK_FALSE(judge(picture({}), at(1e6).mono).stuck);
}

TEST_CASE("readiness: local critical failures gate, shared ones by the rule") {
  struct Row {
    Member member;
    SharedRule rule;
    bool ready;
    bool fail_open;
  };
  const Member local{critical, fail, Scope::local};
  const Member shared{critical, fail, Scope::shared};
  const std::vector<Row> rows{
      {local, SharedRule::report, false, false},
      {local, SharedRule::gate, false, false},
      {local, SharedRule::fleet, false, false},
      {shared, SharedRule::report, true, true},
      {shared, SharedRule::gate, false, false},
      {shared, SharedRule::fleet, true, true},
      {{critical, unknown, Scope::local}, SharedRule::gate, true, false},
      {{critical, warn, Scope::local}, SharedRule::gate, true, false},
      {{degraded, fail, Scope::local}, SharedRule::gate, true, false},
      {{degraded, fail, Scope::shared}, SharedRule::gate, true, false},
      {{info, fail, Scope::shared}, SharedRule::gate, true, false},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    Snapshot snapshot = picture({rows[i].member});
    snapshot.shared_rule = rows[i].rule;
    const Judgement judgement = judge(snapshot, at(1).mono);
    CHECK(judgement.ready == rows[i].ready);
    CHECK(judgement.fail_open == rows[i].fail_open);
    snapshot.startup_latched = false;
    CHECK_FALSE(judge(snapshot, at(1).mono).ready);
    CHECK_FALSE(judge(snapshot, at(1).mono).fail_open);
  }
}

TEST_CASE("liveness: only a failing live check ends it") {
  CHECK(judge(picture({{critical, fail, Scope::local}}), at(1).mono).live);
  CHECK_FALSE(judge(picture({{critical, fail, Scope::local, true}}), at(1).mono).live);
  CHECK(judge(picture({{critical, warn, Scope::local, true}}), at(1).mono).live);
  CHECK(judge(picture({{critical, unknown, Scope::local, true}}), at(1).mono).live);
}

TEST_CASE("judgement: holds until the first moment that could change it") {
  Snapshot snapshot = picture({{critical, pass}, {critical, pass}});
  auto newer = std::make_shared<CheckState>(*snapshot.checks[1]);
  newer->evidence_at = newer->alive_at = at(8).mono;
  snapshot.checks[1] = newer;
  const TimePoint until = judge(snapshot, at(9).mono).valid_until;
  CHECK(until == at(35).mono);
  CHECK(judge(snapshot, until).verdict == pass);
  CHECK(judge(snapshot, until + Elapsed(1)).verdict == fail);
  newer->muted_until = at(12).mono;
  CHECK(judge(snapshot, at(9).mono).valid_until == at(12).mono);
}

TEST_CASE("order: what fails the verdict, then worst first, what counts, impact, name") {
  Member suppressed{critical, fail};
  suppressed.parent = "f";
  const Snapshot snapshot = picture({{critical, pass},
                                     {degraded, warn},
                                     {degraded, fail},
                                     {critical, unknown},
                                     suppressed,
                                     {critical, fail},
                                     {info, fail}});
  const Judgement judgement = judge(snapshot, at(1).mono);
  CHECK(worst_first(snapshot, judgement) == std::vector<std::size_t>{5, 3, 2, 4, 6, 1, 0});
}

TEST_CASE("readiness: under the rule `fleet` a shared failure that is ours alone takes us out") {
  struct Row {
    FleetVerdict verdict;
    double heard_at;
    Scope scope;
    SharedRule rule;
    bool ready;
    bool fail_open;
  };
  constexpr double now = 100;
  const double fresh = now - std::chrono::duration<double>(fleet_word_good_for).count();
  using enum FleetVerdict;
  using enum SharedRule;
  const std::vector<Row> rows{
      {ours, now, Scope::shared, fleet, false, false},
      {ours, fresh, Scope::shared, fleet, false, false},
      {ours, fresh - 0.001, Scope::shared, fleet, true, true},
      {shared, now, Scope::shared, fleet, true, true},
      {alone, now, Scope::shared, fleet, true, true},
      {ours, now, Scope::shared, report, true, true},
      {shared, now, Scope::shared, gate, false, false},
      {shared, now, Scope::local, fleet, false, false},
      {alone, now, Scope::local, fleet, false, false},
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    const Row& row = rows[i];
    auto snapshot = picture({{critical, fail, row.scope}});
    auto state = std::make_shared<CheckState>(*snapshot.checks[0]);
    state->evidence_at = state->alive_at = at(now).mono;
    snapshot.checks[0] = state;
    snapshot.shared_rule = row.rule;
    snapshot.fleet = {{"a", row.verdict, 8, 3, false, at(row.heard_at).mono}};
    const auto judgement = judge(snapshot, at(now).mono);
    CHECK(judgement.ready == row.ready);
    CHECK(judgement.fail_open == row.fail_open);
  }
}

TEST_CASE(
    "readiness: the fleet's word on another check, or on one that does not count, is nothing") {
  auto snapshot = picture({{critical, fail}, {degraded, fail}});
  snapshot.fleet = {{"b", FleetVerdict::ours, 8, 0, false, at(1).mono}};
  CHECK(judge(snapshot, at(1).mono).ready);
  snapshot = picture({{critical, pass}});
  snapshot.fleet = {{"a", FleetVerdict::ours, 8, 0, false, at(1).mono}};
  CHECK(judge(snapshot, at(1).mono).ready);
  CHECK_FALSE(judge(snapshot, at(1).mono).fail_open);
}

TEST_CASE("readiness: one shared failure that is ours is enough") {
  auto snapshot = picture({{critical, fail}, {critical, fail}});
  snapshot.fleet = {{"a", FleetVerdict::shared, 8, 8, false, at(1).mono},
                    {"b", FleetVerdict::ours, 8, 0, false, at(1).mono}};
  const auto judgement = judge(snapshot, at(1).mono);
  CHECK_FALSE(judgement.ready);
  CHECK_FALSE(judgement.checks[0].gates);
  CHECK(judgement.checks[1].gates);
}

TEST_CASE("readiness: a word grows old at the very moment that valid_until names") {
  auto snapshot = picture({{critical, fail}});
  snapshot.fleet = {{"a", FleetVerdict::ours, 8, 0, false, at(1).mono}};
  const auto judgement = judge(snapshot, at(1).mono);
  CHECK(judgement.valid_until == at(1).mono + fleet_word_good_for);
  CHECK_FALSE(judge(snapshot, judgement.valid_until).ready);
  CHECK(judge(snapshot, judgement.valid_until + Elapsed(1)).ready);
}

}  // namespace
}  // namespace vitals
