// The board: the one mutable place. Folds samples, publishes immutable snapshots, announces changes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/verdict/health_state.hpp"
#include "agent/verdict/judge.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// Something worth one log line. Strings are copies; events outlive the board's lock.
struct Event {
  enum class Type { transition, first_failure, internal, verdict, resumed, ready, fail_open };
  Type type = Type::transition;
  std::string check;  // empty for verdict, resumed, ready, fail_open
  Status from = Status::unknown;
  Status to = Status::unknown;
  bool on = false;  // ready, fail_open: the new value
  Reason reason = Reason::none;
  std::string detail;
  Elapsed since{};    // how long `from` had lasted
  Elapsed duration{}; // of the attempt behind it
  Impact impact = Impact::info;
};

/// Ticket of one attempt: its result counts only if nothing (resume, reload, overrun) closed it.
struct AttemptId {
  std::string check;
  std::uint64_t number = 0;
};

/// Thread-safe; no call blocks for longer than the fold of one sample (microseconds).
class StatusBoard {
 public:
  using Listener = std::function<void(const Event&)>;

  /// `listener` is called outside the lock, on the thread that caused the event; it must not call
  /// back into the board. Events of one check keep their order.
  StatusBoard(Instant started, Listener listener);

  /// The checks from now on, in this order. A check whose fingerprint is as before keeps its state.
  void set_checks(const std::vector<std::shared_ptr<const CheckSpec>>& specs, SharedRule rule,
                  Instant now);
  void note_reload(bool ok, Instant now);

  /// Opens an attempt; the check's thread is alive. Nothing when the check is not on the board.
  [[nodiscard]] std::optional<AttemptId> begin(std::string_view check, Instant now);
  /// Folds the sample and closes the attempt. False: it had been closed and was thrown away.
  bool finish(const AttemptId& attempt, Sample sample);
  /// Deadline passed without an answer: fail(timeout) now; a later finish() is thrown away.
  void overrun(const AttemptId& attempt, Instant now);
  /// How soon the check wants to be asked again: interval, or retry_interval while the last
  /// outcome disagrees with the status. Nothing when it is not on the board.
  [[nodiscard]] std::optional<Duration> next_delay(std::string_view check) const;

  /// Closes open attempts and lets the last status stand for at most `grace` (contract §4.9).
  void resume(Instant now, Duration grace);
  void set_draining(bool draining, Instant now);
  /// Announces what time alone changed (staleness, end of grace or mute).
  void tick(Instant now);

  /// Never null. The returned snapshot does not change.
  [[nodiscard]] std::shared_ptr<const Snapshot> latest() const;

 private:
  struct Slot;
  void publish_locked(Instant now, std::vector<Event>& events);
  Slot* find_locked(std::string_view check);
  void announce(const std::vector<Event>& events) const;
  void fold_locked(Slot& slot, const Sample& sample, std::vector<Event>& events);

  mutable std::mutex mutex_;
  Listener listener_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Snapshot draft_;
  std::shared_ptr<const Snapshot> latest_;
  std::vector<Status> judged_;  // status per check as last announced, staleness included
  bool verdict_known_ = false;
  bool ready_ = true;
  bool fail_open_ = false;
  std::uint64_t attempts_ = 0;
};

}  // namespace vitals
