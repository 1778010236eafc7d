// The rule of contract §10 on answers that come late, and its hysteresis.
#include "agent/fleet/decide.hpp"

#include <algorithm>

namespace vitals::fleet {
namespace {

bool counts_as_pass(const PeerView& view, const OwnFailure& own) {
  return !view.fails && view.passed_by && *view.passed_by <= own.latest;
}

}  // namespace

PeerView look_at(const PeerReport& report, const PeerView& before, const OwnFailure& own,
                 TimePoint asked) {
  if (report.fails) return {.fails = true};
  PeerView view;
  // A streak of ours that began later needs passes of its own.
  if (before.passed_by && *before.passed_by >= own.began) view.passed_by = before.passed_by;
  if (view.passed_by) return view;
  if (report.attempt && report.attempt->earliest >= own.began) {
    view.passed_by = report.attempt->latest;
  } else if (asked >= own.began + own.worst_case) {
    view.passed_by = asked;
  }
  return view;
}

Leaning lean(std::span<const PeerView> views, const OwnFailure& own) {
  if (views.empty()) return Leaning::unheard;
  const auto answered = static_cast<std::ptrdiff_t>(views.size());
  const auto failing =
      std::count_if(views.begin(), views.end(), [](const PeerView& view) { return view.fails; });
  const auto passing = std::count_if(
      views.begin(), views.end(), [&](const PeerView& view) { return counts_as_pass(view, own); });
  if (2 * failing >= answered) return Leaning::shared;
  return 2 * passing > answered ? Leaning::ours : Leaning::undecided;
}

void Opinion::hear(const Round& round) {
  ours_in_a_row_ = round.leaning == Leaning::ours ? ours_in_a_row_ + 1 : 0;
  decided_ = false;
  switch (round.leaning) {
    case Leaning::unheard:
      decided_ = true;  // asking sooner would not find anybody
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
      if (ours_in_a_row_ >= ours_rounds_needed) word_.verdict = FleetVerdict::ours;
      decided_ = word_.verdict == FleetVerdict::ours;
      break;
  }
  word_.answered = round.answered;
  word_.failing = round.failing;
  word_.at = round.at;
  if (!decided_) ++quick_rounds_;
  word_.undecided = next_round_in() != round_interval;
}

Duration Opinion::next_round_in() const {
  if (decided_ || quick_rounds_ > quick_rounds_max) return round_interval;
  return ours_in_a_row_ > 0 ? round_interval_confirming : round_interval_undecided;
}

}  // namespace vitals::fleet
