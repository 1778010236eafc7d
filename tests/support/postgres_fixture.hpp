// What the tests of the kind postgres share: a check of a URL, and an outcome in one line.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "tests/support/check_fixture.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {

inline ConfiguredCheck postgres_check(const std::string& url, const std::string& settings = {}) {
  return make_check("kind = \"postgres\"\nurl = \"" + url + "\"\n" + settings);
}

inline void expect(const ProbeResult& result, Outcome outcome, Reason reason,
                   const std::string& in_detail = {}) {
  INFO("detail: " << result.detail);
  CHECK(to_label(result.outcome) == to_label(outcome));
  CHECK(to_label(result.reason) == to_label(reason));
  CHECK(result.detail.find(in_detail) != std::string::npos);
}

inline void expect_pass(const ProbeResult& result) { expect(result, Outcome::pass, Reason::none); }

inline void expect_fail(const ProbeResult& result, Reason reason,
                        const std::string& in_detail = {}) {
  expect(result, Outcome::fail, reason, in_detail);
  CHECK(result.measurements.empty());
}

inline void expect_warn(const ProbeResult& result, Reason reason,
                        const std::string& in_detail = {}) {
  expect(result, Outcome::warn, reason, in_detail);
}

/// Postgres keeps this much of the deadline for its cancel request.
constexpr Duration cancel_reserve{50};

/// An attempt that must end at its deadline.
inline ProbeResult ask_until_deadline(const ConfiguredCheck& check, Duration timeout) {
  const Stopwatch watch;
  auto result = ask(check, timeout);
  INFO("detail: " << result.detail);
  check_ended_at(watch.took(), timeout, cancel_reserve);
  return result;
}

}  // namespace vitals::test
