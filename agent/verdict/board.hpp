// The board: the one mutable place. Folds samples, publishes immutable snapshots, announces
// changes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/verdict/group.hpp"
#include "agent/verdict/health_state.hpp"
#include "agent/verdict/history.hpp"
#include "agent/verdict/judge.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// Something worth one log line. Strings are copies; events outlive the board's lock.
struct Event {
  enum class Type {
    transition,
    first_failure,
    internal,
    remark,
    verdict,
    resumed,
    ready,
    fail_open,
    muted,
    unmuted
  };
  Type type = Type::transition;
  std::string check;  // empty for verdict, resumed, ready, fail_open
  Status from = Status::unknown;
  Status to = Status::unknown;
  bool on = false;  // ready, fail_open: the new value
  Reason reason = Reason::none;
  std::string detail;  // unmuted, ready, fail_open: why
  Elapsed since{};     // how long `from` had lasted; muted: how long it will be
  Elapsed duration{};  // of the attempt behind it
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
  /// Distinct remarks of one check that are announced; a probe that puts a number into them can't
  /// fill the log.
  static constexpr std::size_t remarks_max = 8;

  using Listener = std::function<void(const Event&)>;

  /// `listener` is called outside the lock, on the thread that caused the event; it must not call
  /// back into the board. Events that one thread causes keep their order.
  StatusBoard(Instant started, Listener listener);

  /// The checks from now on, in this order, groups with all of their members. A check whose
  /// fingerprint is as before keeps its state; of one that changed changed_state() is left.
  void set_checks(const std::vector<std::shared_ptr<const CheckSpec>>& specs, SharedRule rule,
                  Instant now);
  /// An agent before this one was ready: startup waits for the local checks, which it knows nothing
  /// of yet, and no longer for a shared check that fails. Before the first result.
  void continue_startup();
  void note_reload(bool ok, Instant now);

  /// Opens an attempt; the check's thread is alive. Nothing when the check is not on the board, or
  /// not as `spec` has it: a reload put another one in its place.
  [[nodiscard]] std::optional<AttemptId> begin(const CheckSpec& spec, Instant now);
  /// Folds the sample and closes the attempt. False: it had been closed and was thrown away.
  bool finish(const AttemptId& attempt, const Sample& sample);
  /// Deadline passed without an answer: fail(timeout) now; a later finish() is thrown away.
  void overrun(const AttemptId& attempt, Instant started, Instant now);
  /// Closes an attempt without a result: it was interrupted.
  void cancel(const AttemptId& attempt);
  /// The last outcome disagrees with the status, or other Machines can't tell yet, or have not been
  /// asked yet, whose failure it is: ask again after retry_interval. False when the check is not on
  /// the board.
  [[nodiscard]] bool wants_retry(std::string_view check) const;

  /// For whoever asks other Machines: each failed attempt, and what follows it, also where no event
  /// tells. Called like the listener; set before anybody else uses the board.
  void follow_streaks(std::function<void()> listener);
  /// Are there other Machines to ask? If so, whoever asks them replaces what is said of a check
  /// that begins to fail.
  void expect_fleet(bool expected);

  /// The check rests from now on, or still does: its thread is alive. False: it is not on the board
  /// as `spec` has it, or has to be asked all the same (may_rest()). begin() and resume() end it.
  bool pause(const CheckSpec& spec, Instant now);
  /// What [autostop] makes of the Machine; nothing: it is not watched.
  void set_idle(std::optional<IdleState> idle, Instant now);

  /// Closes open attempts and lets the last status stand for at most `grace` (contract §4.9).
  void resume(const Gap& gap, Duration grace);
  void set_draining(bool draining, Instant now);
  /// What other Machines say of the shared critical checks that fail here; replaces what they said.
  void set_fleet(std::vector<FleetWord> words, Instant now);
  /// Leaves a check out of verdict and readiness for so long (§5); again: from now on. A reload
  /// that removes the check ends it. False: no such check.
  bool mute(std::string_view check, Duration ttl, Instant now);
  /// Nothing to end is fine. False: no such check.
  bool unmute(std::string_view check, Instant now);
  /// Announces what time alone changed (staleness, end of grace or mute).
  void tick(Instant now);

  /// Never null. The returned snapshot does not change.
  [[nodiscard]] std::shared_ptr<const Snapshot> latest() const;
  /// At least as new as any snapshot; keeps what a reload leaves as it was.
  [[nodiscard]] const History& history() const { return history_; }

 private:
  struct Slot {
    std::shared_ptr<const CheckState> state;
    /// Number of the attempt in flight; 0: none.
    std::uint64_t open_attempt = 0;
    std::vector<std::size_t> groups;  // that this check is a member of
    /// ProbeResult::remark texts that were announced.
    std::vector<std::string> remarks;
  };
  using Events = std::vector<Event>;

  [[nodiscard]] Slot* find_locked(std::string_view check);
  /// Null when it is not on the board, or not as `spec` has it.
  [[nodiscard]] Slot* find_as_locked(const CheckSpec& spec);
  /// The slot whose attempt in flight this is; closes the attempt. Null when it was closed before.
  [[nodiscard]] Slot* close_locked(const AttemptId& attempt);
  /// Announces what the probe remarks the first time it does.
  static void note_remark(Slot& slot, const Sample& sample, Events& events);
  void fold_locked(Slot& slot, const Sample& sample, Events& events);
  /// Puts the changed state in place; its change of status is announced and kept.
  void change_locked(Slot& slot, std::shared_ptr<const CheckState> state, Instant now,
                     Events& events);
  void note_transition_locked(const Event& event, Instant now);
  /// Ends the mute of a check that has one; publishing is left to the caller. False: it had none.
  bool end_mute_locked(Slot& slot, const std::string& why, Events& events);
  /// Puts a changed copy in place; `status_changed` asks for a new judgement.
  void publish_locked(Instant now, bool status_changed, Events& events);
  void judge_locked(Instant now, Events& events);
  void link_members_locked();
  /// Since when a group that fails now does: it tipped with the latest of its failing members. When
  /// that one failed before the group was last well, something else tipped it (the end of a mute).
  [[nodiscard]] Instant began_locked(const CheckState& group, Instant now) const;
  /// What the members of a group are at this moment.
  [[nodiscard]] std::vector<MemberView> members_locked(const CheckSpec& group, Instant now) const;
  /// Lets a group follow its members; `sampled`: one of them has a new result. True when its status
  /// changed.
  bool follow_group_locked(Slot& slot, Instant now, bool sampled, Events& events);
  /// The groups of that check, after a result of it.
  bool follow_member_locked(Slot& member, Instant now, Events& events);
  void follow_all_locked(Instant now, Events& events);
  /// The check begins to fail: a word that says that nothing is said yet, if there is to be one.
  void await_fleet_locked(const CheckSpec& spec);
  /// As far as startup needs it.
  [[nodiscard]] bool is_started_locked(const CheckState& check) const;
  void latch_startup_locked();
  void announce(const Events& events) const;

  /// Guards everything below; held for microseconds.
  mutable std::mutex mutex_;
  const Listener listener_;
  std::function<void()> streak_listener_;
  std::vector<Slot> slots_;  // config order
  std::map<std::string, std::size_t, std::less<>> index_;
  Snapshot draft_;
  std::shared_ptr<const Snapshot> latest_;
  bool configured_ = false;
  bool continues_ = false;  // continue_startup()
  bool expects_fleet_ = false;
  bool verdict_known_ = false;
  bool ready_ = false;
  bool fail_open_ = false;
  TimePoint next_judgement_ = TimePoint::max();
  std::uint64_t attempts_ = 0;
  History history_;
};

}  // namespace vitals
