// What the agent says of the app: log lines and metrics, from the states it is told.
#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <string>

#include "agent/child/app_link.hpp"
#include "agent/child/app_readings.hpp"
#include "agent/child/watchdog.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::child {
namespace {

AppState running(pid_t pid) {
  AppState state;
  state.pid = pid;
  state.started_unix_ns = 1'700'000'000'250'000'000;
  return state;
}

/// "level message key=value …" of each line, with a newline between.
std::string said(const AppState& before, const AppState& after, bool first = false) {
  std::string text;
  for (const LogLine& line : describe_change(before, after, first)) {
    text += std::to_string(static_cast<int>(line.level)) + " " + line.message;
    for (const LogField& field : line.fields)
      text += " " + std::string(field.key) + "=" + field.value;
    text += "\n";
  }
  return text;
}

constexpr auto info = "2 ";
constexpr auto error = "4 ";

TEST_CASE("app link: start, end and drain are one line each, and what did not change none") {
  CHECK(said({}, running(7)) == std::string(info) + "app started pid=7\n");
  CHECK(said(running(7), running(7)).empty());
  AppState ended = running(0);
  ended.ends = 1;
  ended.last_exit_code = 9;
  ended.last_end = AppEnd::exited;
  ended.restart_in_ms = 1'000;
  CHECK(said(running(7), ended) ==
        std::string(error) + "app ended code=9 cause=exited restart_in_ms=1000\n");
  AppState fine = ended;
  fine.last_exit_code = 0;
  fine.restart_in_ms = 0;
  CHECK(said(running(7), fine) == std::string(info) + "app ended code=0 cause=exited\n");
  AppState again = running(8);
  again.ends = again.restarts = 1;
  CHECK(said(ended, again) == std::string(info) + "app started pid=8 restarts=1\n");
  AppState draining = running(7);
  draining.draining = true;
  draining.stop_signal = SIGINT;
  CHECK(said(running(7), draining) ==
        std::string(info) + "draining before the app stops signal=INT\n");
}

TEST_CASE("app link: a kill for want of memory has its own words") {
  AppState oom = running(0);
  oom.ends = 1;
  oom.last_exit_code = 137;
  oom.last_end = AppEnd::oom;
  CHECK(said(running(7), oom) ==
        std::string(error) + "app killed for want of memory code=137 cause=oom\n");
}

TEST_CASE("app link: an agent that comes back tells what runs, not what has been") {
  AppState state = running(7);
  state.ends = state.restarts = 3;
  state.last_exit_code = 1;
  CHECK(said({}, state, true) == std::string(info) + "app runs pid=7 restarts=3\n");
}

std::map<std::string, double> readings_of(const AppState& state, const AppUsage& usage) {
  std::map<std::string, double> values;
  for (const OtherReading& reading : app_readings(state, usage)) {
    CHECK(reading.owner == "app");
    values[std::string(reading.measurement.metric->name)] = reading.measurement.value;
  }
  return values;
}

TEST_CASE(
    "app readings: a running app has all that is known of it, one that ended its past alone") {
  AppState state = running(7);
  state.restarts = 2;
  state.last_exit_code = 137;
  state.oom_kills = 1;
  const AppUsage usage{1.5, 4096, 3, 9, std::nullopt};
  CHECK(readings_of(state, usage) ==
        std::map<std::string, double>{{"process_up", 1},
                                      {"process_cpu_seconds_total", 1.5},
                                      {"process_resident_memory_bytes", 4096},
                                      {"process_threads", 3},
                                      {"process_open_fds", 9},
                                      {"process_start_time_seconds", 1'700'000'000.25},
                                      {"process_restarts_total", 2},
                                      {"process_last_exit_code", 137},
                                      {"process_oom_kills_total", 1}});
  state.pid = 0;
  CHECK(readings_of(state, usage) == std::map<std::string, double>{{"process_up", 0},
                                                                   {"process_restarts_total", 2},
                                                                   {"process_last_exit_code", 137},
                                                                   {"process_oom_kills_total", 1}});
}

/// The watchdog's view of "web" at that second; it is local, "db" is shared and critical.
WatchdogView view_of(const std::vector<test::Story>& stories, double seconds, double app_seen) {
  const Snapshot snapshot = test::snapshot_of(stories);
  const auto now = test::at(seconds).mono;
  return look_at("web", snapshot, judge(snapshot, now), 7, test::at(app_seen).mono, now);
}

test::Story web() {
  return test::Story({.name = "web", .kind = &test::fake_http(), .scope = Scope::local, .fall = 1});
}
test::Story db() { return test::Story({.name = "db", .kind = &test::fake_postgres(), .fall = 1}); }

const ProbeResult refused = failed(Reason::refused, "refused");

TEST_CASE("watchdog: a pass counts when its attempt began under this app") {
  CHECK(view_of({web().feed(10, 1, passed("200"))}, 11, 5).passed);
  CHECK(!view_of({web().feed(10, 1, passed("200"))}, 11, 10.5).passed);
  CHECK(!view_of({web().feed(10, 1, refused)}, 11, 5).passed);
  CHECK(!view_of({web()}, 11, 5).passed);
}

TEST_CASE(
    "watchdog: fail counts, stale does not, and shared failures, mutes and drains are quiet") {
  const auto failing = view_of({web().feed(10, 1, refused)}, 11, 5);
  CHECK(failing.fails);
  CHECK(!failing.quiet);
  CHECK(!view_of({web().feed(10, 1, refused)}, 100, 5).fails);
  CHECK(view_of({web().feed(10, 1, refused), db().feed(10, 1, refused)}, 11, 5).quiet);
  CHECK(!view_of({web().feed(10, 1, refused), db().feed(10, 1, passed("1"))}, 11, 5).quiet);
  CHECK(view_of({web().feed(10, 1, refused).mute_until(20)}, 11, 5).quiet);
  Snapshot snapshot = test::snapshot_of({web().feed(10, 1, refused)});
  snapshot.draining = true;
  const auto now = test::at(11).mono;
  CHECK(look_at("web", snapshot, judge(snapshot, now), 7, now, now).quiet);
  CHECK(!look_at("gone", snapshot, judge(snapshot, now), 7, now, now).fails);
}

}  // namespace
}  // namespace vitals::child
