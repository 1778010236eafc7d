// Kind heartbeat with real calls and real files: on time, late, never, from before, and from the
// future.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

ConfiguredCheck heartbeat(const std::string& more) {
  return test::make_check("kind = \"heartbeat\"\n" + more);
}

std::string mistakes_of(const std::string& body) {
  try {
    heartbeat(body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

void touch(const fs::path& file, std::chrono::seconds ago) {
  fs::last_write_time(file, fs::file_time_type::clock::now() - ago);
}

/// `seconds` before now, on the clock that calls are noted by.
Instant before_now(std::chrono::seconds ago) {
  Instant moment = Instant::now();
  moment.mono -= ago;
  return moment;
}

/// As the first attempt after the Machine has slept that long.
ProbeResult ask_after(const ConfiguredCheck& check, Sleep slept) {
  return check.probe->run(Attempt{.deadline = Deadline::after(Duration(2'000)), .slept = slept});
}

TEST_SUITE("heartbeat probe") {
  TEST_CASE("heartbeat: time that was slept through makes no call late, and no more than that") {
    const auto check = heartbeat("every = \"1h\"");
    check.signal(before_now(3h));
    // Two hours asleep, one awake and a little: late all the same.
    CHECK(ask_after(check, {2h, 2h}).reason == Reason::stale);
    const auto result = ask_after(check, {30min, 30min});
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail == "called 30m00s ago");
    // Told once, it counts for good.
    CHECK(test::ask(check).outcome == Outcome::pass);
    // A call after the sleep is not in the future by it.
    check.signal(Instant::now());
    const auto awake = ask_after(check, {8h, 8h});
    REQUIRE(awake.ask_again_in);
    CHECK(*awake.ask_again_in <= 1h + 1ms);
  }

  TEST_CASE("heartbeat: a suspend on the wall clock alone takes nothing off a call's age") {
    const auto check = heartbeat("every = \"1h\"");
    check.signal(before_now(2h));
    CHECK(ask_after(check, {0h, 8h}).reason == Reason::stale);
  }

  TEST_CASE("heartbeat: time that was slept through is no age of the file either") {
    const test::TempDir folder;
    const auto file = folder.write("done", "");
    const std::string settings = "every = \"1h\"\nfile = \"" + file.string() + "\"";
    touch(file, 9h);
    CHECK(ask_after(heartbeat(settings), {0h, 7h}).reason == Reason::stale);
    // Touched before the suspend, and first seen after it.
    const auto check = heartbeat(settings);
    CHECK(ask_after(check, {0h, 8h + 30min}).detail == "called 30m00s ago");
    CHECK(test::ask(check).outcome == Outcome::pass);
    // Seen before it: aged on the monotonic clock, which may have gone on.
    touch(file, 90min);
    const auto seen = heartbeat(settings);
    CHECK(test::ask(seen).reason == Reason::stale);
    CHECK(ask_after(seen, {1h, 1h}).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: time that was slept through is not taken off first_within") {
    const auto check = heartbeat("every = \"1h\"\nfirst_within = \"5ms\"");
    REQUIRE(test::eventually([&] { return !test::ask(check).undecided; }));
    const auto patient = heartbeat("every = \"1h\"\nfirst_within = \"1h\"");
    const auto waiting = ask_after(patient, {50min, 50min});
    REQUIRE(waiting.ask_again_in);
    CHECK(*waiting.ask_again_in > 59min);
    CHECK(ask_after(check, {1h, 1h}).undecided);
  }

  TEST_CASE("heartbeat: a critical one is waited for at startup only if it has to come") {
    const std::string critical = "every = \"1h\"\nimpact = \"critical\"\n";
    CHECK_FALSE(heartbeat(critical).spec->startup);
    CHECK(heartbeat(critical + "startup = true").spec->startup);
    CHECK(heartbeat(critical + "first_within = \"1h\"").spec->startup);
    CHECK_FALSE(heartbeat(critical + "first_within = \"1h\"\nstartup = false").spec->startup);
    CHECK_FALSE(heartbeat("every = \"1h\"\nfirst_within = \"1h\"").spec->startup);
  }

  TEST_CASE("heartbeat: until the first call there is nothing to say, however long") {
    const auto check = heartbeat("every = \"1ms\"");
    CHECK(test::eventually([&, end = Clock::now() + 20ms] {
      const auto result = test::ask(check);
      CHECK(result.undecided);
      return Clock::now() > end;
    }));
    CHECK(test::ask(check).detail == "no call since the agent started");
    CHECK_FALSE(check.spec->kind->counts_while_unknown);
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->scope == Scope::local);
  }

  TEST_CASE(
      "heartbeat: on time is pass and says when it may be late, overdue fails(stale) at once") {
    const auto check = heartbeat("every = \"1h\"\ngrace = \"10m\"");
    check.signal(before_now(1h));
    auto result = test::ask(check);
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail == "called 1h00m ago");
    REQUIRE(result.ask_again_in);
    CHECK(*result.ask_again_in > 590s);
    CHECK(*result.ask_again_in <= 600s + 1ms);
    REQUIRE(result.observed);
    CHECK(result.observed->value >= 3600);
    CHECK(result.observed->unit == "s");

    const auto late = heartbeat("every = \"1h\"\ngrace = \"10m\"");
    late.signal(before_now(71min));
    result = test::ask(late);
    CHECK(result.outcome == Outcome::fail);
    CHECK(result.reason == Reason::stale);
    CHECK(result.decisive);
    CHECK(result.detail == "no call for 1h11m, expected every 1h00m");
    late.signal(Instant::now());
    CHECK(test::ask(late).outcome == Outcome::pass);
    // An older call that arrives later takes nothing back.
    late.signal(before_now(72min));
    CHECK(test::ask(late).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: first_within limits how long the first call may take") {
    const auto patient = heartbeat("every = \"1h\"\nfirst_within = \"1h\"");
    const auto waiting = test::ask(patient);
    CHECK(waiting.undecided);
    REQUIRE(waiting.ask_again_in);
    CHECK(*waiting.ask_again_in > 59min);

    const auto check = heartbeat("every = \"1h\"\nfirst_within = \"5ms\"");
    REQUIRE(test::eventually([&] { return !test::ask(check).undecided; }));
    const auto result = test::ask(check);
    CHECK(result.reason == Reason::stale);
    CHECK(result.decisive);
    CHECK(result.detail.find("since the agent started") != std::string::npos);
    check.signal(Instant::now());
    CHECK(test::ask(check).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: the file's time counts, also from before the agent's start") {
    const test::TempDir folder;
    const auto file = folder.path() / "backup.done";
    const std::string settings = "every = \"1h\"\nfile = \"" + file.string() + "\"";
    const auto check = heartbeat(settings);
    CHECK(test::ask(check).undecided);
    folder.write("backup.done", "");
    touch(file, 30min);
    CHECK(test::ask(check).detail == "called 30m00s ago");
    CHECK(test::ask(heartbeat(settings)).outcome == Outcome::pass);
    touch(file, 2h);
    CHECK(test::ask(heartbeat(settings)).reason == Reason::stale);
    // What was seen is not taken back when the file goes.
    touch(file, 1min);
    CHECK(test::ask(check).outcome == Outcome::pass);
    fs::remove(file);
    CHECK(test::ask(check).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: the later of call and file decides") {
    const test::TempDir folder;
    const auto file = folder.write("done", "");
    touch(file, 2h);
    const auto check = heartbeat("every = \"1h\"\nfile = \"" + file.string() + "\"");
    CHECK(test::ask(check).reason == Reason::stale);
    check.signal(Instant::now());
    CHECK(test::ask(check).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: a time in the future counts as now, and only once") {
    const test::TempDir folder;
    const auto file = folder.write("done", "");
    touch(file, -24h);
    const auto check = heartbeat("every = \"20ms\"\nfile = \"" + file.string() + "\"");
    CHECK(test::ask(check).outcome == Outcome::pass);
    CHECK(test::eventually([&] { return test::ask(check).reason == Reason::stale; }));
  }

  TEST_CASE("heartbeat: a file that can't be looked at is internal, unless somebody called") {
    const auto check = heartbeat("every = \"1h\"\nfile = \"/" + std::string(300, 'x') + "\"");
    const auto result = test::ask(check);
    CHECK(result.reason == Reason::internal);
    CHECK(result.detail.find("let the agent's user reach it") != std::string::npos);
    check.signal(Instant::now());
    CHECK(test::ask(check).outcome == Outcome::pass);
  }

  TEST_CASE("heartbeat: bad settings are named") {
    CHECK(mistakes_of("").find("'every'") != std::string::npos);
    CHECK(mistakes_of("every = \"24\"").find("unit") != std::string::npos);
    CHECK(mistakes_of("every = \"1h\"\nfile = \"done\"").find("not a path from the root") !=
          std::string::npos);
    CHECK(mistakes_of("every = \"1h\"\ngrace = \"0s\"").empty());
  }
}

}  // namespace
}  // namespace vitals
