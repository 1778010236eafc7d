// The scheduler, keeper and clock watch with probes that hang, throw, overrun and are interrupted.
#include "agent/schedule/scheduler.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "agent/schedule/attempt.hpp"
#include "tests/support/process.hpp"
#include "tests/support/timing.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::eventually;

/// What a test's probe does, and what it saw; shared with the test, which outlives the scheduler.
struct Script {
  std::function<ProbeResult(const Attempt&)> answer = [](const Attempt&) { return passed("ok"); };
  std::mutex mutex;
  std::vector<TimePoint> starts;
  std::vector<bool> drops;
  std::vector<Sleep> slept;
  std::atomic<int> inside{0};
  std::atomic<int> most_inside{0};
  std::atomic<int> rests{0};

  std::size_t runs() {
    const std::lock_guard lock(mutex);
    return starts.size();
  }
};

class ScriptedProbe : public Probe {
 public:
  explicit ScriptedProbe(Script& script) : script_(script) {}
  ProbeResult run(const Attempt& attempt) override {
    {
      const std::lock_guard lock(script_.mutex);
      script_.starts.push_back(Clock::now());
      script_.drops.push_back(attempt.drop_connections);
      script_.slept.push_back(attempt.slept);
    }
    script_.most_inside = std::max<int>(script_.most_inside, ++script_.inside);
    ProbeResult result = script_.answer(attempt);
    --script_.inside;
    return result;
  }
  void rest() override { ++script_.rests; }

 private:
  Script& script_;
};

/// Waits like a well-behaved probe: until the deadline or the interrupt.
ProbeResult wait_politely(const Attempt& attempt) {
  pollfd entry{attempt.deadline.interrupt_fd(), POLLIN, 0};
  poll(&entry, 1, attempt.deadline.remaining_ms());
  return failed(Reason::timeout, "silent");
}

struct Machine {
  StatusBoard board{Instant::now(), nullptr};
  Keeper keeper{board};
  Scheduler scheduler{board, keeper};

  Machine() {
    REQUIRE_FALSE(keeper.start([this] { scheduler.run_all_now(); }).has_value());
  }
  ~Machine() {
    scheduler.stop(Duration(2'000));
    keeper.stop();
  }

  void run(const std::vector<std::pair<std::shared_ptr<CheckSpec>, Script*>>& checks) {
    std::vector<std::shared_ptr<const CheckSpec>> specs;
    std::vector<ConfiguredCheck> configured;
    for (const auto& [spec, script] : checks) {
      specs.push_back(spec);
      configured.push_back(
          {spec, std::make_unique<ScriptedProbe>(*script), std::make_shared<SecretSet>(), {}});
    }
    board.set_checks(specs, SharedRule::fleet, Instant::now());
    REQUIRE_FALSE(scheduler.run(std::move(configured), Duration(0)).has_value());
  }
  std::shared_ptr<const CheckState> state(std::size_t i = 0) { return board.latest()->checks[i]; }
};

std::shared_ptr<CheckSpec> quick(const std::string& name, int interval_ms, int timeout_ms) {
  auto spec = test::spec(name);
  spec->interval = Duration(interval_ms);
  spec->retry_interval = Duration(interval_ms);
  spec->timeout = Duration(timeout_ms);
  spec->jitter = 0;
  return spec;
}

TEST_CASE("next start: counts from start to start, jitters the interval and not the retry") {
  auto spec = test::spec("c");
  const TimePoint start{};
  const auto soon = start + Duration(100);
  CHECK(next_start(start, soon, *spec, false, 0) == start + Duration(10'000));
  CHECK(next_start(start, soon, *spec, false, 1) == start + Duration(11'000));
  CHECK(next_start(start, soon, *spec, false, -1) == start + Duration(9'000));
  CHECK(next_start(start, soon, *spec, true, 1) == start + Duration(2'000));
  CHECK(next_start(start, start + Duration(25'000), *spec, false, 0) == start + Duration(25'000));
}

TEST_CASE(
    "clock watch: a step of the wall clock or a late wake-up is a resume, small drifts are not") {
  const Instant start = test::at(0);
  const auto look = [&](double mono, double wall, double due) {
    ClockWatch watch(start);
    watch.expect(test::at(due).mono);
    return watch.gap({test::at(mono).mono, test::at(wall).wall});
  };
  CHECK_FALSE(look(0.5, 0.5, 0.5));
  CHECK_FALSE(look(0.5, 1.4, 0.5));
  CHECK(look(0.5, 1.6, 0.5));
  CHECK(look(0.5, -1, 0.5));
  CHECK_FALSE(look(5.4, 5.4, 0.5));
  CHECK(look(5.6, 5.6, 0.5));
  ClockWatch watch(start);
  CHECK(watch.gap(test::at(60)));
  watch.look(test::at(60));
  CHECK_FALSE(watch.gap(test::at(60.5)));
  CHECK(watch.last_look() == test::at(60).mono);
}

TEST_CASE("clock watch: what was slept through is told on both clocks") {
  const ClockWatch watch(test::at(10));
  CHECK(watch.slept({test::at(12).mono, test::at(100).wall}) ==
        Sleep{Duration(2'000), Duration(90'000)});
  CHECK(watch.slept({test::at(12).mono, test::at(5).wall}) == Sleep{Duration(2'000), Duration(0)});
}

TEST_CASE("scheduler: the next attempt after a resume is told once how long the Machine slept") {
  Script script;
  Machine machine;
  machine.run({{quick("c", 20, 10), &script}});
  REQUIRE(eventually([&] { return script.runs() >= 2; }));
  Instant after = Instant::now();
  after.wall += std::chrono::hours(1);
  machine.keeper.look(after);
  const auto runs = script.runs();
  REQUIRE(eventually([&] { return script.runs() >= runs + 5; }));
  const std::lock_guard lock(script.mutex);
  CHECK(script.slept.front() == Sleep{});
  const auto long_ones =
      std::count_if(script.slept.begin(), script.slept.end(), [](const Sleep& slept) {
        return slept.wall > std::chrono::minutes(59) && slept.mono < std::chrono::minutes(1);
      });
  CHECK(long_ones == 1);
  CHECK(script.slept.back() == Sleep{});
}

TEST_CASE("keeper: a reader that comes first notices a step of the wall clock") {
  Script script;
  Machine machine;
  machine.run({{quick("c", 60'000, 50'000), &script}});
  REQUIRE(eventually([&] { return script.runs() == 1; }));
  Instant after = Instant::now();
  after.wall += std::chrono::hours(1);
  machine.keeper.look(after);
  // The keeper itself sees the wall clock step back: that is one more.
  CHECK(machine.board.latest()->resumes >= 1);
  REQUIRE(eventually([&] { return script.runs() >= 2; }));
  CHECK(script.drops[1]);
}

TEST_CASE("scheduler: asks each check at its interval and never twice at once") {
  Script fast;
  Script slow;
  slow.answer = wait_politely;
  Machine machine;
  const TimePoint begin = Clock::now();
  machine.run({{quick("fast", 20, 10), &fast}, {quick("slow", 20, 50), &slow}});
  REQUIRE(eventually([&] { return fast.runs() >= 20 && slow.runs() >= 5; }));
  const auto elapsed = Clock::now() - begin;
  CHECK(elapsed >= Duration(19 * 20));
  CHECK(fast.most_inside == 1);
  CHECK(slow.most_inside == 1);
  // Starts are noted by the probe, late on a busy machine, never early: the sum tells, from before
  // the first one, not each gap.
  const std::lock_guard lock(slow.mutex);
  CHECK(slow.starts[4] - begin >= Duration(4 * 50));
}

TEST_CASE("scheduler: a disagreeing outcome is asked again after retry_interval") {
  Script script;
  script.answer = [](const Attempt&) { return failed(Reason::refused, "no"); };
  auto spec = quick("c", 60'000, 1'000);
  spec->retry_interval = Duration(10);
  Machine machine;
  machine.run({{spec, &script}});
  REQUIRE(eventually([&] { return machine.state()->status == Status::fail; }));
  CHECK(script.runs() == 3);
}

TEST_CASE("scheduler: what a probe throws is internal, and nobody else suffers") {
  Script thrower;
  thrower.answer = [](const Attempt&) -> ProbeResult { throw std::runtime_error("bad day"); };
  Script good;
  Machine machine;
  // Far from stale, however busy the machine is.
  machine.run({{quick("thrower", 5'000, 1'000), &thrower}, {quick("good", 500, 400), &good}});
  REQUIRE(eventually([&] { return good.runs() >= 3 && machine.state(0)->last.has_value(); }));
  CHECK(machine.state(0)->status == Status::unknown);
  CHECK(machine.state(0)->last->result.reason == Reason::internal);
  CHECK(machine.state(0)->last->result.detail == "bug in the probe: bad day");
  CHECK(machine.state(1)->status == Status::pass);
}

TEST_CASE(
    "keeper: an attempt that overruns its deadline is fail(timeout) while the probe still hangs") {
  std::mutex mutex;
  std::condition_variable release;
  bool released = false;
  Script hung;
  hung.answer = [&](const Attempt&) {
    std::unique_lock lock(mutex);
    release.wait(lock, [&] { return released; });
    return passed("too late");
  };
  Machine machine;
  machine.run({{quick("hung", 60'000, 100), &hung}});
  REQUIRE(eventually([&] { return machine.state()->last.has_value(); }));
  CHECK(machine.state()->last->result.reason == Reason::timeout);
  CHECK(machine.state()->last->duration() >= Duration(100));
  CHECK(hung.inside == 1);
  {
    const std::lock_guard lock(mutex);
    released = true;
  }
  release.notify_all();
  REQUIRE(eventually([&] { return hung.inside == 0; }));
  CHECK(machine.state()->counters.attempts[static_cast<std::size_t>(Outcome::pass)] == 0);
}

TEST_CASE("resume: interrupts attempts, drops connections and asks at once") {
  Script script;
  script.answer = wait_politely;
  Machine machine;
  machine.run({{quick("c", 60'000, 50'000), &script}});
  REQUIRE(eventually([&] { return script.inside == 1; }));
  const test::Stopwatch watch;
  machine.board.resume({Clock::now(), Instant::now()}, resume_grace);
  machine.scheduler.run_all_now();
  REQUIRE(eventually([&] { return script.runs() == 2; }));
  CHECK(watch.took().own() < test::at_most(Duration(1'000)));
  CHECK_FALSE(script.drops[0]);
  CHECK(script.drops[1]);
  CHECK(machine.state()->failures_in_a_row == 0);
}

TEST_CASE("reload: unchanged checks keep their thread, others end and begin") {
  Script kept;
  Script gone;
  Script added;
  Machine machine;
  machine.run({{quick("kept", 20, 10), &kept}, {quick("gone", 20, 10), &gone}});
  REQUIRE(eventually([&] { return kept.runs() > 0 && gone.runs() > 0; }));
  Script unused;
  machine.run({{quick("kept", 20, 10), &unused}, {quick("added", 20, 10), &added}});
  const std::size_t gone_runs = gone.runs();
  const std::size_t kept_runs = kept.runs();
  REQUIRE(eventually([&] { return kept.runs() > kept_runs + 3 && added.runs() > 3; }));
  CHECK(gone.runs() == gone_runs);
  CHECK(unused.runs() == 0);
}

TEST_CASE("scheduler: a probe that knows when its answer may change is asked then, never later") {
  Script script;
  script.answer = [](const Attempt&) {
    auto result = passed("for now");
    result.ask_again_in = std::chrono::milliseconds(20);
    return result;
  };
  Script late;
  late.answer = [](const Attempt&) {
    auto result = passed("for long");
    result.ask_again_in = std::chrono::hours(1);
    return result;
  };
  Machine machine;
  machine.run({{quick("soon", 60'000, 1'000), &script}, {quick("late", 20, 10), &late}});
  CHECK(eventually([&] { return script.runs() >= 5 && late.runs() >= 5; }));
  CHECK(script.starts[4] - script.starts[0] >= Duration(4 * 20));
}

TEST_CASE("signal: a call reaches its probe, which looks at once; a reload passes it on") {
  Script script;
  std::atomic<int> calls{0};
  Machine machine;
  const auto run = [&](const std::string& fingerprint, bool takes_calls) {
    auto spec = quick("nightly", 60'000, 1'000);
    spec->fingerprint = fingerprint;
    std::function<void(Instant)> signal;
    if (takes_calls) signal = [&](Instant) { ++calls; };
    std::vector<ConfiguredCheck> checks;
    checks.push_back({spec, std::make_unique<ScriptedProbe>(script), std::make_shared<SecretSet>(),
                      std::move(signal)});
    machine.board.set_checks({spec}, SharedRule::fleet, Instant::now());
    REQUIRE_FALSE(machine.scheduler.run(std::move(checks), Duration(0)).has_value());
  };
  run("one", true);
  REQUIRE(eventually([&] { return script.runs() == 1; }));
  CHECK_FALSE(machine.scheduler.signal("other", Instant::now()));
  CHECK(machine.scheduler.signal("nightly", Instant::now()));
  CHECK(eventually([&] { return script.runs() == 2; }));
  CHECK(calls == 1);

  run("two", true);
  CHECK(calls == 2);
  REQUIRE(eventually([&] { return script.runs() == 3; }));
  run("three", false);
  CHECK_FALSE(machine.scheduler.signal("nightly", Instant::now()));
  CHECK(calls == 2);
}

/// Tells when it is destroyed.
class WatchedProbe : public ScriptedProbe {
 public:
  WatchedProbe(Script& script, std::atomic<bool>& freed) : ScriptedProbe(script), freed_(freed) {}
  ~WatchedProbe() override { freed_ = true; }

 private:
  std::atomic<bool>& freed_;
};

TEST_CASE("reload: a check that hung when it was ended is freed once it returns") {
  std::atomic<bool> freed{false};
  std::atomic<bool> released{false};
  Script hung;
  hung.answer = [&](const Attempt&) {
    while (!released) poll(nullptr, 0, 1);
    return passed("late");
  };
  Machine machine;
  const auto spec = quick("hung", 60'000, 50'000);
  machine.board.set_checks({spec}, SharedRule::fleet, Instant::now());
  std::vector<ConfiguredCheck> checks;
  checks.push_back(
      {spec, std::make_unique<WatchedProbe>(hung, freed), std::make_shared<SecretSet>(), {}});
  REQUIRE_FALSE(machine.scheduler.run(std::move(checks), Duration(0)).has_value());
  REQUIRE(eventually([&] { return hung.inside == 1; }));
  machine.run({});
  CHECK_FALSE(freed);
  released = true;
  CHECK(eventually([&] {
    machine.scheduler.reap();
    return freed.load();
  }));
}

TEST_CASE("signal: who calls before the checks run is heard when they do") {
  Script script;
  std::atomic<int> calls{0};
  Machine machine;
  auto spec = quick("nightly", 60'000, 1'000);
  std::vector<ConfiguredCheck> checks;
  checks.push_back({spec, std::make_unique<ScriptedProbe>(script), std::make_shared<SecretSet>(),
                    [&](Instant) { ++calls; }});
  CHECK_FALSE(machine.scheduler.signal("nightly", Instant::now()));
  machine.scheduler.expect_calls(checks);
  CHECK(machine.scheduler.signal("nightly", Instant::now()));
  CHECK_FALSE(machine.scheduler.signal("other", Instant::now()));
  CHECK(calls == 0);
  machine.board.set_checks({spec}, SharedRule::fleet, Instant::now());
  REQUIRE_FALSE(machine.scheduler.run(std::move(checks), Duration(0)).has_value());
  CHECK(calls == 1);
  CHECK(eventually([&] { return script.runs() >= 1; }));
}

TEST_CASE("stop: a polite probe in flight does not hold the end up") {
  Script script;
  script.answer = wait_politely;
  Machine machine;
  machine.run({{quick("c", 60'000, 50'000), &script}});
  REQUIRE(eventually([&] { return script.inside == 1; }));
  const test::Stopwatch watch;
  CHECK(machine.scheduler.stop(Duration(5'000)));
  CHECK(watch.took().own() < test::at_most(Duration(1'000)));
}

TEST_CASE("attempt: slow passes warn, details are scrubbed and clean") {
  Script script;
  ScriptedProbe probe(script);
  auto spec = test::spec("c");
  spec->warn_above = Duration(1);
  SecretSet secrets;
  secrets.add("hunter2secret");
  const auto ask = [&] {
    return run_attempt(*spec, probe, secrets,
                       Attempt{Deadline::after(Duration(1'000)), false, Instant::now()});
  };
  script.answer = [](const Attempt& attempt) {
    poll(nullptr, 0, 5);
    static_cast<void>(attempt);
    return passed("200");
  };
  CHECK(ask().result.reason == Reason::slow);
  CHECK(ask().result.outcome == Outcome::warn);
  CHECK(ask().result.detail.ends_with(" > 1ms"));
  script.answer = [](const Attempt&) {
    return failed(Reason::auth, "password \"hunter2secret\" is\x1b[31m wrong\r\n");
  };
  CHECK(ask().result.detail == "password \"***\" is[31m wrong");
}

TEST_CASE(
    "attempt: a good answer after the deadline is fail(timeout), a failure stays what it is") {
  Script script;
  ScriptedProbe probe(script);
  auto spec = test::spec("c");
  const SecretSet secrets;
  const auto ask = [&](Duration late) {
    const Deadline deadline(Clock::now() - late);
    return run_attempt(*spec, probe, secrets, Attempt{deadline, false, Instant::now()}).result;
  };
  const Duration too_late = overrun_slack + Duration(1);
  CHECK(ask(too_late).outcome == Outcome::fail);
  CHECK(ask(too_late).reason == Reason::timeout);
  // In time: the slack is for the way from the probe to here.
  CHECK(ask(Duration(-1'000)).outcome == Outcome::pass);
  script.answer = [](const Attempt&) { return undecided("nobody called"); };
  CHECK(ask(too_late).reason == Reason::timeout);
  CHECK_FALSE(ask(too_late).undecided);
  script.answer = [](const Attempt&) { return failed(Reason::dns, "name server is silent"); };
  CHECK(ask(too_late).reason == Reason::dns);
  CHECK(ask(too_late).detail == "name server is silent");
}

TEST_CASE(
    "scheduler: an idle Machine's check rests once, is not asked, and at once when work is back") {
  Script script;
  Script other;
  Machine machine;
  auto sleeper = quick("sleeper", 1'000, 900);  // stale 3.9 s after its last result
  sleeper->pause_when_idle = true;
  machine.run({{sleeper, &script}, {quick("other", 500, 200), &other}});
  REQUIRE(eventually([&] { return machine.state(0)->status == Status::pass; }));

  machine.scheduler.rest(true);
  REQUIRE(eventually([&] { return machine.state(0)->paused_since.has_value(); }));
  CHECK(script.rests == 1);
  CHECK_FALSE(machine.scheduler.next_attempt("sleeper"));
  const std::size_t asked = script.runs();
  const std::size_t others = other.runs();
  REQUIRE(eventually([&] { return other.runs() > others + 9; }));
  CHECK(script.runs() == asked);
  CHECK(script.rests == 1);
  CHECK(machine.state(0)->status == Status::pass);
  CHECK_FALSE(judge(*machine.board.latest(), Clock::now()).checks[0].stale);

  machine.scheduler.rest(false);
  REQUIRE(eventually([&] { return script.runs() > asked; }));
  REQUIRE(eventually([&] { return !machine.state(0)->paused_since; }));
  {
    const std::lock_guard lock(script.mutex);
    CHECK(script.drops[asked]);
  }
  REQUIRE(eventually([&] { return script.runs() > asked + 2; }));
}

TEST_CASE(
    "scheduler: what fails is asked on while the Machine is idle, and rests once it is back") {
  Script script;
  std::atomic<bool> well{false};
  script.answer = [&](const Attempt&) {
    return well ? passed("ok") : failed(Reason::refused, "nobody there");
  };
  Machine machine;
  auto spec = quick("db", 500, 200);
  spec->pause_when_idle = true;
  machine.run({{spec, &script}});
  machine.scheduler.rest(true);
  REQUIRE(eventually([&] { return machine.state()->status == Status::fail; }));
  CHECK(script.rests == 0);
  well = true;
  REQUIRE(eventually([&] { return machine.state()->paused_since.has_value(); }));
  CHECK(machine.state()->status == Status::pass);
}

TEST_CASE("scheduler: a resume asks checks that rest, too") {
  Script script;
  Machine machine;
  auto spec = quick("db", 1'000, 900);
  spec->pause_when_idle = true;
  machine.run({{spec, &script}});
  REQUIRE(eventually([&] { return machine.state()->status == Status::pass; }));
  machine.scheduler.rest(true);
  REQUIRE(eventually([&] { return machine.state()->paused_since.has_value(); }));
  const std::size_t asked = script.runs();
  machine.scheduler.run_all_now();
  REQUIRE(eventually([&] { return script.runs() > asked; }));
  REQUIRE(eventually([&] { return machine.state()->paused_since.has_value(); }));
}

}  // namespace
}  // namespace vitals
