// Watches one check on behalf of the app.
#include "agent/child/watchdog.hpp"

namespace vitals::child {
namespace {

constexpr Duration gap_max{5'000};

bool shared_failure(const Snapshot& snapshot, const Judgement& judgement) {
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    const CheckSpec& spec = *snapshot.checks[i]->spec;
    const bool matters = spec.scope == Scope::shared && spec.impact == Impact::critical;
    if (matters && judgement.checks[i].counts && judgement.checks[i].status == Status::fail) {
      return true;
    }
  }
  return false;
}

bool passed_since(const CheckState& state, TimePoint moment) {
  return state.last && !state.last->result.undecided &&
         state.last->result.outcome != Outcome::fail && state.last->started.mono >= moment;
}

}  // namespace

WatchdogView look_at(std::string_view check, const Snapshot& snapshot, const Judgement& judgement,
                     pid_t app, TimePoint app_seen, TimePoint now) {
  WatchdogView view;
  view.now = now;
  view.app = app;
  view.quiet = judgement.draining || judgement.stuck || shared_failure(snapshot, judgement);
  for (std::size_t i = 0; i < snapshot.checks.size(); ++i) {
    const CheckState& state = *snapshot.checks[i];
    if (state.spec->name != check) continue;
    const CheckJudgement& judged = judgement.checks[i];
    view.passed = passed_since(state, app_seen);
    // A stale check tells of us, not of the app.
    view.fails = judged.status == Status::fail && !judged.stale && judged.reason != Reason::stale;
    view.quiet = view.quiet || judged.muted() || !judged.suppressed_by.empty();
  }
  return view;
}

void Watchdog::follow(pid_t app) {
  if (app == app_) return;
  app_ = app;
  armed_ = asked_ = false;
  failing_since_.reset();
}

void Watchdog::arm(pid_t app) {
  follow(app);
  armed_ = true;
}

Watchdog::Advice Watchdog::look(const WatchdogView& view, Duration after) {
  follow(view.app);
  const bool gap = looked_at_ && view.now - *looked_at_ > gap_max;
  looked_at_ = view.now;
  if (gap || !view.fails || view.quiet) failing_since_.reset();
  if (app_ == 0) return Advice::nothing;
  if (view.passed && !armed_) {
    armed_ = true;
    return Advice::armed;
  }
  if (!view.fails || view.quiet) return Advice::nothing;
  if (!failing_since_) failing_since_ = view.now;
  if (!armed_ || asked_ || view.now - *failing_since_ < after) return Advice::nothing;
  asked_ = true;
  return Advice::restart;
}

}  // namespace vitals::child
