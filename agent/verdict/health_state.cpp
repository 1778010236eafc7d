// Thresholds: how one sample moves the state of its check.
#include "agent/verdict/health_state.hpp"

#include <algorithm>
#include <utility>

#include <vitals/text.hpp>

namespace vitals {
namespace {

struct Change {
  Status to;
  Instant at;
  Instant since;
};

void change_status(CheckState& state, const Change& change, Fold& fold) {
  const Status to = change.to;
  if (state.status == to) return;
  const auto from = static_cast<std::size_t>(state.status);
  ++state.counters.transitions[from][static_cast<std::size_t>(to)];
  fold.from = state.status;
  state.status = to;
  state.since = change.since;
  state.changed = change.at;
}

void count(CheckState& state, const Sample& sample) {
  const auto outcome = static_cast<std::size_t>(sample.result.outcome);
  ++state.counters.attempts[outcome];
  if (sample.result.outcome == Outcome::fail) {
    ++state.counters.failures[static_cast<std::size_t>(sample.result.reason)];
  }
  const std::chrono::duration<double> seconds = sample.duration();
  state.counters.durations.observe(seconds.count(), duration_bounds);
}

void explain(CheckState& state, const ProbeResult& result) {
  state.reason = result.reason;
  state.detail = result.detail;
}

void apply_success(CheckState& state, const Sample& sample, Fold& fold) {
  state.failures_in_a_row = 0;
  ++state.successes_in_a_row;
  state.last_pass = sample.finished.wall;
  state.ever_passed = true;
  const int wanted = state.inherited ? 1 : state.spec->rise;
  if (state.status == Status::fail && state.successes_in_a_row < wanted) return;
  state.inherited = false;
  change_status(state, {to_status(sample.result.outcome), sample.finished, sample.finished}, fold);
  explain(state, sample.result);
}

void apply_failure(CheckState& state, const Sample& sample, Fold& fold) {
  state.successes_in_a_row = 0;
  ++state.failures_in_a_row;
  state.inherited = false;
  fold.first_failure = state.failures_in_a_row == 1;
  if (fold.first_failure) {
    state.streak_started = sample.started.mono;
    state.streak_began = sample.finished;
  }
  state.streak_latest = sample.started.mono;
  if (sample.result.decisive || state.failures_in_a_row >= state.spec->fall) {
    change_status(state, {Status::fail, sample.finished, state.streak_began}, fold);
  }
  // A check that still counts as passing keeps saying why it passes; the streak is shown beside it.
  if (state.status == Status::fail || state.status == Status::unknown) {
    explain(state, sample.result);
  }
}

/// Without a word when it is fresh or has failed anyway.
Fold turn_stale(CheckState& state, Instant now) {
  Fold fold;
  if (state.status == Status::fail || !is_stale(state, now.mono)) return fold;
  const auto age =
      std::chrono::duration_cast<std::chrono::seconds>(now.mono - state.evidence_at).count();
  std::string detail = "no result for " + human_duration(age);
  if (state.last && state.last->result.reason == Reason::internal) {
    detail += "; " + state.last->result.detail;
  }
  change_status(state, {Status::fail, now, now}, fold);
  state.successes_in_a_row = 0;
  state.reason = Reason::stale;
  state.detail = std::move(detail);
  return fold;
}

/// A failure of the one took at least as much down as a failure of the other will.
bool weighs_no_more(const CheckSpec& spec, const CheckSpec& before) {
  const bool narrower = spec.scope == before.scope || spec.scope == Scope::shared;
  return spec.impact >= before.impact && narrower && (before.live || !spec.live);
}

void inherit(CheckState& state, const CheckState& failing) {
  state.inherited = true;
  state.status = Status::fail;
  state.reason = failing.reason;
  state.detail = failing.detail;
  state.since = failing.since;
  state.changed = failing.changed;
  state.failures_in_a_row = failing.failures_in_a_row;
  state.streak_started = failing.streak_started;
  state.streak_began = failing.streak_began;
  state.streak_latest = failing.streak_latest;
  state.last_pass = failing.last_pass;
}

/// Under its new config nothing is due: what it failed with before is none of its business.
void start_anew(CheckState& state, Instant now, Fold& fold) {
  change_status(state, {Status::unknown, now, now}, fold);
  state.inherited = false;
  state.reason = Reason::none;
  state.failures_in_a_row = 0;
}

/// There is evidence: nothing that went before it is needed any more.
void note_evidence(CheckState& state, TimePoint at) {
  state.evidence_at = at;
  state.grace.reset();
}

}  // namespace

ProbeResult overran() { return failed(Reason::timeout, "no answer within the timeout"); }

CheckState fresh_state(std::shared_ptr<const CheckSpec> spec, Instant created) {
  CheckState state;
  state.spec = std::move(spec);
  state.since = state.changed = created;
  state.evidence_at = created.mono;
  state.alive_at = created.mono;
  state.counts_while_unknown = state.spec->kind->counts_while_unknown;
  return state;
}

CheckState changed_state(std::shared_ptr<const CheckSpec> spec, const CheckState& before,
                         Instant now) {
  CheckState state = fresh_state(std::move(spec), now);
  state.muted_until = before.muted_until;
  const bool counted = before.status == Status::unknown && before.counts_while_unknown;
  state.counts_while_unknown = state.counts_while_unknown && counted;
  const KindSpec* const kind = state.spec->kind;
  // It may rightly stay unknown for a day, and what another kind said is no word on that.
  if (!kind->counts_while_unknown && kind != before.spec->kind) return state;
  if (!weighs_no_more(*state.spec, *before.spec)) return state;
  CheckState failing = before;
  if (!before.spec->is_group()) turn_stale(failing, now);
  if (failing.status == Status::fail) inherit(state, failing);
  return state;
}

TimePoint stale_from(const CheckState& state) {
  const auto limit = state.spec->stale_after();
  // Nothing new is asked for, but its thread has to show that it would ask.
  if (state.paused_since) return state.alive_at + limit;
  return std::min(state.grace ? state.grace->until : state.evidence_at + limit,
                  state.alive_at + limit);
}

bool is_stale(const CheckState& state, TimePoint now) { return now > stale_from(state); }

Fold expire(CheckState& state, Instant now) {
  if (state.grace && now.mono <= state.grace->decided_by) return {};
  return turn_stale(state, now);
}

bool has_word(const CheckState& state) {
  return state.last && !state.grace && !state.last->result.undecided &&
         state.last->result.reason != Reason::internal;
}

bool may_rest(const CheckState& state, TimePoint now) {
  const bool well = state.status == Status::pass || state.status == Status::warn;
  return well && state.failures_in_a_row == 0 && !state.grace && !is_stale(state, now);
}

void refresh(CheckState& state, const Gap& gap, Duration grace) {
  // The keeper may come late to the end of an attempt by as much as this.
  constexpr Duration decision_slack{1'000};
  const TimePoint now = gap.now.mono;
  Elapsed left = grace;
  if (state.grace) left = std::clamp(Elapsed(state.grace->until - gap.from), Elapsed::zero(), left);
  // The silence of the check's thread was the Machine's.
  state.alive_at = std::max({state.alive_at, now, now + grace - state.spec->stale_after()});
  state.grace =
      Grace{now + left, now + std::max<Elapsed>(left, state.spec->timeout + decision_slack)};
}

Fold apply_sample(CheckState& state, const Sample& sample) {
  Fold fold;
  const bool was_internal = state.last && state.last->result.reason == Reason::internal;
  if (!sample.result.undecided) count(state, sample);
  state.last = sample;
  state.ever_finished = true;
  state.alive_at = sample.finished.mono;
  if (sample.result.undecided) {
    note_evidence(state, sample.finished.mono);
    // Where something will be due, the failure goes on: a reload begins that wait again.
    if (state.inherited && !sample.result.ask_again_in) start_anew(state, sample.finished, fold);
    if (state.status == Status::unknown) state.detail = sample.result.detail;
    return fold;
  }
  if (sample.result.reason == Reason::internal) {
    fold.internal = !was_internal;
    if (state.status == Status::unknown) explain(state, sample.result);
    return fold;
  }
  // After a resume readers may have seen it stale without a word in the state: a failure confirms
  // that and must not bring the old status back; a success, though late, ends a mere gap.
  const bool confirms = state.grace && sample.result.outcome == Outcome::fail;
  if (confirms) fold = turn_stale(state, sample.finished);
  note_evidence(state, sample.finished.mono);
  if (sample.result.outcome == Outcome::fail) {
    apply_failure(state, sample, fold);
  } else {
    apply_success(state, sample, fold);
  }
  return fold;
}

bool disagrees(const CheckState& state) {
  return state.status == Status::fail ? state.successes_in_a_row > 0 : state.failures_in_a_row > 0;
}

}  // namespace vitals
