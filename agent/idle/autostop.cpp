// The loop that looks, tells and acts.
#include "agent/idle/autostop.hpp"

#include <utility>

#include <vitals/assert.hpp>

#include "agent/config/autostop_reader.hpp"
#include "agent/config/quantity.hpp"
#include "agent/verdict/judge.hpp"

namespace vitals::idle {

Autostop::Autostop(AutostopParts parts) : parts_(std::move(parts)) {}

Autostop::~Autostop() { stop(); }

std::optional<Error> Autostop::configure(const AutostopConfig& rules, TimePoint started) {
  if (!rules.given) {
    stop();
    return std::nullopt;
  }
  {
    const std::lock_guard lock(mutex_);
    rules_ = rules;
  }
  if (worker_.running()) return std::nullopt;
  parts_.log.line(LogLevel::info, "watched for idleness",
                  {{"idle_after", config::format_duration(rules.idle_after)},
                   {"action", std::string(config::action_word(rules.action))},
                   {"min_uptime", config::format_duration(rules.min_uptime)}});
  return worker_.start("autostop", [this, watch = Watch(started, Clock::now())] { run(watch); });
}

void Autostop::stop() {
  if (!worker_.stop()) return;
  narrator_ = {};
  parts_.rest(false);
  parts_.board.set_idle(std::nullopt, Instant::now());
}

void Autostop::run(Watch watch) {
  while (worker_.running()) {
    look(watch, rules_now());
    worker_.rest_until(Clock::now() + look_interval);
  }
}

AutostopConfig Autostop::rules_now() {
  const std::lock_guard lock(mutex_);
  return rules_;
}

const std::vector<std::string>& Autostop::jobs(const AutostopConfig& rules, TimePoint now) {
  const auto quiet_since = quiet_since_.value_or(now);
  const bool turns_idle = !was_idle_ && now - quiet_since >= rules.idle_after;
  if (turns_idle || now >= jobs_at_ + jobs_interval) {
    jobs_ = parts_.jobs();
    jobs_at_ = now;
  }
  return jobs_;
}

Facts Autostop::facts(const AutostopConfig& rules, const Snapshot& snapshot, TimePoint now) {
  Facts facts;
  facts.now = now;
  facts.traffic = parts_.traffic(rules.port);
  facts.holds = parts_.holds.active(now);
  // They cost most, and tell nothing new where there is other work.
  if (facts.traffic.connections == 0 && facts.holds.empty()) facts.jobs = jobs(rules, now);
  facts.verdict = judge(snapshot, now).verdict;
  facts.draining = snapshot.draining;
  facts.app_runs = parts_.app_runs();
  facts.resumes = snapshot.resumes;
  return facts;
}

void Autostop::look(Watch& watch, const AutostopConfig& rules) {
  const auto snapshot = parts_.snapshot();
  const TimePoint now = Clock::now();
  const Facts seen = facts(rules, *snapshot, now);
  watch.look(seen, rules);
  if (watch.may_act(now)) act(watch, rules);
  was_idle_ = watch.idleness().idle;
  quiet_since_ = watch.idleness().quiet_since;
  parts_.rest(was_idle_);
  if (const auto line = narrator_.tell(watch.idleness(), now)) parts_.log.write(*line);
  publish(watch.idleness(), seen.holds);
}

void Autostop::act(Watch& watch, const AutostopConfig& rules) {
  switch (rules.action) {
    case AutostopAction::report:
      return;
    case AutostopAction::exit:
      parts_.log.line(LogLevel::info, "idle: everything ends now, with exit code 0",
                      {{"idle_after", config::format_duration(rules.idle_after)}});
      watch.asked(Clock::now(), "it is about to end");
      parts_.exit();
      return;
    case AutostopAction::suspend:
    case AutostopAction::stop:
      call_api(watch, rules);
      return;
  }
  VITALS_ASSERT(false);
}

void Autostop::call_api(Watch& watch, const AutostopConfig& rules) {
  const std::string verb(config::action_word(rules.action));
  parts_.log.line(LogLevel::info, "idle: the Machines API is asked to " + verb + " this Machine",
                  {{"idle_after", config::format_duration(rules.idle_after)}});
  const std::uint64_t resumes = parts_.snapshot()->resumes;
  const auto refusal = ask_machines_api(rules.api_socket, parts_.machine, verb,
                                        Deadline::after(api_timeout, worker_.stop_fd()));
  const TimePoint now = Clock::now();
  const bool slept = parts_.snapshot()->resumes != resumes;
  if (refusal && !slept) {
    ++refusals_;
    const Duration pause = watch.refused(now, refusal->message);
    parts_.log.line(LogLevel::warn, "refused to " + verb + ": the Machine stays awake",
                    {{"detail", refusal->message}, {"again_in", config::format_duration(pause)}});
    return;
  }
  // The answer may have come after the Machine woke up; if it is yet to sleep, it wakes up to the
  // same life.
  if (rules.action == AutostopAction::suspend) {
    watch.new_life(now);
  } else {
    watch.asked(now, "the Machines API has been asked to stop it");
  }
}

void Autostop::publish(const Idleness& idleness, std::vector<std::string> holds) {
  IdleState state;
  state.quiet_since = idleness.quiet_since;
  state.idle = idleness.idle;
  state.safe = idleness.safe;
  state.kept_by = to_word(idleness.keeps);
  state.why = idleness.why;
  state.holds = std::move(holds);
  parts_.board.set_idle(std::move(state), Instant::now());
}

}  // namespace vitals::idle
