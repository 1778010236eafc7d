// The health document as application/health+json (draft-inadarei-api-health-check-06, contract §5).
#include "agent/json_writer.hpp"
#include "agent/serve/report_parts.hpp"

namespace vitals {
namespace {

void write_observed(JsonWriter& json, const CheckState& state) {
  if (!state.last) return;
  if (const auto& observed = state.last->result.observed) {
    json.number("observedValue", observed->value);
    json.text("observedUnit", observed->unit);
  } else if (state.spec->kind->measurement == response_time) {
    json.number("observedValue", shown_milliseconds(state.last->duration()));
    json.text("observedUnit", "ms");
  }
  json.text("time", iso_time(state.last->finished.wall));
}

void write_check(JsonWriter& json, const CheckView& check, Instant now) {
  const CheckSpec& spec = check.spec();
  const CheckState& state = check.state;
  const bool observes = state.last && state.last->result.observed;
  const std::string measurement(observes ? state.last->result.observed->measurement
                                         : spec.kind->measurement);
  json.begin_array(spec.name + ":" + measurement);
  json.begin_object();
  json.text("componentId", spec.name);
  json.text("componentType", spec.kind->component_type);
  json.text("status", to_label(check.judgement.status));
  write_observed(json, state);
  json.text("output", explanation(check));
  json.text("kind", spec.kind->name);
  json.text("impact", to_label(spec.impact));
  json.text("scope", to_label(spec.scope));
  if (check.judgement.reason != Reason::none) {
    json.text("reason", to_label(check.judgement.reason));
  }
  json.text("since", iso_time(since_when(check, now).wall));
  if (state.last_pass) json.text("last_pass", iso_time(*state.last_pass));
  json.integer("failures_in_a_row", state.failures_in_a_row);
  if (!check.judgement.suppressed_by.empty()) {
    json.text("suppressed_by", check.judgement.suppressed_by);
  }
  if (check.judgement.muted()) {
    json.flag("muted", true);
    json.text("muted_until", iso_time(wall_time_of(*check.judgement.muted_until, now)));
  }
  if (check.judgement.paused) json.flag("paused", true);
  json.end_object();
  json.end_array();
}

void write_identity(JsonWriter& json, const Identity& identity) {
  json.text("version", "1");
  if (!identity.release_id.empty()) json.text("releaseId", identity.release_id);
  if (!identity.service_id.empty()) json.text("serviceId", identity.service_id);
  if (!identity.description.empty()) json.text("description", identity.description);
}

/// With [autostop]: how long it has been idle, and what keeps it up.
void write_idleness(JsonWriter& json, const IdleState& idle, Instant now) {
  json.begin_object("idle");
  json.integer("idle_seconds", idle_time(idle, now).count());
  json.flag("autostop_safe", idle.safe);
  if (!idle.kept_by.empty()) {
    json.text("kept_by", idle.kept_by);
    json.text("output", idle.why);
  }
  json.begin_array("holds");
  for (const std::string& name : idle.holds) json.text({}, name);
  json.end_array();
  json.end_object();
}

}  // namespace

std::string render_json(const Snapshot& snapshot, const Judgement& judgement,
                        const ReportRequest& request, const Identity& identity, Instant now) {
  const Status status = report_status(snapshot, judgement, request).status;
  if (!request.details) return "{\"status\":\"" + std::string(to_label(status)) + "\"}\n";

  const Picture picture{snapshot, judgement, now};
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(now.mono - snapshot.started.mono);
  JsonWriter json;
  json.begin_object();
  json.text("status", to_label(status));
  json.text("output", output_sentence(picture, request));
  write_identity(json, identity);
  json.integer("uptime_seconds", uptime.count());
  json.flag("draining", judgement.draining);
  json.flag("fail_open", judgement.fail_open);
  if (snapshot.idle) write_idleness(json, *snapshot.idle, now);
  json.begin_object("checks");
  for (const std::size_t i : listed_checks(picture, request)) {
    write_check(json, view_of(picture, i), now);
  }
  json.end_object();
  json.end_object();
  return std::move(json).finish();
}

}  // namespace vitals
