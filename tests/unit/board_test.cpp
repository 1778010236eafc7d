// The board with a clock that is told: publication, tickets, events, latch, resume, reload.
#include "agent/verdict/board.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;
using test::sample;

/// Events as short texts: "db unknown>pass", "verdict unknown>pass", "ready 1".
std::string text_of(const Event& event) {
  const std::string moved =
      std::string(to_label(event.from)) + ">" + std::string(to_label(event.to));
  switch (event.type) {
    case Event::Type::transition:
      return event.check + " " + moved;
    case Event::Type::first_failure:
      return event.check + " first failure " + std::string(to_label(event.reason));
    case Event::Type::internal:
      return event.check + " internal";
    case Event::Type::remark:
      return event.check + " remarks " + event.detail;
    case Event::Type::verdict:
      return "verdict " + moved;
    case Event::Type::resumed:
      return "resumed";
    case Event::Type::ready:
      return std::string("ready ") + (event.on ? "1" : "0");
    case Event::Type::fail_open:
      return std::string("fail_open ") + (event.on ? "1" : "0");
    case Event::Type::muted:
      return event.check + " muted";
    case Event::Type::unmuted:
      return event.check + " unmuted " + event.detail;
  }
  return "";
}

struct Fixture {
  std::vector<std::string> events;
  StatusBoard board{at(0), [this](const Event& event) { events.push_back(text_of(event)); }};

  void configure(const std::vector<std::shared_ptr<const CheckSpec>>& specs, double now = 0) {
    board.set_checks(specs, SharedRule::fleet, at(now));
  }
  std::optional<AttemptId> begin(const std::string& check, Instant now) {
    const auto& checks = board.latest()->checks;
    const auto known = std::find_if(checks.begin(), checks.end(),
                                    [&](const auto& state) { return state->spec->name == check; });
    return board.begin(known == checks.end() ? *test::spec(check) : *(*known)->spec, now);
  }
  bool tell(const std::string& check, ProbeResult result, double now) {
    const auto attempt = begin(check, at(now - 0.1));
    return attempt && board.finish(*attempt, sample(std::move(result), now));
  }
  Judgement judged(double now) { return judge(*board.latest(), at(now).mono); }
};

const auto down = [] { return failed(Reason::refused, "connection refused"); };

using Texts = std::vector<std::string>;

std::shared_ptr<CheckSpec> changed(const std::string& name) {
  auto spec = test::spec(name);
  spec->fingerprint = name + " with another url";
  return spec;
}

TEST_CASE_FIXTURE(Fixture, "board: tells what a probe remarks once per check and text") {
  configure({test::spec("db"), test::spec("cache")});
  tell("db", passed("ok"), 1);
  tell("cache", passed("ok"), 1);
  events.clear();
  auto result = passed("ok");
  result.remark = "INFO is denied";
  tell("db", result, 11);
  tell("db", result, 21);
  tell("cache", result, 21);
  CHECK(events == Texts{"db remarks INFO is denied", "cache remarks INFO is denied"});
  events.clear();
  for (int i = 0; i < 50; ++i) {
    result.remark = "number " + std::to_string(i);
    tell("db", result, 31 + i);
  }
  CHECK(events.size() == StatusBoard::remarks_max - 1);
}

TEST_CASE_FIXTURE(Fixture, "board: tells each change once, and steady states never") {
  configure({test::spec("db")});
  tell("db", passed("ok"), 1);
  CHECK(events == Texts{"db unknown>pass", "verdict unknown>pass", "ready 1"});
  events.clear();
  tell("db", passed("ok"), 11);
  CHECK(events.empty());
  tell("db", down(), 21);
  tell("db", down(), 23);
  CHECK(events == Texts{"db first failure refused"});
  events.clear();
  tell("db", down(), 25);
  CHECK(events == Texts{"db pass>fail", "verdict pass>fail", "fail_open 1"});
  events.clear();
  tell("db", passed("ok"), 27);
  tell("db", passed("ok"), 29);
  CHECK(events == Texts{"db fail>pass", "verdict fail>pass", "fail_open 0"});
}

TEST_CASE_FIXTURE(Fixture, "board: the first verdict is no transition, later ones are counted") {
  auto cache = test::spec("cache");
  cache->impact = Impact::degraded;
  configure({test::spec("db"), cache});
  tell("db", passed(""), 1);
  tell("cache", passed(""), 2);
  for (const auto& row : board.latest()->verdict_transitions) {
    for (const auto count : row) CHECK(count == 0);
  }
  for (const double now : {12.0, 14.0, 16.0}) tell("cache", down(), now);
  const auto moved = [&](Status from, Status to) {
    return board.latest()
        ->verdict_transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  };
  CHECK(moved(Status::pass, Status::warn) == 1);
  board.set_draining(true, at(17));
  CHECK(moved(Status::warn, Status::fail) == 1);
  board.set_draining(false, at(18));
  CHECK(moved(Status::fail, Status::warn) == 1);
}

TEST_CASE_FIXTURE(Fixture, "board: a published snapshot never changes") {
  configure({test::spec("db")});
  tell("db", passed("first"), 1);
  const auto before = board.latest();
  tell("db", passed("second"), 11);
  CHECK(before->checks[0]->detail == "first");
  CHECK(board.latest()->checks[0]->detail == "second");
  CHECK(board.latest()->generation > before->generation);
}

TEST_CASE_FIXTURE(Fixture,
                  "board: an overrun attempt is fail(timeout), and its late answer is dropped") {
  configure({test::spec("db")});
  const auto attempt = begin("db", at(1));
  REQUIRE(attempt);
  board.overrun(*attempt, at(1), at(6));
  CHECK(board.latest()->checks[0]->last->result.reason == Reason::timeout);
  CHECK(board.latest()->checks[0]->failures_in_a_row == 1);
  CHECK_FALSE(board.finish(*attempt, sample(passed(""), 7)));
  CHECK(board.latest()->checks[0]->failures_in_a_row == 1);
  board.overrun(*attempt, at(1), at(8));
  CHECK(board.latest()->checks[0]->failures_in_a_row == 1);
}

TEST_CASE_FIXTURE(Fixture, "board: a hung probe never stays green and is no sign of life") {
  configure({test::spec("db")});
  tell("db", passed(""), 1);
  const auto attempt = begin("db", at(11));
  board.overrun(*attempt, at(11), at(16));
  CHECK(judged(40).checks[0].status == Status::pass);
  CHECK(judged(46.1).checks[0].status == Status::fail);
  CHECK(judged(46.1).stuck);
  events.clear();
  board.tick(at(46.1));
  CHECK(events == Texts{"db pass>fail", "verdict pass>fail", "ready 0"});
  CHECK(board.latest()->checks[0]->reason == Reason::stale);
  events.clear();
  board.tick(at(47));
  CHECK(events.empty());
}

TEST_CASE_FIXTURE(Fixture, "startup: latched once every startup check has passed or warned") {
  auto app = test::spec("app");
  auto db = test::spec("db");
  app->startup = db->startup = true;
  configure({app, db, test::spec("other")});
  tell("app", passed(""), 1);
  tell("other", down(), 1);
  CHECK_FALSE(judged(1).startup);
  CHECK_FALSE(judged(1).ready);
  tell("db", warned(Reason::slow, ""), 2);
  CHECK(judged(2).startup);
  for (const double now : {3.0, 5.0, 7.0}) tell("db", down(), now);
  CHECK(judged(7).startup);
}

TEST_CASE_FIXTURE(Fixture,
                  "startup: an agent that comes back waits for local checks, and not for a shared "
                  "one that fails") {
  auto app = test::spec("app");
  auto db = test::spec("db");
  app->startup = db->startup = true;
  app->scope = Scope::local;
  configure({app, db});
  board.continue_startup();
  for (const double now : {1.0, 2.0, 3.0}) tell("app", down(), now);
  CHECK_FALSE(judged(3).startup);
  tell("app", passed(""), 4);
  CHECK_FALSE(judged(4).startup);  // nothing is known of db yet
  for (const double now : {5.0, 6.0}) tell("db", down(), now);
  CHECK_FALSE(judged(6).startup);
  tell("db", down(), 7);
  CHECK(judged(7).startup);
}

TEST_CASE_FIXTURE(Fixture, "mute: the check leaves verdict, readiness and liveness until it ends") {
  auto app = test::spec("app");
  app->scope = Scope::local;
  app->live = true;
  configure({app});
  for (const double now : {1.0, 3.0, 5.0}) tell("app", down(), now);
  tell("app", passed(""), 6);
  tell("app", passed(""), 7);
  for (const double now : {8.0, 9.0, 10.0}) tell("app", down(), now);
  CHECK(judged(10).verdict == Status::fail);
  CHECK_FALSE(judged(10).live);
  events.clear();

  CHECK(board.mute("app", Duration(20'000), at(11)));
  CHECK(events == Texts{"app muted", "verdict fail>pass", "ready 1"});
  CHECK(judged(12).verdict == Status::pass);
  CHECK(judged(12).ready);
  CHECK(judged(12).live);
  CHECK(judged(12).checks[0].status == Status::fail);
  events.clear();
  board.tick(at(30.9));
  CHECK(events.empty());
  board.tick(at(31));
  CHECK(events == Texts{"app unmuted its time is over", "verdict pass>fail", "ready 0"});
  CHECK_FALSE(board.latest()->checks[0]->muted_until);
  events.clear();
  board.tick(at(31.5));
  CHECK(events.empty());
}

TEST_CASE_FIXTURE(Fixture, "mute: again starts anew, unmute ends it, an unknown check is refused") {
  configure({test::spec("db")});
  CHECK(board.mute("db", Duration(5'000), at(1)));
  CHECK(board.mute("db", Duration(50'000), at(2)));
  board.tick(at(20));
  CHECK(judged(20).checks[0].muted());
  events.clear();
  CHECK(board.unmute("db", at(21)));
  CHECK(events.front() == "db unmuted by request");
  CHECK_FALSE(judged(21).checks[0].muted());
  events.clear();
  CHECK(board.unmute("db", at(22)));
  CHECK(events.empty());
  CHECK_FALSE(board.mute("bd", Duration(5'000), at(23)));
  CHECK_FALSE(board.unmute("bd", at(23)));
}

TEST_CASE_FIXTURE(Fixture, "mute: a reload keeps it, also for a changed check, and says when not") {
  configure({test::spec("db"), test::spec("app"), test::spec("old")});
  for (const char* name : {"db", "app", "old"}) board.mute(name, Duration(60'000), at(1));
  events.clear();
  configure({test::spec("db"), changed("app")}, 2);
  CHECK(judged(3).checks[0].muted());
  CHECK(judged(3).checks[1].muted());
  REQUIRE(events.size() == 1);
  CHECK(events.front() == "old unmuted a reload removed the check");
  tell("app", down(), 4);
  CHECK(judged(60).checks[1].muted());
  CHECK_FALSE(judged(61).checks[1].muted());
}

TEST_CASE_FIXTURE(Fixture, "pause: a resting check stays what it is, as long as its thread lives") {
  const auto db = test::spec("db");
  configure({db});
  tell("db", passed("ok"), 1);
  CHECK(board.pause(*db, at(2)));
  // Stale would be 35 s after the evidence; each sign of life moves that on.
  for (const double now : {12.0, 22.0, 32.0, 42.0, 52.0}) {
    CHECK(board.pause(*db, at(now)));
    board.tick(at(now));
  }
  CHECK(judged(80).checks[0].paused);
  CHECK(judged(80).checks[0].status == Status::pass);
  CHECK_FALSE(judged(80).stuck);
  CHECK(judged(80).ready);
  CHECK(judged(87.1).checks[0].stale);
  CHECK_FALSE(judged(87.1).checks[0].paused);
  CHECK(judged(87.1).checks[0].status == Status::fail);
  CHECK(judged(87.1).stuck);
}

TEST_CASE_FIXTURE(Fixture, "pause: at its end the old result counts for five seconds more") {
  const auto db = test::spec("db");
  configure({db});
  tell("db", passed("ok"), 1);
  REQUIRE(board.pause(*db, at(2)));
  REQUIRE(board.pause(*db, at(30)));
  const auto attempt = begin("db", at(32));
  REQUIRE(attempt);
  CHECK_FALSE(judged(32).checks[0].paused);
  CHECK(judged(37).checks[0].status == Status::pass);
  CHECK(judged(37.1).checks[0].reason == Reason::stale);
  // Nothing known may rest.
  CHECK_FALSE(board.pause(*db, at(33)));
  CHECK(board.finish(*attempt, sample(passed("ok"), 34)));
  CHECK(judged(60).checks[0].status == Status::pass);
  CHECK(board.pause(*db, at(35)));
}

TEST_CASE_FIXTURE(Fixture, "pause: only what passes or warns, without a failure since, may rest") {
  const auto db = test::spec("db");
  configure({db});
  CHECK_FALSE(board.pause(*db, at(1)));
  tell("db", passed(""), 2);
  tell("db", down(), 4);
  CHECK_FALSE(board.pause(*db, at(5)));
  tell("db", warned(Reason::slow, ""), 6);
  CHECK(board.pause(*db, at(7)));
  tell("db", down(), 8);
  tell("db", down(), 10);
  tell("db", down(), 12);
  CHECK_FALSE(board.pause(*db, at(13)));
  CHECK_FALSE(board.pause(*test::spec("other"), at(13)));
}

TEST_CASE_FIXTURE(Fixture, "pause: a resume ends it, with one grace") {
  const auto db = test::spec("db");
  configure({db});
  tell("db", passed("ok"), 1);
  REQUIRE(board.pause(*db, at(2)));
  board.resume({at(20).mono, at(600)}, Duration(5'000));
  CHECK_FALSE(judged(600).checks[0].paused);
  static_cast<void>(begin("db", at(603)));
  CHECK(judged(605).checks[0].status == Status::pass);
  CHECK(judged(605.1).checks[0].status == Status::fail);
}

TEST_CASE_FIXTURE(Fixture, "idleness: is published when it changes, and only then") {
  configure({});
  const auto before = board.latest()->generation;
  IdleState idle;
  idle.kept_by = "hold";
  board.set_idle(idle, at(1));
  CHECK(board.latest()->generation == before + 1);
  CHECK(board.latest()->idle->kept_by == "hold");
  board.set_idle(idle, at(2));
  CHECK(board.latest()->generation == before + 1);
  board.set_idle(std::nullopt, at(3));
  CHECK_FALSE(board.latest()->idle);
}

TEST_CASE_FIXTURE(Fixture,
                  "history: the board keeps results, failures and changes as they happen") {
  configure({test::spec("db")});
  tell("db", passed("ok"), 1);
  for (const double now : {11.0, 13.0, 15.0}) tell("db", down(), now);
  const CheckHistory db = board.history().of("db");
  REQUIRE(db.results.size() == 4);
  CHECK(db.results[0].outcome == Outcome::fail);
  CHECK(db.results[0].reason == Reason::refused);
  CHECK(db.results[0].at == at(15).wall);
  CHECK(db.results[0].duration == std::chrono::milliseconds(100));
  CHECK(db.results[3].outcome == Outcome::pass);
  REQUIRE(db.failures.size() == 3);
  CHECK(db.failures[0].detail == "connection refused");

  const auto changes = board.history().transitions();
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].check == "db");
  CHECK(changes[0].from == Status::pass);
  CHECK(changes[0].to == Status::fail);
  CHECK(changes[0].reason == Reason::refused);
  CHECK(changes[0].lasted == std::chrono::seconds(14));
  CHECK(changes[1].from == Status::unknown);
  const auto verdicts = board.history().verdicts();
  REQUIRE(verdicts.size() == 2);
  CHECK(verdicts[0].to == Status::fail);
  CHECK(verdicts[0].detail == "db: connection refused");
}

TEST_CASE_FIXTURE(Fixture, "history: what time alone turned stale is a change, too") {
  configure({test::spec("db")});
  tell("db", passed("ok"), 1);
  board.tick(at(40));
  const auto changes = board.history().transitions();
  REQUIRE(!changes.empty());
  CHECK(changes[0].reason == Reason::stale);
  CHECK(changes[0].at == at(40).wall);
  CHECK(board.history().of("db").results.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "history: an overrun counts once; what came too late is left out") {
  configure({test::spec("db")});
  const auto attempt = begin("db", at(1));
  board.overrun(*attempt, at(1), at(6));
  CHECK_FALSE(board.finish(*attempt, sample(passed("late"), 9)));
  const CheckHistory db = board.history().of("db");
  REQUIRE(db.results.size() == 1);
  CHECK(db.results[0].reason == Reason::timeout);
  CHECK(db.results[0].duration == std::chrono::seconds(5));
}

TEST_CASE_FIXTURE(Fixture, "history: a reload keeps it for unchanged checks alone") {
  configure({test::spec("db"), test::spec("app"), test::spec("old")});
  for (const char* name : {"db", "app", "old"}) tell(name, passed(""), 1);
  auto app = test::spec("app");
  app->fingerprint = "app with another url";
  configure({app, test::spec("db")}, 2);
  CHECK(board.history().of("db").results.size() == 1);
  CHECK(board.history().of("app").results.empty());
  CHECK(board.history().of("old").results.empty());
  CHECK(board.history().transitions().size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "startup: without such a check the first round sets the latch") {
  configure({test::spec("a"), test::spec("b")});
  tell("a", down(), 1);
  CHECK_FALSE(judged(1).startup);
  tell("b", internal_error("x"), 1);
  CHECK(judged(1).startup);

  Fixture empty;
  empty.configure({});
  CHECK(empty.judged(0).startup);
  CHECK(empty.judged(0).ready);
  CHECK(empty.judged(0).verdict == Status::pass);
}

TEST_CASE_FIXTURE(
    Fixture, "resume: old results stand for five seconds, attempts before it are thrown away") {
  configure({test::spec("db")});
  tell("db", passed(""), 1);
  const auto attempt = begin("db", at(11));
  CHECK(judged(600).verdict == Status::fail);
  board.resume({at(11.5).mono, at(600)}, Duration(5'000));
  CHECK_FALSE(board.finish(*attempt, sample(down(), 600.1)));
  CHECK(judged(604).verdict == Status::pass);
  CHECK_FALSE(judged(604).stuck);
  CHECK(judged(605.1).verdict == Status::fail);
  CHECK(board.latest()->resumes == 1);
  tell("db", passed(""), 601);
  CHECK(judged(630).verdict == Status::pass);
}

TEST_CASE_FIXTURE(Fixture,
                  "resume: one evidence gets one grace, however often the Machine resumes") {
  configure({test::spec("db")});
  tell("db", passed(""), 1);
  for (const double now : {100.0, 102.0, 104.0}) {
    board.resume({at(now - 0.5).mono, at(now)}, Duration(5'000));
    CHECK(judged(now + 0.1).verdict == Status::pass);
  }
  // 1.5 s, 1.5 s and 1 s of the five are used up; long sleeps between them cost nothing.
  board.resume({at(105).mono, at(9'000)}, Duration(5'000));
  CHECK(judged(9'000.9).verdict == Status::pass);
  CHECK(judged(9'001.1).verdict == Status::fail);
  board.resume({at(9'002).mono, at(9'100)}, Duration(5'000));
  CHECK(judged(9'100.1).checks[0].reason == Reason::stale);
  tell("db", passed(""), 9'101);
  board.resume({at(9'102).mono, at(9'200)}, Duration(5'000));
  CHECK(judged(9'204.9).verdict == Status::pass);
}

TEST_CASE_FIXTURE(Fixture, "resume: an attempt that takes longer than the grace ends a mere gap") {
  auto slow = test::spec("slow");
  slow->timeout = Duration(8'000);
  configure({slow});
  tell("slow", passed(""), 1);
  board.resume({at(2).mono, at(3)}, Duration(5'000));
  const auto attempt = begin("slow", at(3));
  events.clear();
  // Evidence of two seconds ago, but from before the gap: five seconds are all it gets.
  CHECK(judged(7.9).verdict == Status::pass);
  CHECK(judged(8.1).checks[0].reason == Reason::stale);
  CHECK(judged(8.1).live);
  CHECK_FALSE(judged(8.1).stuck);
  board.tick(at(8.1));
  CHECK(board.latest()->checks[0]->status == Status::pass);

  SUBCASE("one pass is enough, and no transition is counted") {
    board.finish(*attempt, sample(passed(""), 10));
    CHECK(judged(10).verdict == Status::pass);
    CHECK(events == Texts{"verdict pass>fail", "fail_open 1", "verdict fail>pass", "fail_open 0"});
  }
  SUBCASE("a failure does not bring the old status back") {
    board.finish(*attempt, sample(down(), 10));
    CHECK(judged(10).checks[0].status == Status::fail);
    CHECK(judged(10).checks[0].reason == Reason::refused);
    tell("slow", passed(""), 12);
    CHECK(judged(12).checks[0].status == Status::fail);
    tell("slow", passed(""), 14);
    CHECK(judged(14).checks[0].status == Status::pass);
  }
  SUBCASE("without any result it turns to fail once the attempt had its time") {
    board.tick(at(11.9));
    CHECK(board.latest()->checks[0]->status == Status::pass);
    board.tick(at(12.1));
    CHECK(board.latest()->checks[0]->status == Status::fail);
    CHECK(board.latest()->checks[0]->reason == Reason::stale);
  }
}

TEST_CASE_FIXTURE(
    Fixture,
    "reload: unchanged checks keep their state, changed ones start anew and don't count yet") {
  configure({test::spec("db"), test::spec("app")});
  for (const double now : {1.0, 3.0, 5.0}) tell("db", down(), now);
  tell("app", passed(""), 5);
  const auto attempt = begin("db", at(6));

  auto app = test::spec("app");
  app->fingerprint = "app with another url";
  configure({test::spec("new"), app, test::spec("db")}, 7);
  const auto snapshot = board.latest();
  REQUIRE(snapshot->checks.size() == 3);
  CHECK(snapshot->checks[0]->status == Status::unknown);
  CHECK(snapshot->checks[1]->status == Status::unknown);
  CHECK(snapshot->checks[2]->status == Status::fail);
  CHECK(snapshot->checks[2]->failures_in_a_row == 3);
  CHECK(board.finish(*attempt, sample(passed(""), 8)));
  tell("db", passed(""), 9);
  CHECK(judged(9).verdict == Status::pass);
  for (const double now : {10.0, 12.0, 14.0}) tell("new", down(), now);
  CHECK(judged(14).verdict == Status::fail);

  // The thread of the check as it was before: the reload ends it a moment later.
  CHECK_FALSE(board.begin(*test::spec("app"), at(14)));
  CHECK(board.begin(*app, at(14)));

  configure({app}, 15);
  CHECK_FALSE(begin("db", at(16)));
  CHECK_FALSE(board.wants_retry("db"));
}

TEST_CASE_FIXTURE(Fixture, "reload: a failing check that changed fails until it passed once") {
  configure({test::spec("db")});
  tell("db", passed("ok"), 1);
  for (const double now : {10.0, 12.0, 14.0}) tell("db", down(), now);
  REQUIRE(judged(14).verdict == Status::fail);
  events.clear();

  configure({changed("db")}, 15);
  CHECK(judged(15).verdict == Status::fail);
  const auto& state = *board.latest()->checks[0];
  CHECK(state.reason == Reason::refused);
  CHECK(state.since.mono == at(10).mono);
  CHECK(state.failures_in_a_row == 3);
  CHECK(state.last_pass == at(1).wall);
  CHECK(state.counters.attempts[static_cast<std::size_t>(Outcome::fail)] == 0);
  // A reload is no transition, and a setting that can't work is no evidence.
  CHECK(events.empty());
  tell("db", failed(Reason::internal, "no CA bundle"), 16);
  CHECK(judged(16).verdict == Status::fail);
  events.clear();

  SUBCASE("one pass is enough, as for a check that is unknown") {
    tell("db", passed("ok"), 17);
    CHECK(judged(17).verdict == Status::pass);
    CHECK(events.front() == "db fail>pass");
  }
  SUBCASE("after a failure of its own it takes as many as of any check") {
    tell("db", down(), 17);
    CHECK(board.latest()->checks[0]->failures_in_a_row == 4);
    CHECK(board.latest()->checks[0]->since.mono == at(10).mono);
    tell("db", passed("ok"), 18);
    CHECK(judged(18).verdict == Status::fail);
    tell("db", passed("ok"), 19);
    CHECK(judged(19).verdict == Status::pass);
  }
  SUBCASE("another reload changes nothing about that") {
    auto again = test::spec("db");
    again->fingerprint = "db with a third url";
    configure({again}, 20);
    CHECK(judged(20).verdict == Status::fail);
  }
}

TEST_CASE_FIXTURE(Fixture, "reload: what readers saw stale is a failure, too, when it changes") {
  configure({test::spec("db")});
  tell("db", passed("ok"), 1);
  REQUIRE(judged(37).verdict == Status::fail);
  // Nobody has announced it: the keeper hangs.
  configure({changed("db")}, 37);
  CHECK(judged(37).verdict == Status::fail);
  CHECK(judged(37).checks[0].reason == Reason::stale);
  tell("db", passed("ok"), 38);
  CHECK(judged(38).verdict == Status::pass);
}

TEST_CASE_FIXTURE(Fixture, "reload: a check that held the verdict down unknown goes on doing so") {
  configure({test::spec("db")});
  tell("db", down(), 1);
  REQUIRE(judged(1).verdict == Status::fail);
  configure({changed("db"), test::spec("new")}, 2);
  CHECK(judged(2).verdict == Status::fail);
  CHECK(judged(2).checks[0].status == Status::unknown);
  tell("db", passed("ok"), 3);
  CHECK(judged(3).verdict == Status::pass);  // whatever the new one is
}

TEST_CASE_FIXTURE(Fixture, "reload: a failing check that became a heartbeat starts anew") {
  static const KindSpec heartbeat{.name = "heartbeat", .counts_while_unknown = false};
  configure({test::spec("nightly")});
  for (const double now : {1.0, 3.0, 5.0}) tell("nightly", down(), now);
  auto fed = changed("nightly");
  fed->kind = &heartbeat;
  configure({fed}, 6);
  CHECK(judged(6).checks[0].status == Status::unknown);
  CHECK(judged(6).verdict == Status::pass);

  // One that was not fed in time, and need not have been under its new config.
  tell("nightly", down(), 7);
  tell("nightly", down(), 8);
  tell("nightly", down(), 9);
  REQUIRE(judged(9).verdict == Status::fail);
  auto patient = std::make_shared<CheckSpec>(*fed);
  patient->fingerprint = "nightly without first_within";
  configure({patient}, 10);
  CHECK(judged(10).verdict == Status::fail);
  auto waiting = undecided("no call since the agent started, 25h are allowed");
  waiting.ask_again_in = std::chrono::hours(25);
  tell("nightly", waiting, 11);
  CHECK(judged(11).verdict == Status::fail);  // another setting was edited
  events.clear();
  tell("nightly", undecided("no call since the agent started"), 12);
  CHECK(judged(12).verdict == Status::pass);
  CHECK(judged(12).checks[0].status == Status::unknown);
  CHECK(events.front() == "nightly fail>unknown");
  const auto from = static_cast<std::size_t>(Status::fail);
  const auto to = static_cast<std::size_t>(Status::unknown);
  CHECK(board.latest()->checks[0]->counters.transitions[from][to] == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "reload: a failure that weighed less before does not count after an edit") {
  auto info = test::spec("db");
  info->impact = Impact::info;
  configure({info});
  for (const double now : {1.0, 3.0, 5.0}) tell("db", down(), now);
  REQUIRE(judged(5).verdict == Status::pass);
  auto spec = changed("db");
  SUBCASE("info becomes critical") { spec->impact = Impact::critical; }
  SUBCASE("nobody's liveness becomes liveness") {
    spec->impact = Impact::info;
    spec->live = true;
  }
  configure({spec}, 6);
  CHECK(judged(6).checks[0].status == Status::unknown);
  CHECK(judged(6).verdict == Status::pass);
}

TEST_CASE_FIXTURE(Fixture,
                  "reload: a group waits for a member that changed, and keeps its status") {
  auto search = std::make_shared<CheckSpec>(*test::spec("search"));
  search->kind = &group_kind();
  search->members = {"a", "b"};
  search->need = 1;
  const auto member = [](std::shared_ptr<CheckSpec> spec) {
    spec->impact = Impact::info;
    return spec;
  };
  configure({member(test::spec("a")), member(test::spec("b")), search});
  for (const double now : {1.0, 3.0, 5.0}) tell("a", down(), now);
  tell("b", passed("ok"), 5);
  REQUIRE(judged(5).verdict == Status::pass);
  configure({member(test::spec("a")), member(changed("b")), search}, 6);
  CHECK(judged(6).verdict == Status::pass);
  for (const double now : {7.0, 8.0, 9.0}) tell("b", down(), now);
  CHECK(judged(9).verdict == Status::fail);
  configure({member(test::spec("a")), member(test::spec("b")), search}, 10);
  CHECK(judged(10).verdict == Status::fail);
  tell("b", passed("ok"), 11);
  CHECK(judged(11).verdict == Status::pass);
}

TEST_CASE_FIXTURE(Fixture,
                  "reload: a group whose members start anew unfed does not go on failing") {
  static const KindSpec heartbeat{.name = "heartbeat", .counts_while_unknown = false};
  const auto member = [](const std::string& fingerprint) {
    auto spec = std::make_shared<CheckSpec>(*test::spec("nightly"));
    spec->kind = &heartbeat;
    spec->impact = Impact::info;
    spec->fingerprint = fingerprint;
    return spec;
  };
  auto jobs = std::make_shared<CheckSpec>(*test::spec("jobs"));
  jobs->kind = &group_kind();
  jobs->members = {"nightly"};
  jobs->need = 1;
  configure({member("with first_within"), jobs});
  for (const double now : {1.0, 3.0, 5.0}) tell("nightly", down(), now);
  REQUIRE(judged(5).verdict == Status::fail);
  configure({member("without"), jobs}, 6);
  CHECK(judged(6).verdict == Status::fail);
  tell("nightly", undecided("no call since the agent started"), 7);
  CHECK(judged(7).checks[1].status == Status::unknown);
  CHECK(judged(7).verdict == Status::pass);
}

TEST_CASE("board: whoever asks other Machines hears of each attempt of a streak, and of its end") {
  StatusBoard board(at(0), nullptr);
  int heard = 0;
  board.follow_streaks([&] { ++heard; });
  const auto db = test::spec("db");
  board.set_checks({db}, SharedRule::fleet, at(0));
  const auto tell = [&](ProbeResult result, double now) {
    const auto attempt = board.begin(*db, at(now));
    REQUIRE(attempt);
    REQUIRE(board.finish(*attempt, sample(std::move(result), now)));
    return heard;
  };
  CHECK(tell(passed(""), 1) == 0);
  CHECK(tell(down(), 2) == 1);
  CHECK(tell(down(), 3) == 2);
  CHECK(tell(passed(""), 4) == 3);
  CHECK(tell(passed(""), 5) == 3);
  const auto attempt = board.begin(*db, at(6));
  REQUIRE(attempt);
  board.overrun(*attempt, at(6), at(11));
  CHECK(heard == 4);
}

TEST_CASE(
    "board: a failure that turns a check at once is tried again soon: others are to be asked") {
  for (const bool others : {true, false}) {
    CAPTURE(others);
    StatusBoard board(at(0), nullptr);
    board.expect_fleet(others);
    const auto db = test::spec("db");
    const auto app = test::spec("app");
    const auto cache = test::spec("cache");
    app->scope = Scope::local;
    cache->impact = Impact::degraded;
    board.set_checks({db, app, cache}, SharedRule::fleet, at(0));
    for (const auto& spec : {db, app, cache}) {
      spec->fall = 1;
      const auto attempt = board.begin(*spec, at(1));
      REQUIRE(attempt);
      REQUIRE(board.finish(*attempt, sample(down(), 1)));
    }
    CHECK(board.wants_retry("db") == others);
    CHECK_FALSE(board.wants_retry("app"));
    CHECK_FALSE(board.wants_retry("cache"));
    CHECK(judge(*board.latest(), at(1).mono).ready == false);  // the local one
    // Whoever asked has nothing to say.
    board.set_fleet({}, at(2));
    CHECK_FALSE(board.wants_retry("db"));
  }
}

}  // namespace
}  // namespace vitals
