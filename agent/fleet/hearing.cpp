// Rounds, the moments between them, and the answers that are in hand when it matters.
#include "agent/fleet/hearing.hpp"

#include <algorithm>

namespace vitals::fleet {
namespace {

/// A round that still waits for somebody while another attempt of ours has failed ends after this
/// time: an answer from this very moment is worth more than one that may never come.
constexpr Duration patience_for_stragglers{500};

}  // namespace

Hearing::Hearing(const OwnFailure& own) : own_(own) {}

std::vector<PeerView> Hearing::views_since(int round, TimePoint asked) const {
  std::vector<PeerView> views;
  for (const auto& [peer, known] : peers_) {
    if (known.round >= round && known.asked >= asked) views.push_back(known.view);
  }
  return views;
}

Round Hearing::sum_up(const std::vector<PeerView>& views, TimePoint now) const {
  Round round;
  round.due = now >= own_.due;
  round.leaning = round.due ? lean_when_due(views, own_) : lean(views, own_);
  round.answered = static_cast<int>(views.size());
  round.failing = static_cast<int>(
      std::count_if(views.begin(), views.end(), [](const PeerView& view) { return view.fails; }));
  round.at = now;
  return round;
}

void Hearing::follow(const OwnFailure& own, TimePoint now) {
  const bool failed_again = own.latest != own_.latest;
  if (own.due != own_.due) looked_when_due_ = false;
  own_ = own;
  const bool turns_due = now >= own_.due && !looked_when_due_;
  if (!failed_again && !turns_due) return;
  looked_when_due_ = looked_when_due_ || turns_due;
  // Of an open round, too, as far as it has come.
  opinion_.reconsider(sum_up(views_since(last_answered_, now - answers_good_for), now));
}

void Hearing::open(TimePoint now, std::size_t peers) {
  ++round_;
  open_ = true;
  peers_asked_ = peers;
  asked_ = now;
  asked_latest_ = own_.latest;
}

void Hearing::hear(const std::string& peer, const PeerReport& report) {
  Known& known = peers_[peer];
  known.view = look_at(report, known.view, own_, asked_);
  known.round = round_;
  known.asked = asked_;
}

void Hearing::close(TimePoint now) {
  open_ = false;
  const auto views = views_since(round_);
  if (!views.empty()) last_answered_ = round_;
  const Round round = sum_up(views, now);
  opinion_.hear(round);
  news_from_ = news_from(views, round.due);
}

TimePoint Hearing::patience() const {
  const bool newer_is_better = opinion_.word().undecided && own_.latest != asked_latest_;
  // Two who were quick are no fleet.
  const bool enough = 2 * views_since(round_).size() >= peers_asked_;
  return newer_is_better && enough ? asked_ + patience_for_stragglers : TimePoint::max();
}

TimePoint Hearing::next_round() const {
  if (round_ == 0) return {};
  const Duration pause = opinion_.next_round_in();
  TimePoint next = asked_ + round_interval;
  if (pause == round_interval_confirming) next = asked_ + pause;
  if (pause == round_interval_undecided && own_.latest != asked_latest_) {
    next = std::min(next, std::max(asked_ + pause, news_from_));
  }
  const bool nothing_said = opinion_.word().verdict == FleetVerdict::alone;
  if (nothing_said && asked_ < own_.last_call) next = std::min(next, own_.last_call);
  return next;
}

TimePoint Hearing::next_look() const { return looked_when_due_ ? TimePoint::max() : own_.due; }

}  // namespace vitals::fleet
