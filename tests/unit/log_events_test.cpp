// Events of the board as log lines: level, words and keys, one row per kind of event.
#include "agent/log_events.hpp"

#include <doctest/doctest.h>

#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

constexpr std::array<std::string_view, 5> level_names{"trace", "debug", "info", "warn", "error"};

/// "warn check failed | check=db status=fail"; numbers are marked with '#'.
std::string shown(const LogLine& line) {
  std::string text(level_names[static_cast<std::size_t>(line.level)]);
  text += " " + line.message + " |";
  for (const LogField& field : line.fields) {
    text += " " + std::string(field.key) + "=" + (field.number ? "#" : "") + field.value;
  }
  return text;
}

struct Change {
  Status from = Status::pass;
  Status to = Status::fail;
  Impact impact = Impact::critical;
  Reason reason = Reason::none;
  std::string detail{};
};

Event event_of(Event::Type type, const Change& change) {
  Event event;
  event.type = type;
  event.check = "db";
  event.from = change.from;
  event.to = change.to;
  event.impact = change.impact;
  event.reason = change.reason;
  event.detail = change.detail;
  event.since = std::chrono::seconds(200);
  event.duration = std::chrono::microseconds(4'120);
  return event;
}

std::string transition(const Change& change) {
  return shown(describe_event(event_of(Event::Type::transition, change)));
}

Event of_machine(Event::Type type, bool on) {
  Event event;
  event.type = type;
  event.on = on;
  return event;
}

TEST_SUITE("log events") {
  TEST_CASE(
      "log events: a transition names check, status, reason, detail, how long it was before") {
    CHECK(transition({.reason = Reason::timeout, .detail = "no reply"}) ==
          "warn check failed | check=db status=fail reason=timeout detail=no reply since=3m20s "
          "duration_ms=#4.1");
    CHECK(transition({.from = Status::fail, .to = Status::pass, .detail = "PONG"}) ==
          "info check recovered | check=db status=pass detail=PONG since=3m20s duration_ms=#4.1");
    CHECK(transition({.from = Status::fail, .to = Status::warn, .reason = Reason::slow}) ==
          "warn check recovered with a warning | check=db status=warn reason=slow since=3m20s "
          "duration_ms=#4.1");
    CHECK(transition({.from = Status::pass, .to = Status::warn, .reason = Reason::slow})
              .starts_with("warn check warns |"));
    CHECK(transition({.from = Status::unknown, .to = Status::pass})
              .starts_with("info check passes |"));
    CHECK(transition({.from = Status::warn, .to = Status::pass})
              .starts_with("info check passes again |"));
  }

  TEST_CASE("log events: what does not count is told at info") {
    CHECK(transition({.impact = Impact::info, .reason = Reason::timeout})
              .starts_with("info check failed |"));
    CHECK(transition({.impact = Impact::degraded, .reason = Reason::timeout})
              .starts_with("warn check failed |"));
  }

  TEST_CASE("log events: the first failure of a streak keeps the status; internal is an error") {
    CHECK(shown(describe_event(
              event_of(Event::Type::first_failure, {.from = Status::pass,
                                                    .to = Status::pass,
                                                    .reason = Reason::refused,
                                                    .detail = "connection refused"}))) ==
          "warn first failure | check=db status=pass reason=refused detail=connection refused "
          "duration_ms=#4.1");
    CHECK(shown(describe_event(event_of(Event::Type::internal, {.from = Status::pass,
                                                                .to = Status::pass,
                                                                .reason = Reason::internal,
                                                                .detail = "no CA bundle"}))) ==
          "error check can't be asked | check=db status=pass reason=internal detail=no CA bundle "
          "duration_ms=#4.1");
  }

  TEST_CASE("log events: a remark of a probe is information, whatever the status") {
    CHECK(shown(describe_event(
              event_of(Event::Type::remark,
                       {.from = Status::pass, .to = Status::pass, .detail = "INFO is denied"}))) ==
          "info remark | check=db status=pass detail=INFO is denied duration_ms=#4.1");
  }

  TEST_CASE("log events: the verdict is an error when it fails") {
    Event event = event_of(Event::Type::verdict, {.reason = Reason::timeout, .detail = "db: slow"});
    event.check.clear();
    event.duration = {};
    CHECK(shown(describe_event(event)) ==
          "error verdict changed | status=fail reason=timeout detail=db: slow since=3m20s");
    event.to = Status::warn;
    CHECK(shown(describe_event(event)).starts_with("warn verdict changed |"));
    event.from = Status::unknown;
    event.to = Status::pass;
    CHECK(shown(describe_event(event)).starts_with("info first verdict |"));
  }

  TEST_CASE("log events: a mute is loud and says for how long, its end says why") {
    CHECK(shown(describe_event(event_of(Event::Type::muted, {Status::pass, Status::pass}))) ==
          "warn check muted | check=db status=pass for=3m20s");
    Event ended;
    ended.type = Event::Type::unmuted;
    ended.check = "db";
    ended.from = ended.to = Status::fail;
    ended.reason = Reason::refused;
    ended.detail = "its time is over";
    CHECK(shown(describe_event(ended)) ==
          "info check counts again | check=db status=fail reason=refused detail=its time is over");
  }

  TEST_CASE("log events: resume, readiness and fail_open are one line each") {
    CHECK(shown(describe_event(of_machine(Event::Type::resumed, false))) ==
          "info resumed: every check is asked now |");
    CHECK(shown(describe_event(of_machine(Event::Type::ready, true))) == "info ready |");
    CHECK(shown(describe_event(of_machine(Event::Type::ready, false))) == "warn not ready |");
    CHECK(shown(describe_event(of_machine(Event::Type::fail_open, true)))
              .starts_with("warn ready on purpose although a shared critical check fails"));
    CHECK(shown(describe_event(of_machine(Event::Type::fail_open, false)))
              .starts_with("info fail-open has ended"));
  }

  TEST_CASE("log events: the summary counts checks by status, attempts and failures") {
    const Snapshot snapshot = failing_snapshot();
    CHECK(shown(describe_summary(snapshot, judge(snapshot, at(present).mono))) ==
          "info summary | status=fail unknown=#0 pass=#2 warn=#1 fail=#1 attempts=#8 failures=#4");
  }
}

}  // namespace
}  // namespace vitals::test
