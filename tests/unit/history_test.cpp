// The rings of results, failures and transitions: what they keep, in which order, within how much.
#include "agent/verdict/history.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <string>
#include <thread>
#include <vector>

#include <vitals/text.hpp>

#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool own_allocator = true;  // of the sanitizer: mallinfo2() says nothing
#else
constexpr bool own_allocator = false;
#endif

Sample took(double milliseconds, double seconds, ProbeResult result) {
  return {at(seconds - milliseconds / 1e3), at(seconds), std::move(result)};
}

TEST_CASE("history: the last 60 results and 5 failures are kept, newest first") {
  History history;
  for (int i = 0; i < 75; ++i) {
    const bool fails = i % 10 == 0;
    history.note_result(
        "db", took(5, i, fails ? failed(Reason::timeout, std::to_string(i)) : passed("ok")));
  }
  const CheckHistory db = history.of("db");
  REQUIRE(db.results.size() == results_kept);
  CHECK(db.results.front().at == at(74).wall);
  CHECK(db.results.back().at == at(15).wall);
  REQUIRE(db.failures.size() == failures_kept);
  CHECK(db.failures.front().detail == "70");
  CHECK(db.failures.back().detail == "30");
  CHECK(db.failures.front().result.reason == Reason::timeout);
  CHECK(history.of("nosuch").results.empty());
}

TEST_CASE("history: an undecided attempt is no result") {
  History history;
  history.note_result("beat", took(1, 1, undecided("nobody called yet")));
  CHECK(history.of("beat").results.empty());
}

TEST_CASE("history: the last 50 transitions of checks and of the verdict are kept apart") {
  History history;
  for (int i = 0; i < 60; ++i) {
    PastTransition transition;
    transition.at = at(i).wall;
    transition.check = "c" + std::to_string(i);
    history.note_transition(transition);
  }
  PastTransition verdict;
  verdict.to = Status::fail;
  history.note_transition(verdict);
  const auto changes = history.transitions();
  REQUIRE(changes.size() == transitions_kept);
  CHECK(changes.front().check == "c59");
  CHECK(changes.back().check == "c10");
  CHECK(history.verdicts().size() == 1);
}

TEST_CASE("history: p95 is the nearest rank among the attempts that did not fail") {
  const auto p95_of = [](const std::vector<double>& milliseconds) {
    CheckHistory history;
    for (const double value : milliseconds) {
      history.results.push_back({.duration = took(value, 100, passed("")).duration()});
    }
    history.results.push_back({.duration = std::chrono::seconds(5), .outcome = Outcome::fail});
    return history.p95();
  };
  CHECK_FALSE(p95_of({}));
  CHECK(p95_of({7})->count() / 1'000'000 == 7);
  std::vector<double> twenty;
  for (int i = 1; i <= 20; ++i) twenty.push_back(i);
  CHECK(p95_of(twenty)->count() / 1'000'000 == 19);
  twenty.push_back(21);
  CHECK(p95_of(twenty)->count() / 1'000'000 == 20);
}

TEST_CASE("history: 1,000 checks at their worst stay within the stated memory") {
  if (own_allocator) return;
  constexpr std::size_t checks = 1'000;
  const std::string longest(server_text_max, 'x');
  const std::size_t before = mallinfo2().uordblks;
  History history;
  for (std::size_t check = 0; check < checks; ++check) {
    const std::string name = "a-check-with-a-name-of-63-characters-" + std::to_string(check);
    for (std::size_t i = 0; i <= results_kept; ++i) {
      history.note_result(name, took(5, static_cast<double>(i), failed(Reason::status, longest)));
    }
    history.note_transition({.check = name, .detail = longest + longest});
    history.note_transition({.detail = longest + longest});
  }
  const std::size_t used = mallinfo2().uordblks - before;
  CHECK(used > checks * results_kept * sizeof(PastResult));
  CHECK(used < checks * history_bytes_per_check + history_bytes_shared);
}

TEST_CASE("history: readers and writers don't disturb each other") {
  History history;
  std::thread writer([&] {
    for (int i = 0; i < 5'000; ++i) {
      history.note_result("db", took(1, i, failed(Reason::timeout, "no answer")));
      if (i % 100 == 0) history.forget("db");
    }
  });
  for (int i = 0; i < 2'000; ++i) {
    const CheckHistory db = history.of("db");
    REQUIRE(db.results.size() <= results_kept);
    for (const PastFailure& failure : db.failures) REQUIRE(failure.detail == "no answer");
  }
  writer.join();
}

}  // namespace
}  // namespace vitals
