// /history as JSON: what happened to all checks, or everything about one.
#include "agent/serve/history_report.hpp"

#include <algorithm>
#include <chrono>

#include "agent/json_writer.hpp"
#include "agent/serve/report_parts.hpp"
#include "agent/verdict/readiness.hpp"

namespace vitals {
namespace {

double whole_seconds(Elapsed time) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

void write_result(JsonWriter& json, const PastResult& result) {
  json.text("time", iso_time(result.at));
  json.text("outcome", to_label(result.outcome));
  if (result.reason != Reason::none) json.text("reason", to_label(result.reason));
  json.number("duration_ms", shown_milliseconds(result.duration));
}

void write_results(JsonWriter& json, const CheckHistory& history) {
  if (const auto p95 = history.p95()) json.number("p95_ms", shown_milliseconds(*p95));
  json.begin_array("failures");
  for (const PastFailure& failure : history.failures) {
    json.begin_object();
    write_result(json, failure.result);
    json.text("output", failure.detail);
    json.end_object();
  }
  json.end_array();
  json.begin_array("results");
  for (const PastResult& result : history.results) {
    json.begin_object();
    write_result(json, result);
    json.end_object();
  }
  json.end_array();
}

void write_transition(JsonWriter& json, const PastTransition& transition) {
  json.begin_object();
  json.text("time", iso_time(transition.at));
  if (!transition.check.empty()) json.text("check", transition.check);
  json.text("from", to_label(transition.from));
  json.text("to", to_label(transition.to));
  if (transition.reason != Reason::none) json.text("reason", to_label(transition.reason));
  if (!transition.detail.empty()) json.text("output", transition.detail);
  json.number("lasted_seconds", whole_seconds(transition.lasted));
  json.end_object();
}

void write_transitions(JsonWriter& json, std::string_view key,
                       const std::vector<PastTransition>& transitions,
                       std::string_view check = {}) {
  json.begin_array(key);
  for (const PastTransition& transition : transitions) {
    if (check.empty() || transition.check == check) write_transition(json, transition);
  }
  json.end_array();
}

void write_status(JsonWriter& json, const CheckView& check, Instant now) {
  const CheckState& state = check.state;
  json.text("status", to_label(check.judgement.status));
  if (check.judgement.reason != Reason::none) {
    json.text("reason", to_label(check.judgement.reason));
  }
  json.text("output", explanation(check));
  json.text("since", iso_time(since_when(check, now).wall));
  if (state.last_pass) json.text("last_pass", iso_time(*state.last_pass));
  json.integer("failures_in_a_row", state.failures_in_a_row);
  json.integer("successes_in_a_row", state.successes_in_a_row);
  json.flag("counts", check.judgement.counts);
  if (!check.judgement.suppressed_by.empty()) {
    json.text("suppressed_by", check.judgement.suppressed_by);
  }
  if (check.judgement.muted()) {
    json.text("muted_until", iso_time(wall_time_of(*check.judgement.muted_until, now)));
  }
  if (check.judgement.paused) json.flag("paused", true);
}

std::string detection_rule(const CheckSpec& spec) {
  const std::string_view of_member = spec.is_group() ? "of its slowest member: " : "";
  return std::string(of_member) +
         (spec.silence_max ? "every + grace, from the last call on"
                           : "interval·(1 + jitter) + timeout + (fall − 1)·max(retry_interval, "
                             "timeout)");
}

void write_spec(JsonWriter& json, const CheckSpec& spec) {
  json.text("kind", spec.kind->name);
  json.text("target", spec.target);
  json.text("impact", to_label(spec.impact));
  json.text("scope", to_label(spec.scope));
  json.integer("fall", spec.fall);
  json.integer("rise", spec.rise);
  json.number("worst_case_detection_seconds",
              std::chrono::duration<double>(spec.worst_case_detection()).count());
  json.text("worst_case_detection_rule", detection_rule(spec));
  json.number("stale_after_seconds", std::chrono::duration<double>(spec.stale_after()).count());
}

/// Of a group alone: what it is made of, and how each of them is.
void write_members(JsonWriter& json, const Picture& picture, const CheckSpec& group) {
  if (!group.is_group()) return;
  json.integer("need", group.need);
  json.begin_object("members");
  for (const std::string& name : group.members) {
    for (std::size_t i = 0; i < picture.snapshot.checks.size(); ++i) {
      const CheckView member = view_of(picture, i);
      if (member.name() == name) json.text(name, to_label(member.judgement.status));
    }
  }
  json.end_object();
}

void write_last_attempt(JsonWriter& json, const Sample& sample) {
  json.begin_object("last_attempt");
  write_result(
      json, {sample.finished.wall, sample.duration(), sample.result.outcome, sample.result.reason});
  json.text("output", sample.result.detail);
  json.begin_object("phases_ms");
  for (std::size_t i = 0; i < phase_count; ++i) {
    if (const auto time = sample.result.phases.get(static_cast<Phase>(i))) {
      json.number(phase_labels[i], shown_milliseconds(*time));
    }
  }
  json.end_object();
  json.end_object();
}

void write_lines(JsonWriter& json, std::string_view key, std::string_view text) {
  json.begin_array(key);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    json.text({}, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  json.end_array();
}

std::string health_effect(Impact impact) {
  switch (impact) {
    case Impact::critical:
      return "answers 503: a deploy waits until it passes; Fly neither restarts nor stops a "
             "running "
             "Machine for it";
    case Impact::degraded:
      return "stays 200 with status warn: Fly does nothing, people and alerts see it";
    case Impact::info:
      return "does not change: it is shown, nothing more";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string ready_effect(const CheckSpec& spec, const CheckJudgement& check,
                         SharedRule shared_rule) {
  if (spec.impact != Impact::critical) return "does not change: only critical checks touch it";
  if (spec.scope == Scope::local) {
    return "answers 503: Fly Proxy sends this Machine no new requests, where its routing check "
           "asks "
           "this path";
  }
  switch (shared_rule) {
    case SharedRule::gate:
      return "answers 503 on every Machine that sees the failure (shared = \"gate\"): Fly Proxy "
             "sends them no new requests";
    case SharedRule::report:
      return "stays 200 with fail_open (shared = \"report\"): Fly Proxy goes on sending requests";
    case SharedRule::fleet:
      if (check.gates) {
        return "answers 503 here alone: fewer than half of the other Machines that answer fail it, "
               "too (shared = \"fleet\")";
      }
      return "stays 200 with fail_open, for taking one out helps nobody; it answers 503 here once "
             "other Machines answer and fewer than half of them fail it, too (shared = \"fleet\")";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string why_it_does_not_count(const CheckSpec& spec, const CheckJudgement& judgement) {
  if (judgement.muted()) return "it is muted";
  if (!judgement.suppressed_by.empty()) {
    return "it is suppressed by '" + std::string(judgement.suppressed_by) + "'";
  }
  if (spec.impact == Impact::info) return "its impact is info";
  return "it has no status yet";
}

}  // namespace

std::vector<std::string> effects_of(const EffectsInput& input) {
  const CheckSpec& spec = input.spec;
  const bool counts = input.check.counts || spec.impact == Impact::info;
  const std::string when = input.check.status == Status::fail && counts ? "now " : "on a failure ";
  std::vector<std::string> effects;
  if (!counts) {
    effects.push_back("now nothing changes: " + why_it_does_not_count(spec, input.check) +
                      "; otherwise:");
  }
  effects.push_back("/health: " + when + health_effect(spec.impact));
  if (input.machine.startup) {
    effects.push_back("/health/ready: " + when +
                      ready_effect(spec, input.check, input.shared_rule));
  } else {
    effects.push_back("/health/ready: answers 503 until startup is over" +
                      std::string(spec.startup ? ", and that waits for this check" : "") +
                      "; then, on a failure, " +
                      ready_effect(spec, input.check, input.shared_rule));
  }
  if (const std::string phrase = fleet_phrase(input.check); !phrase.empty()) {
    effects.push_back("the fleet: " + phrase);
  }
  effects.push_back("/health/live: " + (spec.live
                                            ? when + "answers 503; Fly restarts nothing, others may"
                                            : std::string("never changes: the check is not live")));
  return effects;
}

std::string render_history(const Snapshot& snapshot, const Judgement& judgement,
                           const History& history, Instant now) {
  const bool whole = snapshot.checks.size() <= history_overview_max;
  JsonWriter json;
  json.begin_object();
  json.text("time", iso_time(now.wall));
  json.text("status", to_label(judgement.verdict));
  write_transitions(json, "verdicts", history.verdicts());
  write_transitions(json, "transitions", history.transitions());
  if (!whole) {
    json.text("note", "too many checks for their results here; ask /history?check=NAME");
  }
  json.begin_object("checks");
  for (const std::size_t i : worst_first(snapshot, judgement)) {
    const CheckView check{*snapshot.checks[i], judgement.checks[i]};
    json.begin_object(check.name());
    json.text("status", to_label(check.judgement.status));
    if (whole) write_results(json, history.of(check.name()));
    json.end_object();
  }
  json.end_object();
  json.end_object();
  return std::move(json).finish();
}

std::string render_check_history(const Snapshot& snapshot, const Judgement& judgement,
                                 const History& history, const CheckHistoryRequest& request,
                                 Instant now) {
  const Picture picture{snapshot, judgement, now};
  const CheckView check =
      view_of(picture, listed_checks(picture, {.view = View::check, .check = request.check})[0]);
  JsonWriter json;
  json.begin_object();
  json.text("time", iso_time(now.wall));
  json.text("check", check.name());
  write_status(json, check, now);
  write_spec(json, check.spec());
  write_members(json, picture, check.spec());
  if (check.state.last) write_last_attempt(json, *check.state.last);
  if (request.next_attempt) {
    json.text("next_attempt", iso_time(wall_time_of(*request.next_attempt, now)));
  }
  json.begin_array("effects");
  for (const std::string& effect :
       effects_of({check.spec(), check.judgement, judgement, snapshot.shared_rule})) {
    json.text({}, effect);
  }
  json.end_array();
  write_lines(json, "settings", check.spec().settings_text);
  write_transitions(json, "transitions", history.transitions(), check.name());
  write_results(json, history.of(check.name()));
  json.end_object();
  return std::move(json).finish();
}

}  // namespace vitals
