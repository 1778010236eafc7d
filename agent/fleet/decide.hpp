// What the answers of other Machines mean for a failure that this one sees: pure functions.
#pragma once

#include <optional>
#include <span>

#include <vitals/time.hpp>

#include "agent/verdict/snapshot.hpp"

namespace vitals::fleet {

/// One Machine's answer on one check, in moments of our monotonic clock (the clocks of two Machines
/// are never compared: an answer tells ages).
struct PeerReport {
  /// Its status is fail, or its latest attempts did.
  bool fails = false;
  /// Its latest attempt lies between these two; nothing: it does not say.
  struct Span {
    TimePoint earliest{};
    TimePoint latest{};
  };
  std::optional<Span> attempt{};
  /// It says that there is no attempt to tell of: one that may tell of one any moment, which is
  /// another thing than to say nothing of attempts at all.
  bool none = false;

  [[nodiscard]] bool says_nothing() const { return !attempt && !none; }
};

/// The failure here that others are asked about. Others run the same check with the same settings.
struct OwnFailure {
  TimePoint began{};       // end of the first failed attempt of the streak
  TimePoint latest{};      // start of the latest failed attempt
  Duration worst_case{0};  // CheckSpec::worst_case_detection()
  TimePoint started{};     // start of the first failed attempt
  /// A Machine that is alone with this failure is to have left by then: the worst case is over.
  TimePoint due = TimePoint::max();
  /// The last moment to ask for what is to be known then.
  TimePoint last_call = TimePoint::max();
};

/// The failure of a check that is made of attempts, from its streak.
[[nodiscard]] OwnFailure failure_of(const CheckState& state);

/// What is known of one Machine from all its answers on one check since it fails here. Stays true
/// while it is silent.
struct PeerView {
  bool fails = false;
  /// By then it had passed an attempt made after our first failed one; it has not been heard
  /// failing since.
  std::optional<TimePoint> passed_by{};
  /// The same of an attempt that began when our first failed one had begun: not after `passed_by`.
  std::optional<TimePoint> passed_early_by{};
  /// One that hides its attempts has nothing new to say before that; else the epoch.
  TimePoint news_from{};
};

/// What follows from the latest answer and what was known. `asked`: when the question was sent.
/// One that says nothing of its attempts (an old agent that hides details) is taken to have asked
/// since we first failed once it had its worst case of time to do so; never one that says when it
/// asked last, or that it has not: its check may rest.
[[nodiscard]] PeerView look_at(const PeerReport& report, const PeerView& before,
                               const OwnFailure& own, TimePoint asked);

enum class Leaning { unheard, undecided, shared, ours };

/// What one round of answers says of our failure.
///
/// Others see a shared failure later than whoever sees it first, see its end sooner than whoever
/// tries again last, and of a short one nothing at all: all of them say that they pass. So a pass
/// counts only when it fell between two failures of ours: an attempt of theirs since our first
/// failed one, and a failed one of ours since then. `shared`: half or more of those who answer
/// fail. `ours`: fewer than half would, even if all whose pass does not count came to fail. Else
/// `undecided`. So nobody who shares a failure with everybody reads `ours`, however late answers
/// come, however long it lasts.
[[nodiscard]] Leaning lean(std::span<const PeerView> views, const OwnFailure& own);

/// The same once the failure is due. Where attempts take their whole timeout, and where timeouts
/// are short, there is no time for half of the others to ask after our first failed attempt and
/// before our last one. So now those who have not asked say neither this nor that: `ours` is also
/// where of those who have, since our first failed attempt began, more pass than fail. With no such
/// pass it stays `undecided`.
[[nodiscard]] Leaning lean_when_due(std::span<const PeerView> views, const OwnFailure& own);

/// From when on another round may say more than one that heard `views` did: more than half of those
/// who answered may have news, or when due, one of them. The epoch: at any time.
[[nodiscard]] TimePoint news_from(std::span<const PeerView> views, bool is_due);

/// Rounds in a row that have to say `ours` before the Machine leaves; one when the failure is due
/// and nothing else has been said of it. One that says `shared` is enough to come back: leaving by
/// mistake costs users, staying costs what was lost anyway. With the same Machines asked again each
/// time (sample.hpp), what could still make it flap is an answer lost at the very edge; two rounds
/// take that away.
inline constexpr int ours_rounds_needed = 2;

/// Rounds are this far apart. While they do not decide yet, they follow our failed attempts, at
/// least this far apart, a limited number of times. For as long the check itself is asked at its
/// retry_interval: what is missing is often a failed attempt of ours after the others' passes.
inline constexpr Duration round_interval{10'000};
inline constexpr Duration round_interval_undecided{250};
/// Between the first round that says `ours` and the one that confirms it.
inline constexpr Duration round_interval_confirming{500};
inline constexpr int quick_rounds_max = 60;
/// So many failed attempts of ours in a row, once it is due, made no difference.
inline constexpr int quick_attempts_max = 60;

/// One round on one check.
struct Round {
  Leaning leaning = Leaning::unheard;
  int answered = 0;
  int failing = 0;
  TimePoint at{};
  bool due = false;  // OwnFailure::due has passed
};

/// The opinion on one failing check, from round to round.
class Opinion {
 public:
  /// Nobody has been asked yet.
  Opinion() { word_.undecided = true; }
  /// A round that nobody answers changes nothing: the last word ages (fleet_word_good_for).
  void hear(const Round& round);
  /// Another attempt of ours has failed, or the failure is due: what the last answers, looked at
  /// again, say now. `ours` counts as a round that says so; nothing else changes.
  void reconsider(const Round& round);
  /// All but the name, which is for the caller to fill in.
  [[nodiscard]] const FleetWord& word() const { return word_; }
  /// How long after the start of this round the next one should start.
  [[nodiscard]] Duration next_round_in() const;

 private:
  void confirm(const Round& round);

  FleetWord word_;
  int ours_in_a_row_ = 0;
  int quick_rounds_ = 0;
  int quick_attempts_ = 0;
  bool silent_ = false;  // nobody answered the last round: asking sooner would not find anybody
  bool decided_ = false;
};

}  // namespace vitals::fleet
