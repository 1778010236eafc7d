// Thresholds as tables: which samples lead to which status.
#include "agent/verdict/health_state.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;
using test::sample;

ProbeResult result_of(char letter) {
  switch (letter) {
    case 'p':
      return passed("ok");
    case 'w':
      return warned(Reason::slow, "slow");
    case 'f':
      return failed(Reason::refused, "refused");
    case 'i':
      return internal_error("no CA bundle");
    case 'n':
      return undecided("nobody has called in yet");
    default: {
      ProbeResult gone = failed(Reason::exited, "gone");
      gone.decisive = true;
      return gone;
    }
  }
}

struct Row {
  const char* samples;   // p pass, w warn, f fail, i internal, n undecided, d decisive fail
  const char* statuses;  // after each: u unknown, p, w, f
  int fall = 3;
  int rise = 2;
};

TEST_CASE("thresholds: each row of samples leads to its row of statuses") {
  const std::vector<Row> rows{
      {"p", "p"},
      {"w", "w"},
      {"f", "u"},
      {"fff", "uuf"},
      {"ffp", "uup"},
      {"pff", "ppp"},
      {"pfff", "pppf"},
      {"pffpff", "pppppp"},
      {"pffwfff", "pppwwwf"},
      {"fffp", "uuff"},
      {"fffpp", "uuffp"},
      {"fffpfpp", "uuffffp"},
      {"fffww", "uuffw"},
      {"fffpw", "uuffw"},
      {"fffwp", "uuffp"},
      {"pwp", "pwp"},
      {"pd", "pf"},
      {"d", "f"},
      {"dpp", "ffp"},
      {"n", "u"},
      {"nnp", "uup"},
      {"pnn", "ppp"},
      {"fffnp", "uufff"},
      {"i", "u"},
      {"iii", "uuu"},
      {"pii", "ppp"},
      {"pfiff", "ppppf"},
      {"fffip", "uufff"},
      {"fffipp", "uufffp"},
      {"f", "f", 1, 1},
      {"fp", "fp", 1, 1},
      {"ffffpppp", "uuuffffp", 4, 4},
  };
  for (const Row& row : rows) {
    CAPTURE(row.samples);
    auto spec = test::spec("c");
    spec->fall = row.fall;
    spec->rise = row.rise;
    CheckState state = fresh_state(spec, at(0));
    std::string statuses;
    double now = 0;
    for (const char* letter = row.samples; *letter != '\0'; ++letter) {
      apply_sample(state, sample(result_of(*letter), now += 2));
      statuses += to_label(state.status)[0];
    }
    CHECK(statuses == row.statuses);
  }
}

TEST_CASE("thresholds: a status carries the reason of the evidence behind it") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  apply_sample(state, sample(passed("200"), 1));
  apply_sample(state, sample(failed(Reason::refused, "connection refused"), 11));
  CHECK(state.status == Status::pass);
  CHECK(state.reason == Reason::none);
  CHECK(state.detail == "200");
  CHECK(state.failures_in_a_row == 1);
  CHECK(state.last->result.detail == "connection refused");
  apply_sample(state, sample(failed(Reason::reset, "reset"), 13));
  apply_sample(state, sample(failed(Reason::timeout, "silent"), 15));
  CHECK(state.reason == Reason::timeout);
  CHECK(state.detail == "silent");
  // It began with the first of them, and three of them changed the status.
  CHECK(state.since.mono == at(11).mono);
  CHECK(state.since.wall == at(11).wall);
  CHECK(state.changed.mono == at(15).mono);
  apply_sample(state, sample(passed("200"), 17));
  CHECK(state.status == Status::fail);
  CHECK(state.reason == Reason::timeout);
  CHECK(*state.last_pass == at(17).wall);
}

TEST_CASE("thresholds: one success among failures begins a new streak, and the outage goes on") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  apply_sample(state, sample(passed("200"), 1));
  for (const double seconds : {11., 13., 15.}) apply_sample(state, sample(result_of('f'), seconds));
  apply_sample(state, sample(passed("200"), 25));
  apply_sample(state, sample(result_of('f'), 27));
  CHECK(state.status == Status::fail);
  CHECK(state.since.mono == at(11).mono);
  CHECK(state.streak_began.wall == at(27).wall);
  apply_sample(state, sample(passed("200"), 37));
  apply_sample(state, sample(passed("200"), 39));
  CHECK(state.status == Status::pass);
  CHECK(state.since.mono == at(39).mono);
  CHECK(state.changed.mono == at(39).mono);
}

TEST_CASE("thresholds: changes and first failures of a streak are told once") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  CHECK(apply_sample(state, sample(passed(""), 1)).from == Status::unknown);
  CHECK_FALSE(apply_sample(state, sample(passed(""), 2)).from.has_value());
  CHECK(apply_sample(state, sample(result_of('f'), 3)).first_failure);
  CHECK_FALSE(apply_sample(state, sample(result_of('f'), 4)).first_failure);
  const Fold third = apply_sample(state, sample(result_of('f'), 5));
  CHECK_FALSE(third.first_failure);
  CHECK(third.from == Status::pass);
  const Fold internal = apply_sample(state, sample(result_of('i'), 6));
  CHECK(internal.internal);
  CHECK_FALSE(apply_sample(state, sample(result_of('i'), 7)).internal);
  CHECK_FALSE(internal.first_failure);
}

TEST_CASE("thresholds: counters count attempts, failures by reason and transitions") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  double now = 0;
  for (const char letter : std::string("pwfffipp")) {
    apply_sample(state, sample(result_of(letter), now += 1));
  }
  CHECK(state.counters.attempts == std::array<std::uint64_t, 3>{3, 1, 4});
  CHECK(state.counters.failures[static_cast<std::size_t>(Reason::refused)] == 3);
  CHECK(state.counters.failures[static_cast<std::size_t>(Reason::internal)] == 1);
  const auto moved = [&](Status from, Status to) {
    return state.counters.transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
  };
  CHECK(moved(Status::unknown, Status::pass) == 1);
  CHECK(moved(Status::pass, Status::warn) == 1);
  CHECK(moved(Status::warn, Status::fail) == 1);
  CHECK(moved(Status::fail, Status::pass) == 1);
  CHECK(state.counters.durations.count() == 8);
  CHECK(state.counters.durations.sum == doctest::Approx(0.8));
}

TEST_CASE("retry: asked for while the last evidence disagrees with the status") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  CHECK_FALSE(disagrees(state));
  const std::string samples = "fffppfpp";
  const std::string retries = "yynynynn";
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CAPTURE(i);
    apply_sample(state, sample(result_of(samples[i]), 1.0 + static_cast<double>(i)));
    CHECK(disagrees(state) == (retries[i] == 'y'));
  }
}

TEST_CASE("staleness: a result older than three intervals and a timeout is no evidence") {
  CheckState state = fresh_state(test::spec("c"), at(0));
  apply_sample(state, sample(passed(""), 10));
  CHECK_FALSE(is_stale(state, at(45).mono));
  CHECK(is_stale(state, at(45.001).mono));

  SUBCASE("and expires into fail(stale), from which rise successes lead back") {
    CHECK(expire(state, at(46)).from == Status::pass);
    CHECK(state.status == Status::fail);
    CHECK(state.reason == Reason::stale);
    apply_sample(state, sample(result_of('f'), 47));
    CHECK(state.status == Status::fail);
    apply_sample(state, sample(passed(""), 48));
    CHECK(state.status == Status::fail);
    apply_sample(state, sample(passed(""), 49));
    CHECK(state.status == Status::pass);
  }
  SUBCASE("internal outcomes don't keep it fresh, and say why it went stale") {
    apply_sample(state, sample(internal_error("no CA bundle found"), 44));
    CHECK(is_stale(state, at(46).mono));
    expire(state, at(46));
    CHECK(state.detail == "no result for 36s; no CA bundle found");
  }
  SUBCASE("having nothing to say yet keeps it fresh") {
    apply_sample(state, sample(undecided(""), 44));
    CHECK_FALSE(is_stale(state, at(46).mono));
    CHECK(state.counters.attempts == std::array<std::uint64_t, 3>{1, 0, 0});
  }
  SUBCASE("a resume makes it fresh for the grace and no longer") {
    refresh(state, {at(11).mono, at(100)}, Duration(5'000));
    CHECK_FALSE(is_stale(state, at(104.9).mono));
    CHECK(is_stale(state, at(105.1).mono));
  }
  SUBCASE("a resume leaves the grace of evidence that is young on our clock, too") {
    refresh(state, {at(11).mono, at(12)}, Duration(5'000));
    CHECK_FALSE(is_stale(state, at(16.9).mono));
    CHECK(is_stale(state, at(17.1).mono));
    CHECK_FALSE(expire(state, at(17.1)).from);
    apply_sample(state, sample(passed(""), 17.5));
    CHECK(state.status == Status::pass);
    CHECK_FALSE(is_stale(state, at(50).mono));
  }
}

}  // namespace
}  // namespace vitals
