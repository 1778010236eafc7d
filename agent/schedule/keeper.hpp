// The keeper of time: closes attempts that overrun, announces staleness, notices a resume.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include <vitals/time.hpp>

#include "agent/schedule/clock_watch.hpp"
#include "agent/schedule/thread.hpp"
#include "agent/verdict/board.hpp"

namespace vitals {

/// How often the clocks are compared and staleness is looked for.
inline constexpr Duration keeper_tick{500};

/// One thread. All functions but start() and stop() may be called from any thread.
class Keeper {
 public:
  explicit Keeper(StatusBoard& board);
  ~Keeper();

  /// `on_resume` restarts the checks; it is called without locks held, on the keeper's thread or on
  /// a reader's, until stop().
  [[nodiscard]] std::optional<Error> start(std::function<void()> on_resume);
  void stop();

  /// The attempt must be answered by `deadline`, or the keeper says timeout in its place.
  void watch(const AttemptId& attempt, Instant started, TimePoint deadline);
  void unwatch(const AttemptId& attempt);

  /// For readers, before each answer: a reader may run before the keeper after a resume, and must
  /// neither show old results as stale then nor as fresh. Costs a lock and two comparisons.
  void look(Instant now);

  /// All gaps since the start, added up. Who has looked is told of the last one, too.
  [[nodiscard]] Sleep asleep() const;

 private:
  struct Watched {
    AttemptId attempt;
    Instant started;
    TimePoint limit;
  };
  void run();
  void declare_resume_locked(Instant now);
  [[nodiscard]] std::vector<Watched> take_overdue_locked(TimePoint now);
  [[nodiscard]] TimePoint next_wake_locked(TimePoint now) const;

  StatusBoard& board_;
  std::function<void()> on_resume_;
  Thread thread_;

  /// Guards everything below; held for microseconds.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::uint64_t, Watched> watched_;  // by attempt number
  ClockWatch clock_;
  Sleep asleep_;
  TimePoint planned_{};
  /// Being late, a reader may declare one resume for each beat of the keeper, or a dead keeper
  /// would turn every question after a pause into a resume. A step of the wall clock is one for
  /// everybody.
  bool reader_declared_ = false;
  bool running_ = false;
};

}  // namespace vitals
