// One thread per check: waits, asks, reports to the board, and waits again (contract §4.1).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/check.hpp>

#include "agent/config/config.hpp"
#include "agent/schedule/keeper.hpp"
#include "agent/verdict/board.hpp"

namespace vitals {

/// First runs are spread over this much time, so that 1,000 checks don't start as one.
inline constexpr Duration first_run_spread{1'000};

/// When the next attempt starts, counted from start to start. `draw` in [-1, 1] is this round's
/// random number; a retry comes after exactly retry_interval. Runs that were missed are dropped: a
/// start that lies in the past becomes `now`. Pure.
[[nodiscard]] TimePoint next_start(TimePoint started, TimePoint now, const CheckSpec& spec,
                                   bool retry, double draw);

/// Owns the probes and their threads; board and keeper outlive it. Called from one thread, but for
/// run_all_now(), rest(), signal(), delays() and next_attempt(), which any thread may call.
class Scheduler {
 public:
  Scheduler(StatusBoard& board, Keeper& keeper);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Runs exactly these checks from now on: one with the fingerprint of a running one leaves that
  /// one alone, others stop and start, at a random point of `spread`. The board must have them
  /// already. The error says that the system gives no more threads or descriptors.
  [[nodiscard]] std::optional<Error> run(std::vector<ConfiguredCheck> checks, Duration spread);

  /// Interrupts attempts in flight, drops kept connections and asks every check at once (resume).
  void run_all_now();

  /// The Machine is idle from now on, or not any more: checks with pause_when_idle close what they
  /// keep open and are not asked, unless they fail; at the end of it they are asked at once.
  void rest(bool idle);

  /// Takes calls for these already, before run(): who answers early must not turn a job away.
  void expect_calls(const std::vector<ConfiguredCheck>& checks);

  /// Somebody calls in to that check (POST /heartbeat/NAME), and it looks at once. False when there
  /// is no such check, or its kind takes no calls. Any thread may call.
  bool signal(std::string_view check, Instant now);

  /// Frees what a reload ended while its probe hung, and that has returned since. run() does so,
  /// too.
  void reap();

  /// Interrupts and joins all threads. Those that hang in a library beyond `limit` are left behind
  /// with their probes; false then, and the process should end.
  bool stop(Duration limit);

  [[nodiscard]] DelayHistogram delays() const;
  /// When the next attempt of that check starts, while one runs when that was to start; nothing for
  /// an unknown check, and for one that rests.
  [[nodiscard]] std::optional<TimePoint> next_attempt(std::string_view check) const;

 private:
  class Runner;
  void note_delay(Elapsed delay);
  void retire(std::vector<std::unique_ptr<Runner>> runners, Duration limit);

  StatusBoard& board_;
  Keeper& keeper_;
  std::atomic<bool> idle_{false};
  /// Guards runners_ between the owner, a resume, a signal and readers.
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Runner>, std::less<>> runners_;
  /// Checks that are about to run and take calls, with the last that came meanwhile; same mutex.
  std::map<std::string, std::optional<Instant>, std::less<>> expected_;
  /// Runners that a reload or stop ended while their probe hung; never freed before they return.
  std::vector<std::unique_ptr<Runner>> hanging_;
  /// Guards delays_ between the checks' threads and a scrape; held for nanoseconds.
  mutable std::mutex delays_mutex_;
  DelayHistogram delays_;
};

}  // namespace vitals
