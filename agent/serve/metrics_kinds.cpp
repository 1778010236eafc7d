// The families that kinds declare, and the names other exporters gave to the same facts.
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include <vitals/text.hpp>

#include "agent/serve/metrics_page.hpp"

namespace vitals {
namespace {

struct Reading {
  std::string_view owner;
  const Measurement* measurement;
  TimePoint at;
};

/// A declared family with what the last attempts measured of it.
struct Readings {
  const MetricSpec* spec;
  std::vector<Reading> readings;
};

/// Kinds that share a declaration (the TLS families) hold copies of it, so the name decides.
std::vector<Reading>& readings_of(std::vector<Readings>& families, const MetricSpec* spec) {
  for (Readings& family : families) {
    if (family.spec == spec || family.spec->name == spec->name) return family.readings;
  }
  return families.emplace_back(Readings{spec, {}}).readings;
}

void add_reading(std::vector<Readings>& families, const Reading& reading) {
  const MetricSpec* const spec = reading.measurement->metric;
  VITALS_ASSERT(spec != nullptr);
  VITALS_ASSERT(reading.measurement->labels.size() == spec->labels.size());
  readings_of(families, spec).push_back(reading);
}

/// What tells two samples of a family apart: equal texts would be the same series.
std::string series_of(const Reading& reading) {
  std::string key;
  if (!reading.measurement->metric->owner_label.empty()) key = reading.owner;
  for (const std::string& value : reading.measurement->labels) key += '\n' + clean_text(value);
  return key;
}

/// The latest of those that tell the same thing, in order of first appearance.
void keep_latest(std::vector<Reading>& readings) {
  std::map<std::string, std::size_t> places;
  std::vector<Reading> kept;
  for (const Reading& reading : readings) {
    const auto [place, added] = places.emplace(series_of(reading), kept.size());
    if (added) {
      kept.push_back(reading);
    } else if (kept[place->second].at < reading.at) {
      kept[place->second] = reading;
    }
  }
  readings = std::move(kept);
}

/// In order of first appearance. What a stale check measured is no evidence any more.
std::vector<Readings> collect(const MetricsInput& input) {
  std::vector<Readings> families;
  for (const OtherReading& other : input.others) {
    // Nobody knows a process better than its parent.
    add_reading(families, {other.owner, &other.measurement, TimePoint::max()});
  }
  for (std::size_t i = 0; i < input.snapshot.checks.size(); ++i) {
    const CheckState& state = *input.snapshot.checks[i];
    if (!state.last || input.judgement.checks[i].stale) continue;
    for (const Measurement& measurement : state.last->result.measurements) {
      add_reading(families, {state.spec->name, &measurement, state.last->finished.mono});
    }
  }
  for (Readings& family : families) {
    if (family.spec->owner_label != "check") keep_latest(family.readings);
  }
  return families;
}

void add_readings(Exposition& page, const Readings& family, std::string_view name) {
  const MetricSpec& spec = *family.spec;
  const bool counter = spec.type == MetricType::counter;
  Family out(page, counter ? FamilyType::counter : FamilyType::gauge, name, spec.help);
  std::vector<MetricLabel> labels;
  std::vector<std::string> values;
  for (const Reading& reading : family.readings) {
    // Server facts: a version string that is not UTF-8 would cost the whole page.
    values.clear();
    for (const std::string& value : reading.measurement->labels)
      values.push_back(clean_text(value));
    labels.clear();
    if (!spec.owner_label.empty()) labels.push_back({spec.owner_label, reading.owner});
    for (std::size_t i = 0; i < values.size(); ++i) labels.push_back({spec.labels[i], values[i]});
    out.add(labels, reading.measurement->value);
  }
}

void add_blackbox(Exposition& page, const MetricsInput& input) {
  {
    Family family(page, FamilyType::gauge, "probe_success",
                  "1 when the last attempt passed or warned.");
    for (const auto& state : input.snapshot.checks) {
      family.add({{"check", state->spec->name}}, succeeded(*state) ? 1 : 0);
    }
  }
  {
    Family family(page, FamilyType::gauge, "probe_duration_seconds",
                  "How long the last attempt took; 0 before the first.");
    for (const auto& state : input.snapshot.checks) {
      family.add({{"check", state->spec->name}},
                 state->last ? to_seconds(state->last->duration()) : 0);
    }
  }
  // blackbox_exporter's five phases of HTTP, all of them always, as its dashboards expect.
  constexpr std::array<std::pair<std::string_view, Phase>, 5> phases{
      {{"resolve", Phase::resolve},
       {"connect", Phase::connect},
       {"tls", Phase::tls},
       {"processing", Phase::request},
       {"transfer", Phase::transfer}}};
  Family family(page, FamilyType::gauge, "probe_http_duration_seconds",
                "Where the time of the last HTTP attempt went.");
  for (const auto& state : input.snapshot.checks) {
    if (state->spec->kind->name != "http") continue;
    for (const auto& [label, phase] : phases) {
      const auto time = state->last ? state->last->result.phases.get(phase) : std::nullopt;
      family.add({{"check", state->spec->name}, {"phase", label}},
                 to_seconds(time.value_or(Elapsed::zero())));
    }
  }
}

void add_up_aliases(Exposition& page, const MetricsInput& input) {
  std::vector<const KindSpec*> kinds;
  for (const auto& state : input.snapshot.checks) {
    const KindSpec* kind = state->spec->kind;
    if (kind->up_alias.empty() || !input.compat.contains(kind->up_exporter)) continue;
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
  }
  for (const KindSpec* kind : kinds) {
    Family family(page, FamilyType::gauge, kind->up_alias,
                  "1 when the last attempt passed or warned.");
    for (const auto& state : input.snapshot.checks) {
      if (state->spec->kind != kind) continue;
      family.add({{"check", state->spec->name}}, succeeded(*state) ? 1 : 0);
    }
  }
}

}  // namespace

void add_kind_families(Exposition& page, const MetricsInput& input) {
  const std::vector<Readings> families = collect(input);
  for (const Readings& family : families) {
    add_readings(page, family, "vitals_" + std::string(family.spec->name));
  }
  for (const Readings& family : families) {
    if (family.spec->alias.empty() || !input.compat.contains(family.spec->exporter)) continue;
    add_readings(page, family, family.spec->alias);
  }
  if (input.compat.contains(Exporter::blackbox)) add_blackbox(page, input);
  add_up_aliases(page, input);
}

}  // namespace vitals
