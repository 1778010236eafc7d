// The rule of contract §10 on answers that come late, and its hysteresis.
#include "agent/fleet/decide.hpp"

#include <algorithm>
#include <vector>

namespace vitals::fleet {
namespace {

bool before_failure(const std::optional<TimePoint>& pass, const OwnFailure& own) {
  return pass && *pass <= own.latest;
}

/// How many of those who answered fail, and how many passed between two failures of ours.
struct Tally {
  std::ptrdiff_t answered = 0;
  std::ptrdiff_t failing = 0;
  std::ptrdiff_t passing = 0;
  std::ptrdiff_t passing_early = 0;
};

Tally tally(std::span<const PeerView> views, const OwnFailure& own) {
  Tally result;
  for (const PeerView& view : views) {
    ++result.answered;
    if (view.fails) {
      ++result.failing;
      continue;
    }
    result.passing += before_failure(view.passed_by, own) ? 1 : 0;
    result.passing_early += before_failure(view.passed_early_by, own) ? 1 : 0;
  }
  return result;
}

Leaning lean(const Tally& tally) {
  if (tally.answered == 0) return Leaning::unheard;
  if (2 * tally.failing >= tally.answered) return Leaning::shared;
  return 2 * tally.passing > tally.answered ? Leaning::ours : Leaning::undecided;
}

/// The first pass of an attempt that began no earlier than `since`: the one known before, or this
/// one.
std::optional<TimePoint> first_pass(const std::optional<TimePoint>& before, TimePoint since,
                                    const PeerReport& report) {
  // A streak of ours that began later needs passes of its own.
  if (before && *before >= since) return before;
  if (report.attempt && report.attempt->earliest >= since) return report.attempt->latest;
  return std::nullopt;
}

}  // namespace

OwnFailure failure_of(const CheckState& state) {
  const CheckSpec& spec = *state.spec;
  const Duration attempt = std::max(spec.retry_interval, spec.timeout);
  // In a short timeout the last answers have to come as quickly.
  constexpr Duration last_call_max{2'000};
  OwnFailure own;
  own.began = state.streak_began.mono;
  own.latest = state.streak_latest;
  own.worst_case = spec.worst_case_detection();
  own.started = state.streak_started;
  own.due = own.started + (spec.fall - 1) * attempt + spec.timeout;
  own.last_call = own.due - std::min(last_call_max, spec.timeout / 2);
  return own;
}

PeerView look_at(const PeerReport& report, const PeerView& before, const OwnFailure& own,
                 TimePoint asked) {
  if (report.fails) return {.fails = true};
  PeerView view;
  view.passed_by = first_pass(before.passed_by, own.began, report);
  view.passed_early_by = first_pass(before.passed_early_by, own.started, report);
  // Whoever tells that its latest attempt is old has not asked, however long that stays so.
  if (!report.says_nothing()) return view;
  view.news_from = own.began + own.worst_case;
  if (asked < view.news_from) return view;
  if (!view.passed_by) view.passed_by = asked;
  if (!view.passed_early_by) view.passed_early_by = asked;
  return view;
}

Leaning lean(std::span<const PeerView> views, const OwnFailure& own) {
  return lean(tally(views, own));
}

Leaning lean_when_due(std::span<const PeerView> views, const OwnFailure& own) {
  const Tally all = tally(views, own);
  const Leaning leaning = lean(all);
  if (leaning != Leaning::undecided) return leaning;
  return all.passing_early > all.failing ? Leaning::ours : Leaning::undecided;
}

TimePoint news_from(std::span<const PeerView> views, bool is_due) {
  std::vector<TimePoint> moments;
  for (const PeerView& view : views) {
    const auto& pass = is_due ? view.passed_early_by : view.passed_by;
    moments.push_back(pass ? TimePoint{} : view.news_from);
  }
  if (moments.empty()) return {};
  const auto needed =
      moments.begin() + (is_due ? 0 : static_cast<std::ptrdiff_t>(moments.size() / 2));
  std::nth_element(moments.begin(), needed, moments.end());
  return *needed;
}

void Opinion::confirm(const Round& round) {
  word_.answered = round.answered;
  word_.failing = round.failing;
  word_.at = round.at;
}

void Opinion::hear(const Round& round) {
  ours_in_a_row_ = round.leaning == Leaning::ours ? ours_in_a_row_ + 1 : 0;
  silent_ = round.leaning == Leaning::unheard;
  if (!silent_) decided_ = false;
  switch (round.leaning) {
    case Leaning::unheard:
      word_.undecided = false;
      if (word_.answered == 0) word_.at = round.at;
      return;
    case Leaning::undecided:
      break;
    case Leaning::shared:
      word_.verdict = FleetVerdict::shared;
      decided_ = true;
      break;
    case Leaning::ours:
      if (round.due && word_.verdict == FleetVerdict::alone) ours_in_a_row_ = ours_rounds_needed;
      if (ours_in_a_row_ >= ours_rounds_needed) word_.verdict = FleetVerdict::ours;
      decided_ = word_.verdict == FleetVerdict::ours;
      break;
  }
  confirm(round);
  if (!decided_) ++quick_rounds_;
  word_.undecided = next_round_in() != round_interval;
}

void Opinion::reconsider(const Round& round) {
  if (decided_) return;
  if (round.due) ++quick_attempts_;
  if (round.leaning == Leaning::ours) {
    const bool at_once = round.due && word_.verdict == FleetVerdict::alone;
    ours_in_a_row_ = at_once ? ours_rounds_needed : std::max(ours_in_a_row_, 1);
  }
  if (ours_in_a_row_ >= ours_rounds_needed) {
    word_.verdict = FleetVerdict::ours;
    decided_ = true;
    confirm(round);
  }
  word_.undecided = next_round_in() != round_interval;
}

Duration Opinion::next_round_in() const {
  const bool tired = quick_rounds_ > quick_rounds_max || quick_attempts_ > quick_attempts_max;
  if (decided_ || silent_ || tired) return round_interval;
  return ours_in_a_row_ > 0 ? round_interval_confirming : round_interval_undecided;
}

}  // namespace vitals::fleet
