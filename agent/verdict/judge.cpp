// The verdict and readiness at one moment.
#include "agent/verdict/judge.hpp"

#include <algorithm>
#include <map>

#include "agent/verdict/group.hpp"
#include "agent/verdict/health_state.hpp"

namespace vitals {
namespace {

using Index = std::map<std::string_view, std::size_t, std::less<>>;

/// Names that others refer to; empty when nobody does.
Index index_names(const Snapshot& snapshot) {
  Index index;
  const bool any = std::any_of(
      snapshot.checks.begin(), snapshot.checks.end(),
      [](const auto& check) { return !check->spec->parent.empty() || check->spec->is_group(); });
  if (!any) return index;
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    index.emplace(snapshot.checks[i]->spec->name, i);
  }
  return index;
}

CheckJudgement judge_alone(const CheckState& state, TimePoint now) {
  CheckJudgement judgement;
  judgement.status = state.status;
  judgement.reason = state.reason;
  judgement.detail = state.detail;
  // A group has no results of its own that could grow old: it follows its members.
  judgement.stale = !state.spec->is_group() && is_stale(state, now);
  if (judgement.stale && state.reason != Reason::stale) {
    judgement.status = Status::fail;
    judgement.reason = Reason::stale;
    judgement.detail = state.grace ? "no result since the Machine resumed"
                                   : "no result for more than three intervals";
  }
  if (state.muted_until && now < *state.muted_until) judgement.muted_until = state.muted_until;
  judgement.paused = state.paused_since && !judgement.stale;
  return judgement;
}

void judge_counting(const CheckState& state, CheckJudgement& judgement) {
  const bool silent_newcomer =
      judgement.status == Status::unknown && (!state.counts_while_unknown || judgement.unfed);
  judgement.counts = state.spec->impact != Impact::info && !judgement.muted() &&
                     judgement.suppressed_by.empty() && !silent_newcomer;
}

void suppress_children(const Snapshot& snapshot, const Index& index, bool of_groups,
                       Judgement& judgement) {
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    const auto parent = index.find(snapshot.checks[i]->spec->parent);
    if (parent == index.end()) continue;
    if (snapshot.checks[parent->second]->spec->is_group() != of_groups) continue;
    if (judgement.checks[parent->second].status == Status::fail) {
      judgement.checks[i].suppressed_by = parent->first;
    }
  }
}

/// With nothing held for known that a resting member, or one without a word of its own, had said
/// before.
bool is_proven(const Snapshot& snapshot, const Index& index, const CheckState& group,
               const Judgement& judgement, std::vector<MemberView> members) {
  for (MemberView& member : members) {
    const std::size_t i = index.find(member.name)->second;
    if (judgement.checks[i].paused || !has_word(*snapshot.checks[i])) {
      member.status = Status::unknown;
    }
  }
  const Status status = judge_group(members, group.spec->need).status;
  return status == Status::pass || status == Status::warn;
}

/// The group as its members are now: one may have gone stale since the board looked.
void judge_group_now(const Snapshot& snapshot, const Index& index, std::size_t at,
                     Judgement& judgement) {
  const CheckState& state = *snapshot.checks[at];
  CheckJudgement& group = judgement.checks[at];
  std::vector<MemberView> members;
  std::string_view suppressed_by;
  std::optional<TimePoint> back_at;  // the first of its muted members
  bool any_left_out = false;
  for (const std::string& name : state.spec->members) {
    const std::size_t i = index.find(name)->second;
    const CheckJudgement& member = judgement.checks[i];
    const bool left_out = member.muted() || !member.suppressed_by.empty();
    const bool unfed = is_unfed(*snapshot.checks[i]->spec, member.status);
    members.push_back({name, member.status, member.reason, left_out, unfed});
    any_left_out = any_left_out || left_out;
    if (!member.suppressed_by.empty()) suppressed_by = member.suppressed_by;
    if (member.muted() && (!back_at || member.muted_until < back_at)) back_at = member.muted_until;
  }
  const GroupStatus now = judge_group(members, state.spec->need);
  const bool waits = group_status(now, state.status) != now.status;
  if (!waits && (now.status != state.status || now.reason != state.reason)) {
    group.status = now.status;
    group.reason = now.reason;
    group.detail = "the members' results are too old, or a mute has ended";
  }
  group.unproven = group.status != Status::fail &&
                   !is_proven(snapshot, index, state, judgement, std::move(members));
  if (!now.all_out) return;
  group.unfed = !any_left_out;
  if (group.unfed) return;
  group.suppressed_by = suppressed_by;
  if (suppressed_by.empty()) group.muted_until = std::max(group.muted_until, back_at);
}

/// Parents that are checks first, for they decide which members are left out of a group; then
/// groups; then what has a group for its parent (config makes sure that such are no members).
void judge_relations(const Snapshot& snapshot, Judgement& judgement) {
  const Index index = index_names(snapshot);
  if (index.empty()) return;
  suppress_children(snapshot, index, false, judgement);
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    if (snapshot.checks[i]->spec->is_group()) judge_group_now(snapshot, index, i, judgement);
  }
  suppress_children(snapshot, index, true, judgement);
}

Status worse(Status a, Status b) {
  const auto rank = [](Status s) { return s == Status::fail ? 2 : s == Status::warn ? 1 : 0; };
  return rank(a) >= rank(b) ? a : b;
}

/// Null when nobody has said a word on it, or none that still holds.
const FleetWord* fleet_word(const Snapshot& snapshot, const CheckSpec& spec, TimePoint now) {
  for (const FleetWord& word : snapshot.fleet) {
    if (word.check == spec.name) return now <= word.at + fleet_word_good_for ? &word : nullptr;
  }
  return nullptr;
}

/// Does this failing critical check take the Machine out of readiness? (contract §4.10)
bool gates(const Snapshot& snapshot, const CheckSpec& spec, const FleetWord* word) {
  if (spec.scope == Scope::local) return true;
  switch (snapshot.shared_rule) {
    case SharedRule::gate:
      return true;
    case SharedRule::report:
      return false;
    case SharedRule::fleet:
      return word != nullptr && word->verdict == FleetVerdict::ours;
  }
  VITALS_ASSERT(false);
  return true;
}

void judge_machine(const Snapshot& snapshot, TimePoint now, Judgement& judgement) {
  bool gated = false;
  bool shared_failure = false;
  judgement.verdict = Status::pass;
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    const CheckSpec& spec = *snapshot.checks[i]->spec;
    CheckJudgement& check = judgement.checks[i];
    const bool fails = check.status == Status::fail;
    if (spec.live && fails && !check.muted() && check.suppressed_by.empty()) judgement.live = false;
    if (!check.counts) continue;
    judgement.verdict = worse(judgement.verdict, contribution(spec.impact, check.status));
    if (!fails || spec.impact != Impact::critical) continue;
    const bool asks = spec.scope == Scope::shared && snapshot.shared_rule == SharedRule::fleet;
    if (asks) check.fleet = fleet_word(snapshot, spec, now);
    check.gates = gates(snapshot, spec, check.fleet);
    gated = gated || check.gates;
    shared_failure = shared_failure || spec.scope == Scope::shared;
  }
  judgement.draining = snapshot.draining;
  judgement.startup = snapshot.startup_latched;
  if (snapshot.draining || judgement.stuck) judgement.verdict = Status::fail;
  if (judgement.stuck) judgement.live = judgement.startup = false;

  judgement.ready = !snapshot.draining && snapshot.startup_latched && !judgement.stuck && !gated;
  judgement.fail_open = judgement.ready && shared_failure;
}

TimePoint first_change_after(const Snapshot& snapshot, TimePoint now) {
  TimePoint first = TimePoint::max();
  const auto consider = [&](TimePoint moment) {
    if (moment >= now) first = std::min(first, moment);
  };
  for (const auto& state : snapshot.checks) {
    if (state->muted_until) consider(*state->muted_until);
    if (state->spec->is_group()) continue;
    consider(stale_from(*state));
    consider(state->alive_at + state->spec->stale_after());
  }
  for (const FleetWord& word : snapshot.fleet) consider(word.at + fleet_word_good_for);
  return first;
}

}  // namespace

Judgement judge(const Snapshot& snapshot, TimePoint now) {
  Judgement judgement;
  judgement.checks.reserve(snapshot.checks.size());
  bool anyone_alive = snapshot.checks.empty();
  for (const auto& state : snapshot.checks) {
    judgement.checks.push_back(judge_alone(*state, now));
    const bool alive = now <= state->alive_at + state->spec->stale_after();
    anyone_alive = anyone_alive || (alive && !state->spec->is_group());
  }
  judgement.stuck = !anyone_alive;
  judge_relations(snapshot, judgement);
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    judge_counting(*snapshot.checks[i], judgement.checks[i]);
  }
  judge_machine(snapshot, now, judgement);
  judgement.valid_until = first_change_after(snapshot, now);
  return judgement;
}

Status contribution(Impact impact, Status status) {
  switch (status) {
    case Status::pass:
      return Status::pass;
    case Status::warn:
      return Status::warn;
    case Status::fail:
    case Status::unknown:
      return impact == Impact::critical ? Status::fail : Status::warn;
  }
  VITALS_ASSERT(false);
  return Status::fail;
}

std::vector<std::size_t> worst_first(const Snapshot& snapshot, const Judgement& judgement) {
  const auto status_rank = [](Status status) {
    switch (status) {
      case Status::fail:
        return 0;
      case Status::warn:
        return 1;
      case Status::unknown:
        return 2;
      case Status::pass:
        return 3;
    }
    VITALS_ASSERT(false);
    return 0;
  };
  const auto fails_verdict = [](const CheckSpec& spec, const CheckJudgement& check) {
    return check.counts && contribution(spec.impact, check.status) == Status::fail;
  };
  std::vector<std::size_t> order(snapshot.checks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const CheckJudgement& left = judgement.checks[a];
    const CheckJudgement& right = judgement.checks[b];
    const CheckSpec& left_spec = *snapshot.checks[a]->spec;
    const CheckSpec& right_spec = *snapshot.checks[b]->spec;
    const bool left_decides = fails_verdict(left_spec, left);
    if (left_decides != fails_verdict(right_spec, right)) return left_decides;
    if (left.status != right.status) return status_rank(left.status) < status_rank(right.status);
    if (left.counts != right.counts) return left.counts;
    if (left_spec.impact != right_spec.impact) return left_spec.impact < right_spec.impact;
    return left_spec.name < right_spec.name;
  });
  return order;
}

}  // namespace vitals
