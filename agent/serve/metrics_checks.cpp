// The families every check has, whatever its kind.
#include <algorithm>
#include <array>
#include <vector>

#include <vitals/text.hpp>

#include "agent/serve/metrics_page.hpp"
#include "agent/text/names.hpp"

namespace vitals {
namespace {

/// One check as the families see it.
struct Row {
  const CheckState& state;
  const CheckJudgement& judgement;

  [[nodiscard]] const CheckSpec& spec() const { return *state.spec; }
  [[nodiscard]] std::string_view name() const { return state.spec->name; }
};

template <typename Each>
void for_each_row(const MetricsInput& input, Each each) {
  for (std::size_t i = 0; i < input.snapshot.checks.size(); ++i) {
    each(Row{*input.snapshot.checks[i], input.judgement.checks[i]});
  }
}

/// A gauge with the label `check` alone.
struct PlainGauge {
  std::string_view name;
  std::string_view help;
  double (*value)(const Row&);
};

double last_transition(const Row& row) {
  // The first unknown is a beginning, not a transition.
  return row.state.status == Status::unknown ? 0 : to_unix(row.state.changed.wall);
}

// Timestamps are 0 until there is something to stamp: series exist from the start (contract §6).
constexpr std::array plain_gauges{
    PlainGauge{"vitals_check_success", "1 when the last attempt passed or warned.",
               [](const Row& row) -> double { return succeeded(row.state) ? 1 : 0; }},
    PlainGauge{
        "vitals_check_last_attempt_timestamp_seconds",
        "Unix time at which the last attempt ended; 0 before the first.",
        [](const Row& row) { return row.state.last ? to_unix(row.state.last->finished.wall) : 0; }},
    PlainGauge{
        "vitals_check_last_pass_timestamp_seconds",
        "Unix time at which the last good attempt ended; 0 before the first.",
        [](const Row& row) { return row.state.last_pass ? to_unix(*row.state.last_pass) : 0; }},
    PlainGauge{"vitals_check_last_transition_timestamp_seconds",
               "Unix time at which the status last changed; 0 while unknown.", last_transition},
    PlainGauge{"vitals_check_failures_in_a_row", "Failed attempts since the last good one.",
               [](const Row& row) { return static_cast<double>(row.state.failures_in_a_row); }},
    PlainGauge{"vitals_check_stale", "1 when the last result is too old to believe.",
               [](const Row& row) -> double { return row.judgement.stale ? 1 : 0; }},
    PlainGauge{"vitals_check_muted", "1 while the check is left out of the verdict by request.",
               [](const Row& row) -> double { return row.judgement.muted() ? 1 : 0; }},
    PlainGauge{"vitals_check_interval_seconds", "Configured interval.",
               [](const Row& row) { return to_seconds(row.spec().interval); }},
    PlainGauge{"vitals_check_timeout_seconds", "Configured timeout.",
               [](const Row& row) { return to_seconds(row.spec().timeout); }},
};

void add_info(Exposition& page, const MetricsInput& input) {
  Family family(page, FamilyType::gauge, "vitals_check_info",
                "What the check is, with its configured labels; always 1.");
  for_each_row(input, [&](const Row& row) {
    const CheckSpec& spec = row.spec();
    const std::string target = clean_text(spec.target);
    std::vector<MetricLabel> labels{{"check", spec.name},
                                    {"kind", spec.kind->name},
                                    {"impact", to_label(spec.impact)},
                                    {"scope", to_label(spec.scope)},
                                    {"target", target}};
    for (const auto& [name, value] : spec.labels) {
      // Config refuses such names; this is the net that keeps one from costing the whole page.
      if (label_name_problem(name).empty()) labels.push_back({name, value});
    }
    family.add(labels, 1);
  });
}

void add_status(Exposition& page, const MetricsInput& input) {
  {
    Family family(page, FamilyType::gauge, "vitals_check_status",
                  "The status after thresholds: 1 for the one that holds.");
    for_each_row(input, [&](const Row& row) {
      for (const Status status : {Status::unknown, Status::pass, Status::warn, Status::fail}) {
        family.add({{"check", row.name()}, {"status", to_label(status)}},
                   status == row.judgement.status ? 1 : 0);
      }
    });
  }
  Family family(page, FamilyType::gauge, "vitals_check_up",
                "1 when the status is pass or warn; 0 when it is fail or unknown.");
  for_each_row(input, [&](const Row& row) {
    const Status status = row.judgement.status;
    family.add({{"check", row.name()},
                {"kind", row.spec().kind->name},
                {"impact", to_label(row.spec().impact)},
                {"scope", to_label(row.spec().scope)}},
               status == Status::pass || status == Status::warn ? 1 : 0);
  });
}

/// Only of checks that may pause: of the others it could not say anything.
void add_pauses(Exposition& page, const MetricsInput& input) {
  Family family(page, FamilyType::gauge, "vitals_check_paused",
                "1 while the check is not asked because the Machine is idle.");
  for_each_row(input, [&](const Row& row) {
    if (!row.spec().pause_when_idle) return;
    family.add({{"check", row.name()}}, row.judgement.paused ? 1 : 0);
  });
}

void add_attempts(Exposition& page, const MetricsInput& input) {
  {
    Family family(page, FamilyType::counter, "vitals_check_attempts_total",
                  "Finished attempts by outcome.");
    for_each_row(input, [&](const Row& row) {
      for (const Outcome outcome : {Outcome::pass, Outcome::warn, Outcome::fail}) {
        const auto count = row.state.counters.attempts[static_cast<std::size_t>(outcome)];
        family.add({{"check", row.name()}, {"outcome", to_label(outcome)}},
                   static_cast<double>(count));
      }
    });
  }
  Family family(page, FamilyType::counter, "vitals_check_failures_total",
                "Failed attempts by reason; a reason appears with its first failure.");
  for_each_row(input, [&](const Row& row) {
    for (std::size_t reason = 0; reason < reason_count; ++reason) {
      const auto count = row.state.counters.failures[reason];
      if (count == 0) continue;
      family.add({{"check", row.name()}, {"reason", reason_labels[reason]}},
                 static_cast<double>(count));
    }
  });
}

void add_transitions(Exposition& page, const MetricsInput& input) {
  Family family(page, FamilyType::counter, "vitals_check_transitions_total",
                "Changes of the status.");
  for_each_row(input, [&](const Row& row) {
    for (const Status from : {Status::unknown, Status::pass, Status::warn, Status::fail}) {
      // Nothing ever becomes unknown again.
      for (const Status to : {Status::pass, Status::warn, Status::fail}) {
        if (from == to) continue;
        const auto count =
            row.state.counters
                .transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
        family.add({{"check", row.name()}, {"from", to_label(from)}, {"to", to_label(to)}},
                   static_cast<double>(count));
      }
    }
  });
}

void add_durations(Exposition& page, const MetricsInput& input) {
  {
    Family family(page, FamilyType::histogram, "vitals_check_duration_seconds",
                  "How long attempts took.");
    for_each_row(input, [&](const Row& row) {
      family.add({{"check", row.name()}}, row.state.counters.durations, duration_bounds);
    });
  }
  // A phase that the last attempt had no use for (TLS of a plain connection) has no series: 0
  // seconds would read as "instant".
  Family family(page, FamilyType::gauge, "vitals_check_phase_duration_seconds",
                "Where the time of the last attempt went; phases it did not reach are absent.");
  for_each_row(input, [&](const Row& row) {
    if (!row.state.last) return;
    for (std::size_t phase = 0; phase < phase_count; ++phase) {
      const auto time = row.state.last->result.phases.get(static_cast<Phase>(phase));
      if (!time) continue;
      family.add({{"check", row.name()}, {"phase", phase_labels[phase]}}, to_seconds(*time));
    }
  });
}

}  // namespace

void add_check_families(Exposition& page, const MetricsInput& input) {
  add_info(page, input);
  add_status(page, input);
  for (const PlainGauge& gauge : plain_gauges) {
    Family family(page, FamilyType::gauge, gauge.name, gauge.help);
    for_each_row(input, [&](const Row& row) {
      family.add({{"check", row.name()}}, gauge.value(row));
    });
  }
  add_pauses(page, input);
  add_attempts(page, input);
  add_transitions(page, input);
  add_durations(page, input);
}

}  // namespace vitals
