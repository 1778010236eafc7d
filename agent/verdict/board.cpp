// The board: folds samples under one mutex and publishes what readers see.
#include "agent/verdict/board.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/verdict/readiness.hpp"

namespace vitals {
namespace {

Event transition_event(const CheckState& before, const CheckState& after, Instant now) {
  Event event;
  event.type = Event::Type::transition;
  event.check = after.spec->name;
  event.from = before.status;
  event.to = after.status;
  event.reason = after.reason;
  event.detail = after.detail;
  event.since = now.mono - before.changed.mono;
  event.impact = after.spec->impact;
  if (after.last) event.duration = after.last->duration();
  return event;
}

Event failure_event(Event::Type type, const CheckState& state, const Sample& sample) {
  Event event;
  event.type = type;
  event.check = state.spec->name;
  event.from = event.to = state.status;
  event.reason = sample.result.reason;
  event.detail = sample.result.detail;
  event.duration = sample.duration();
  event.impact = state.spec->impact;
  return event;
}

/// The check that decides the verdict, for its log line.
void explain_verdict(const Snapshot& snapshot, const Judgement& judgement, Event& event) {
  if (judgement.draining) {
    event.detail = "draining";
    return;
  }
  if (judgement.verdict == Status::pass) return;
  for (const std::size_t i : worst_first(snapshot, judgement)) {
    const CheckJudgement& check = judgement.checks[i];
    if (!check.counts || check.status == Status::pass) continue;
    event.reason = check.reason;
    event.detail = snapshot.checks[i]->spec->name + ": " + std::string(check.detail);
    return;
  }
}

/// What a group shows as its last result: the moment of its members' last one.
void note_sample(CheckState& state, const GroupStatus& group, Instant now) {
  Sample sample{now, now, {}};
  sample.result.outcome = group.status == Status::fail   ? Outcome::fail
                          : group.status == Status::warn ? Outcome::warn
                                                         : Outcome::pass;
  sample.result.undecided = group.status == Status::unknown;
  sample.result.reason = group.reason;
  sample.result.detail = state.detail;
  sample.result.observed = Observation{static_cast<double>(group.well), "passing", "members"};
  state.last = std::move(sample);
  if (group.status != Status::pass && group.status != Status::warn) return;
  state.last_pass = now.wall;
  state.ever_passed = true;
}

/// What was known before a pause has to be seen again as after a resume. False: there was none.
bool end_pause(CheckState& state, Instant now) {
  if (!state.paused_since) return false;
  const Gap gap{*state.paused_since, now};
  state.paused_since.reset();
  refresh(state, gap, resume_grace);
  return true;
}

bool every_status_known(const Snapshot& snapshot, const Judgement& judgement) {
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    if (judgement.checks[i].counts && judgement.checks[i].status == Status::unknown) return false;
  }
  return true;
}

}  // namespace

StatusBoard::StatusBoard(Instant started, Listener listener) : listener_(std::move(listener)) {
  draft_.started = started;
  draft_.verdict_since = started;
  draft_.config_reload_success_at = started.wall;
  latest_ = std::make_shared<const Snapshot>(draft_);
}

void StatusBoard::set_checks(const std::vector<std::shared_ptr<const CheckSpec>>& specs,
                             SharedRule rule, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    std::vector<Slot> slots;
    std::map<std::string, std::size_t, std::less<>> index;
    std::set<std::string, std::less<>> unchanged;
    for (const auto& spec : specs) {
      Slot slot;
      Slot* const before = find_locked(spec->name);
      if (before != nullptr && before->state->spec->fingerprint == spec->fingerprint) {
        slot = *before;
        unchanged.insert(spec->name);
      } else {
        auto state =
            before != nullptr ? changed_state(spec, *before->state, now) : fresh_state(spec, now);
        if (before == nullptr && configured_) state.counts_while_unknown = false;
        slot.state = std::make_shared<const CheckState>(std::move(state));
      }
      index.emplace(spec->name, slots.size());
      slots.push_back(std::move(slot));
    }
    for (Slot& slot : slots_) {
      const std::string& name = slot.state->spec->name;
      if (unchanged.contains(name)) continue;
      if (!index.contains(name)) end_mute_locked(slot, "a reload removed the check", events);
      history_.forget(name);
    }
    slots_ = std::move(slots);
    index_ = std::move(index);
    link_members_locked();
    follow_all_locked(now, events);
    configured_ = true;
    draft_.shared_rule = rule;
    publish_locked(now, true, events);
  }
  announce(events);
}

void StatusBoard::continue_startup() {
  const std::lock_guard lock(mutex_);
  continues_ = true;
}

void StatusBoard::note_reload(bool ok, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    draft_.config_reload_ok = ok;
    if (ok) draft_.config_reload_success_at = now.wall;
    publish_locked(now, false, events);
  }
  announce(events);
}

std::optional<AttemptId> StatusBoard::begin(const CheckSpec& spec, Instant now) {
  Events events;
  std::optional<AttemptId> id;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = find_as_locked(spec);
    if (slot == nullptr) return std::nullopt;
    auto state = std::make_shared<CheckState>(*slot->state);
    const bool paused = end_pause(*state, now);
    state->alive_at = now.mono;
    slot->state = std::move(state);
    slot->open_attempt = ++attempts_;
    id = AttemptId{spec.name, slot->open_attempt};
    // Else readers learn of it with the result, long before it could matter to them.
    if (paused) publish_locked(now, true, events);
  }
  announce(events);
  return id;
}

bool StatusBoard::pause(const CheckSpec& spec, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = find_as_locked(spec);
    if (slot == nullptr || !may_rest(*slot->state, now.mono)) return false;
    auto state = std::make_shared<CheckState>(*slot->state);
    if (!state->paused_since) state->paused_since = now.mono;
    state->alive_at = now.mono;
    slot->state = std::move(state);
    publish_locked(now, false, events);
  }
  announce(events);
  return true;
}

void StatusBoard::set_idle(std::optional<IdleState> idle, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    if (draft_.idle == idle) return;
    draft_.idle = std::move(idle);
    publish_locked(now, false, events);
  }
  announce(events);
}

bool StatusBoard::finish(const AttemptId& attempt, const Sample& sample) {
  Events events;
  bool of_streak = sample.result.outcome == Outcome::fail;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = close_locked(attempt);
    if (slot == nullptr) return false;
    of_streak = of_streak || slot->state->failures_in_a_row > 0;
    fold_locked(*slot, sample, events);
  }
  announce(events);
  if (of_streak && streak_listener_) streak_listener_();
  return true;
}

void StatusBoard::overrun(const AttemptId& attempt, Instant started, Instant now) {
  Events events;
  const Sample sample{started, now, overran()};
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = close_locked(attempt);
    if (slot == nullptr) return;
    const TimePoint alive_at = slot->state->alive_at;
    fold_locked(*slot, sample, events);
    // The keeper spoke, not the check's thread: that one has shown no sign of life.
    auto state = std::make_shared<CheckState>(*slot->state);
    state->alive_at = alive_at;
    slot->state = std::move(state);
    publish_locked(now, false, events);
  }
  announce(events);
  if (streak_listener_) streak_listener_();
}

void StatusBoard::cancel(const AttemptId& attempt) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(close_locked(attempt));
}

bool StatusBoard::wants_retry(std::string_view check) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(check);
  if (found == index_.end()) return false;
  const auto waits = [&](const FleetWord& word) { return word.check == check && word.undecided; };
  return disagrees(*slots_[found->second].state) ||
         std::any_of(draft_.fleet.begin(), draft_.fleet.end(), waits);
}

void StatusBoard::await_fleet_locked(const CheckSpec& spec) {
  if (!expects_fleet_ || spec.impact != Impact::critical || spec.scope != Scope::shared) return;
  const auto known = [&](const FleetWord& word) { return word.check == spec.name; };
  if (std::any_of(draft_.fleet.begin(), draft_.fleet.end(), known)) return;
  FleetWord word;
  word.check = spec.name;
  word.undecided = true;
  draft_.fleet.push_back(std::move(word));
}

void StatusBoard::follow_streaks(std::function<void()> listener) {
  streak_listener_ = std::move(listener);
}

void StatusBoard::expect_fleet(bool expected) {
  const std::lock_guard lock(mutex_);
  expects_fleet_ = expected;
}

void StatusBoard::resume(const Gap& gap, Duration grace) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    for (Slot& slot : slots_) {
      if (slot.state->spec->is_group()) continue;  // no result of its own that could be too old
      slot.open_attempt = 0;
      auto state = std::make_shared<CheckState>(*slot.state);
      state->paused_since.reset();
      refresh(*state, gap, grace);
      slot.state = std::move(state);
    }
    ++draft_.resumes;
    Event event;
    event.type = Event::Type::resumed;
    events.push_back(std::move(event));
    publish_locked(gap.now, true, events);
  }
  announce(events);
}

void StatusBoard::set_draining(bool draining, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    if (draft_.draining == draining) return;
    draft_.draining = draining;
    draft_.draining_since = now;
    publish_locked(now, true, events);
  }
  announce(events);
}

void StatusBoard::set_fleet(std::vector<FleetWord> words, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    if (words.empty() && draft_.fleet.empty()) return;
    draft_.fleet = std::move(words);
    publish_locked(now, true, events);
  }
  announce(events);
}

bool StatusBoard::mute(std::string_view check, Duration ttl, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = find_locked(check);
    if (slot == nullptr) return false;
    auto state = std::make_shared<CheckState>(*slot->state);
    state->muted_until = now.mono + ttl;
    slot->state = std::move(state);
    Event event;
    event.type = Event::Type::muted;
    event.check = check;
    event.from = event.to = slot->state->status;
    event.since = ttl;
    events.push_back(std::move(event));
    follow_all_locked(now, events);
    publish_locked(now, true, events);
  }
  announce(events);
  return true;
}

bool StatusBoard::unmute(std::string_view check, Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    Slot* const slot = find_locked(check);
    if (slot == nullptr) return false;
    if (!end_mute_locked(*slot, "by request", events)) return true;
    follow_all_locked(now, events);
    publish_locked(now, true, events);
  }
  announce(events);
  return true;
}

bool StatusBoard::end_mute_locked(Slot& slot, const std::string& why, Events& events) {
  if (!slot.state->muted_until) return false;
  auto state = std::make_shared<CheckState>(*slot.state);
  state->muted_until.reset();
  slot.state = std::move(state);
  Event event;
  event.type = Event::Type::unmuted;
  event.check = slot.state->spec->name;
  event.from = event.to = slot.state->status;
  event.reason = slot.state->reason;
  event.detail = why;
  events.push_back(std::move(event));
  return true;
}

void StatusBoard::tick(Instant now) {
  Events events;
  {
    const std::lock_guard lock(mutex_);
    bool changed = now.mono >= next_judgement_;
    for (Slot& slot : slots_) {
      if (slot.state->muted_until && now.mono >= *slot.state->muted_until) {
        changed = end_mute_locked(slot, "its time is over", events) || changed;
      }
      if (slot.state->spec->is_group()) continue;  // follows below
      if (!is_stale(*slot.state, now.mono) || slot.state->status == Status::fail) continue;
      auto state = std::make_shared<CheckState>(*slot.state);
      if (!expire(*state, now).from) continue;
      change_locked(slot, std::move(state), now, events);
      changed = true;
    }
    if (!changed) return;
    follow_all_locked(now, events);
    publish_locked(now, true, events);
  }
  announce(events);
}

std::shared_ptr<const Snapshot> StatusBoard::latest() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

StatusBoard::Slot* StatusBoard::find_locked(std::string_view check) {
  const auto found = index_.find(check);
  return found == index_.end() ? nullptr : &slots_[found->second];
}

StatusBoard::Slot* StatusBoard::find_as_locked(const CheckSpec& spec) {
  Slot* const slot = find_locked(spec.name);
  const bool same = slot != nullptr && slot->state->spec->fingerprint == spec.fingerprint;
  return same ? slot : nullptr;
}

StatusBoard::Slot* StatusBoard::close_locked(const AttemptId& attempt) {
  Slot* const slot = find_locked(attempt.check);
  if (slot == nullptr || slot->open_attempt != attempt.number) return nullptr;
  slot->open_attempt = 0;
  return slot;
}

void StatusBoard::note_remark(Slot& slot, const Sample& sample, Events& events) {
  const std::string& remark = sample.result.remark;
  if (remark.empty() || slot.remarks.size() >= remarks_max) return;
  if (std::find(slot.remarks.begin(), slot.remarks.end(), remark) != slot.remarks.end()) return;
  slot.remarks.push_back(remark);
  Event event;
  event.type = Event::Type::remark;
  event.check = slot.state->spec->name;
  event.from = event.to = slot.state->status;
  event.detail = remark;
  events.push_back(std::move(event));
}

void StatusBoard::fold_locked(Slot& slot, const Sample& sample, Events& events) {
  auto state = std::make_shared<CheckState>(*slot.state);
  const Status expired_from = state->status;
  const Fold stale = expire(*state, sample.started);
  Fold fold = apply_sample(*state, sample);
  history_.note_result(state->spec->name, sample);
  if (stale.from && !fold.from) fold.from = expired_from;
  // Others have had no time to say anything yet.
  if (fold.first_failure) await_fleet_locked(*state->spec);
  const bool first_failure = fold.first_failure && !fold.from;
  if (first_failure) {
    events.push_back(failure_event(Event::Type::first_failure, *state, sample));
  }
  // What only time had turned to fail for readers, no transition brings back.
  const bool settled = slot.state->grace && !state->grace;
  if (fold.from) {
    change_locked(slot, std::move(state), sample.finished, events);
  } else {
    slot.state = std::move(state);
  }
  if (fold.internal) events.push_back(failure_event(Event::Type::internal, *slot.state, sample));
  note_remark(slot, sample, events);
  const bool group_changed = follow_member_locked(slot, sample.finished, events);
  // It may be a parent, too, whose failure leaves members out of groups it is not in.
  if (fold.from) follow_all_locked(sample.finished, events);
  const bool changed = fold.from || settled || group_changed;
  publish_locked(sample.finished, changed || !draft_.startup_latched, events);
}

void StatusBoard::link_members_locked() {
  for (Slot& slot : slots_) slot.groups.clear();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    for (const std::string& member : slots_[i].state->spec->members) {
      Slot* const slot = find_locked(member);
      VITALS_ASSERT(slot != nullptr);
      slot->groups.push_back(i);
    }
  }
}

std::vector<MemberView> StatusBoard::members_locked(const CheckSpec& group, Instant now) const {
  std::vector<MemberView> members;
  for (const std::string& name : group.members) {
    const CheckState& state = *slots_[index_.find(name)->second].state;
    MemberView view{state.spec->name, state.status, state.reason};
    view.unfed = is_unfed(*state.spec, state.status);
    view.left_out = state.muted_until && now.mono < *state.muted_until;
    const auto parent = index_.find(state.spec->parent);
    if (parent != index_.end()) {
      view.left_out = view.left_out || slots_[parent->second].state->status == Status::fail;
    }
    members.push_back(view);
  }
  return members;
}

Instant StatusBoard::began_locked(const CheckState& group, Instant now) const {
  std::optional<Instant> latest;
  for (const std::string& name : group.spec->members) {
    const CheckState& member = *slots_[index_.find(name)->second].state;
    if (member.status != Status::fail) continue;
    if (!latest || latest->mono < member.since.mono) latest = member.since;
  }
  return latest && latest->mono >= group.changed.mono ? *latest : now;
}

bool StatusBoard::follow_group_locked(Slot& slot, Instant now, bool sampled, Events& events) {
  const auto members = members_locked(*slot.state->spec, now);
  const GroupStatus group = judge_group(members, slot.state->spec->need);
  auto state = std::make_shared<CheckState>(*slot.state);
  const Status status = group_status(group, state->status);
  if (status == group.status) state->reason = group.reason;
  state->detail = group_detail(members);
  state->ever_finished = std::all_of(
      state->spec->members.begin(), state->spec->members.end(), [&](const std::string& name) {
        return slots_[index_.find(name)->second].state->ever_finished;
      });
  if (sampled) note_sample(*state, group, now);
  if (state->status == status) {
    slot.state = std::move(state);
    return false;
  }
  ++state->counters
        .transitions[static_cast<std::size_t>(state->status)][static_cast<std::size_t>(status)];
  state->status = status;
  state->since = status == Status::fail ? began_locked(*state, now) : now;
  state->changed = now;
  change_locked(slot, std::move(state), now, events);
  return true;
}

bool StatusBoard::follow_member_locked(Slot& member, Instant now, Events& events) {
  bool changed = false;
  for (const std::size_t group : member.groups) {
    changed = follow_group_locked(slots_[group], now, true, events) || changed;
  }
  return changed;
}

void StatusBoard::follow_all_locked(Instant now, Events& events) {
  for (Slot& slot : slots_) {
    if (slot.state->spec->is_group()) follow_group_locked(slot, now, false, events);
  }
}

void StatusBoard::change_locked(Slot& slot, std::shared_ptr<const CheckState> state, Instant now,
                                Events& events) {
  events.push_back(transition_event(*slot.state, *state, now));
  note_transition_locked(events.back(), now);
  slot.state = std::move(state);
}

void StatusBoard::note_transition_locked(const Event& event, Instant now) {
  history_.note_transition(
      {now.wall, event.check, event.from, event.to, event.reason, event.detail, event.since});
}

void StatusBoard::publish_locked(Instant now, bool status_changed, Events& events) {
  ++draft_.generation;
  draft_.checks.clear();
  draft_.checks.reserve(slots_.size());
  for (const Slot& slot : slots_) draft_.checks.push_back(slot.state);
  if (configured_ && !draft_.startup_latched) latch_startup_locked();
  if (status_changed) judge_locked(now, events);
  latest_ = std::make_shared<const Snapshot>(draft_);
}

bool StatusBoard::is_started_locked(const CheckState& check) const {
  if (check.ever_passed) return true;
  return continues_ && check.spec->scope == Scope::shared && check.status == Status::fail;
}

void StatusBoard::latch_startup_locked() {
  bool any_startup = false;
  bool all_passed = true;
  bool all_asked = true;
  for (const Slot& slot : slots_) {
    any_startup = any_startup || slot.state->spec->startup;
    all_passed = all_passed && (!slot.state->spec->startup || is_started_locked(*slot.state));
    all_asked = all_asked && slot.state->ever_finished;
  }
  draft_.startup_latched = any_startup ? all_passed : all_asked;
}

void StatusBoard::judge_locked(Instant now, Events& events) {
  const Judgement judgement = judge(draft_, now.mono);
  next_judgement_ = judgement.valid_until;
  const bool known = verdict_known_ || judgement.draining || every_status_known(draft_, judgement);
  if (known && (!verdict_known_ || judgement.verdict != draft_.verdict)) {
    Event event;
    event.type = Event::Type::verdict;
    event.from = verdict_known_ ? draft_.verdict : Status::unknown;
    event.to = judgement.verdict;
    event.since = now.mono - draft_.verdict_since.mono;
    explain_verdict(draft_, judgement, event);
    note_transition_locked(event, now);
    events.push_back(std::move(event));
    if (verdict_known_) {
      ++draft_.verdict_transitions[static_cast<std::size_t>(draft_.verdict)]
                                  [static_cast<std::size_t>(judgement.verdict)];
    }
    draft_.verdict_since = now;
  }
  draft_.verdict = judgement.verdict;
  verdict_known_ = known;
  if (judgement.ready != ready_) {
    Event event;
    event.type = Event::Type::ready;
    event.on = ready_ = judgement.ready;
    event.detail = readiness_cause(draft_, judgement);
    events.push_back(std::move(event));
  }
  if (judgement.fail_open != fail_open_) {
    Event event;
    event.type = Event::Type::fail_open;
    event.on = fail_open_ = judgement.fail_open;
    if (fail_open_) event.detail = readiness_cause(draft_, judgement);
    events.push_back(std::move(event));
  }
}

void StatusBoard::announce(const Events& events) const {
  if (!listener_) return;
  for (const Event& event : events) listener_(event);
}

}  // namespace vitals
