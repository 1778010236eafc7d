// A thread of its own for a part of the agent that may start and end while the rest goes on:
// sleeping, waking, and the interrupt of what blocks.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/schedule/thread.hpp"

namespace vitals {

/// start() and stop() are called by one thread at a time, not by the worker's own. Can be started
/// again after its end.
class Worker {
 public:
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Nothing happens when it runs already. `body` returns soon after running() turned false. The
  /// error says that the system gives no more threads.
  [[nodiscard]] std::optional<Error> start(const std::string& name, std::function<void()> body);
  /// Interrupts and waits for the end of the body. False: it did not run.
  bool stop();
  /// Ends a sleep, or the next one. Any thread, at any time; blocks for nobody.
  void nudge() const;

  [[nodiscard]] bool running() const { return running_; }
  /// Until then, a nudge or stop(); for the body. Nudges of the time before it count as one.
  void rest_until(TimePoint moment) const;
  /// Readable after a nudge, until take_nudge(); for a body that waits for other things, too.
  [[nodiscard]] int nudge_fd() const { return nudge_.get(); }
  void take_nudge() const;
  /// Readable from stop() on: for the deadlines of what the body waits for.
  [[nodiscard]] int stop_fd() const { return stop_.get(); }

 private:
  Fd nudge_;
  Fd stop_;
  std::atomic<bool> running_{false};
  Thread thread_;
};

}  // namespace vitals
