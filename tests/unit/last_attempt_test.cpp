// The header in which a Machine tells others of a check's latest attempt.
#include "agent/verdict/last_attempt.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;

CheckState after(const ProbeResult& result) {
  CheckState state = fresh_state(test::spec("db"), at(0));
  apply_sample(state, test::sample(result, 10));
  return state;
}

std::string told(const CheckState& state, const Instant& now) {
  return write_last_attempt(state, {}, now);
}

TEST_CASE("last attempt: it tells outcome and ages, and reads what it wrote") {
  const std::string text = told(after(passed("ok")), at(12.5));
  CHECK(text == "pass; began_ms=2600; ended_ms=2500");
  const auto read = read_last_attempt(text);
  REQUIRE(read);
  CHECK(read->said == LastAttempt::Said::pass);
  CHECK(read->began == Duration(2'600));
  CHECK(read->ended == Duration(2'500));
  CHECK(told(after(failed(Reason::refused, "secret")), at(10)) == "fail; began_ms=100; ended_ms=0");
}

TEST_CASE("last attempt: a streak that nothing has ended yet still fails") {
  CheckState state = after(failed(Reason::refused, ""));
  apply_sample(state, test::sample(internal_error("a bug"), 12));
  CHECK(told(state, at(13)) == "none");
  apply_sample(state, test::sample(failed(Reason::refused, ""), 14));
  CHECK(told(state, at(14)).starts_with("fail; "));
  apply_sample(state, test::sample(passed(""), 16));
  CHECK(told(state, at(16)).starts_with("pass; "));
}

TEST_CASE("last attempt: what says nothing of the dependency now is none") {
  CHECK(told(fresh_state(test::spec("db"), at(0)), at(1)) == "none");
  CHECK(told(after(internal_error("a bug")), at(12)) == "none");
  CheckState resumed = after(passed(""));
  refresh(resumed, {at(11).mono, at(12)}, Duration(5'000));
  CHECK(told(resumed, at(12)) == "none");
  auto group = test::spec("any");
  group->members = {"db", "cache"};
  CHECK(told(fresh_state(group, at(0)), at(1)).empty());
  CheckJudgement unproven;
  unproven.unproven = true;
  CHECK(write_last_attempt(fresh_state(group, at(0)), unproven, at(1)) == "none");
}

TEST_CASE(
    "last attempt: it is as old as the clock says that went on while the Machine stood still") {
  const CheckState state = after(passed(""));
  Instant now = at(11);
  now.wall += std::chrono::hours(1);
  CHECK(told(state, now) == "pass; began_ms=3601100; ended_ms=3601000");
  now.wall -= std::chrono::hours(2);
  CHECK(told(state, now) == "pass; began_ms=1100; ended_ms=1000");
}

TEST_CASE("last attempt: only what it could have written is read") {
  CHECK(read_last_attempt("none")->said == LastAttempt::Said::none);
  CHECK(read_last_attempt("fail; began_ms=7; ended_ms=7")->said == LastAttempt::Said::fail);
  for (const char* odd :
       {"", "pass", "passed; began_ms=2; ended_ms=1", "pass; began_ms=; ended_ms=1",
        "pass; began_ms=2; ended_ms=", "pass; began_ms=2", "pass; ended_ms=1; began_ms=2",
        "pass; began_ms=-2; ended_ms=-3", "pass; began_ms=1; ended_ms=2", "none; began_ms=2",
        "pass; began_ms=2; ended_ms=1 ", "pass; began_ms=2.5; ended_ms=1",
        "pass; began_ms=999999999999999; ended_ms=1",
        "pass; began_ms=99999999999999999999; ended_ms=1", "pass;began_ms=2;ended_ms=1"}) {
    CAPTURE(odd);
    CHECK_FALSE(read_last_attempt(odd));
  }
}

}  // namespace
}  // namespace vitals
