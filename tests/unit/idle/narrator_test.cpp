// Which changes of idleness the log tells, and when.
#include "agent/idle/narrator.hpp"

#include <doctest/doctest.h>

#include "tests/support/verdict_fixture.hpp"

namespace vitals::idle {
namespace {

using test::at;

Idleness work(Keeps keeps, const std::string& why) { return {.keeps = keeps, .why = why}; }

Idleness idle_since(double seconds, Keeps keeps = Keeps::nothing) {
  return {.quiet_since = at(seconds).mono, .idle = true, .keeps = keeps, .why = "because"};
}

/// "" when nothing is said; else message and fields.
std::string said(Narrator& narrator, const Idleness& idleness, double now) {
  const auto line = narrator.tell(idleness, at(now).mono);
  if (!line) return {};
  std::string text = line->message;
  for (const LogField& field : line->fields)
    text += " " + std::string(field.key) + "=" + field.value;
  return text;
}

TEST_CASE("narrator: says the first state and each change of the reason, once") {
  Narrator narrator;
  CHECK(said(narrator, work(Keeps::connections, "3 connections"), 0) ==
        "not idle kept_by=connections detail=3 connections");
  CHECK(said(narrator, work(Keeps::connections, "4 connections"), 90).empty());
  CHECK(said(narrator, work(Keeps::hold, "hold 'x'"), 91) ==
        "not idle kept_by=hold detail=hold 'x'");
  CHECK(said(narrator, idle_since(100), 400) == "idle since=5m00s");
  CHECK(said(narrator, idle_since(100), 401).empty());
}

TEST_CASE("narrator: to and fro between work and quiet is four lines, then one a minute") {
  Narrator narrator;
  CHECK_FALSE(said(narrator, work(Keeps::quiet_too_short, "quiet"), 0).empty());
  int lines = 0;
  const auto swing = [&](double begin, double end) {
    lines = 0;
    for (double now = begin; now < end; ++now) {
      const bool even = static_cast<int>(now) % 2 == 0;
      const auto keeps = even ? Keeps::quiet_too_short : Keeps::connections;
      lines += said(narrator, work(keeps, "x"), now).empty() ? 0 : 1;
    }
  };
  swing(1, 60);
  CHECK(lines == 4);
  swing(60, 660);
  CHECK(lines == 10);
  // Whatever was said last: what stands is told when it may be.
  CHECK(said(narrator, work(Keeps::hold, "hold 'x'"), 660).empty());
  CHECK(said(narrator, work(Keeps::hold, "hold 'x'"), 700) ==
        "not idle kept_by=hold detail=hold 'x'");
  // A long calm gives no more than four back.
  swing(10'001, 10'050);
  CHECK(lines == 4);
}

TEST_CASE("narrator: idle, and its end, are told at once, with what keeps the Machine up") {
  Narrator narrator;
  CHECK_FALSE(said(narrator, work(Keeps::connections, "1 connection"), 0).empty());
  CHECK(said(narrator, idle_since(1, Keeps::min_uptime), 3) ==
        "idle, but it stays up since=2s kept_by=min_uptime detail=because");
  CHECK(said(narrator, idle_since(1, Keeps::unhealthy), 4) ==
        "idle, but it stays up since=3s kept_by=unhealthy detail=because");
  CHECK_FALSE(said(narrator, work(Keeps::connections, "1 connection"), 5).empty());
}

TEST_CASE("narrator: what was asked for or refused has been told by whoever asked") {
  Narrator narrator;
  CHECK(said(narrator, idle_since(0, Keeps::refused), 10).empty());
  CHECK(said(narrator, idle_since(0), 40) == "idle since=40s");
}

}  // namespace
}  // namespace vitals::idle
