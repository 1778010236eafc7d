// The Prometheus page: what is said of the agent and its verdict, and the order of everything.
#include "agent/serve/metrics.hpp"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <limits>

#include "agent/serve/metrics_page.hpp"
#include "agent/serve/report.hpp"

namespace vitals {
namespace {

/// What a page and each check on it usually need.
constexpr std::size_t page_bytes = 16 * 1024;
constexpr std::size_t check_bytes = 4 * 1024;

prometheus::MetricType library_type(FamilyType type) {
  switch (type) {
    case FamilyType::gauge:
      return prometheus::MetricType::Gauge;
    case FamilyType::counter:
      return prometheus::MetricType::Counter;
    case FamilyType::histogram:
      return prometheus::MetricType::Histogram;
  }
  VITALS_ASSERT(false);
  return prometheus::MetricType::Untyped;
}

/// Keeps the memory of the labels before: thousands of samples, no allocation for most.
void set_labels(prometheus::ClientMetric& metric, std::span<const MetricLabel> labels) {
  metric.label.resize(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    metric.label[i].name.assign(labels[i].name);
    metric.label[i].value.assign(labels[i].value);
  }
}

void add_gauge(Exposition& page, std::string_view name, std::string_view help, double value) {
  Family(page, FamilyType::gauge, name, help).add({}, value);
}

void add_counter(Exposition& page, std::string_view name, std::string_view help, double value) {
  Family(page, FamilyType::counter, name, help).add({}, value);
}

void add_process(Exposition& page, const MetricsInput& input) {
  Family(page, FamilyType::gauge, "vitals_build_info", "What this binary is; always 1.")
      .add({{"version", input.build.version},
            {"revision", input.build.revision},
            {"tls", input.build.tls}},
           1);
  add_gauge(page, "vitals_start_time_seconds", "Unix time at which the agent started.",
            to_unix(input.snapshot.started.wall));
  add_gauge(page, "vitals_config_last_reload_successful",
            "1 when the latest reading of the configuration was good.",
            input.snapshot.config_reload_ok ? 1 : 0);
  add_gauge(page, "vitals_config_last_reload_success_timestamp_seconds",
            "Unix time of the latest good reading of the configuration.",
            to_unix(input.snapshot.config_reload_success_at));
  add_counter(page, "vitals_resumes_total",
              "Times the Machine came back from a suspend or a long stall.",
              static_cast<double>(input.snapshot.resumes));
}

void add_verdict(Exposition& page, const MetricsInput& input) {
  const Snapshot& snapshot = input.snapshot;
  const Judgement& judgement = input.judgement;
  constexpr std::array verdicts{Status::pass, Status::warn, Status::fail};
  const Status verdict = report_status(snapshot, judgement, {.view = View::health}).status;
  {
    Family family(page, FamilyType::gauge, "vitals_health_status",
                  "The verdict over all checks: 1 for the one that holds.");
    for (const Status status : verdicts) {
      family.add({{"status", to_label(status)}}, status == verdict ? 1 : 0);
    }
  }
  {
    Family family(page, FamilyType::counter, "vitals_health_transitions_total",
                  "Changes of the verdict.");
    for (const Status from : verdicts) {
      for (const Status to : verdicts) {
        if (from == to) continue;
        const auto count =
            snapshot
                .verdict_transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
        family.add({{"from", to_label(from)}, {"to", to_label(to)}}, static_cast<double>(count));
      }
    }
  }
  add_gauge(page, "vitals_ready", "1 when this Machine may get traffic (/health/ready).",
            report_status(snapshot, judgement, {.view = View::ready}).ok ? 1 : 0);
  add_gauge(page, "vitals_draining", "1 while draining.", judgement.draining ? 1 : 0);
  add_gauge(page, "vitals_fail_open",
            "1 while ready on purpose although a shared critical check fails.",
            judgement.fail_open ? 1 : 0);
}

void add_server(Exposition& page, const MetricsInput& input) {
  {
    Family family(page, FamilyType::counter, "vitals_http_requests_total", "Requests answered.");
    for (const auto& [key, count] : input.http.requests) {
      family.add({{"endpoint", key.first}, {"code", std::to_string(key.second)}},
                 static_cast<double>(count));
    }
  }
  {
    Family family(page, FamilyType::histogram, "vitals_http_request_duration_seconds",
                  "From a whole request to its answer.");
    for (const auto& [endpoint, histogram] : input.http.durations) {
      family.add({{"endpoint", endpoint}}, histogram, request_bounds);
    }
  }
  add_gauge(page, "vitals_http_connections", "Open connections to the agent.",
            static_cast<double>(input.http.connections));
  Family(page, FamilyType::histogram, "vitals_scheduler_delay_seconds",
         "How late attempts started.")
      .add({}, input.scheduler_delay, delay_bounds);
}

void add_front(Exposition& page, const front::Counts& counts) {
  add_gauge(page, "vitals_app_requests_in_flight",
            "Requests at the front door that the app has not answered whole.",
            static_cast<double>(counts.in_flight));
  add_gauge(page, "vitals_app_connections",
            "Connections at the front door that the app has, idle ones and WebSockets included.",
            static_cast<double>(counts.connections));
  constexpr std::array<std::string_view, front::status_classes> classes{"1xx", "2xx", "3xx", "4xx",
                                                                        "5xx"};
  Family family(page, FamilyType::counter, "vitals_app_requests_total",
                "Requests answered at the front door, health aside, by class of status.");
  for (std::size_t i = 0; i < classes.size(); ++i) {
    family.add({{"code", classes[i]}}, static_cast<double>(counts.answers[i]));
  }
}

void add_idleness(Exposition& page, const MetricsInput& input) {
  if (const auto& idle = input.snapshot.idle) {
    const Elapsed quiet = idle->quiet_since ? input.now.mono - *idle->quiet_since : Elapsed::zero();
    add_gauge(page, "vitals_idle_seconds", "Time since the last work; 0 while there is some.",
              to_seconds(std::max(quiet, Elapsed::zero())));
    add_gauge(page, "vitals_autostop_safe", "1 when nothing speaks against stopping this Machine.",
              idle->safe ? 1 : 0);
    add_counter(page, "vitals_autostop_refused_total",
                "Times the Machines API did not suspend or stop this Machine when asked.",
                static_cast<double>(input.autostop_refused));
  }
  Family family(page, FamilyType::gauge, "vitals_busy", "Work that somebody said is going on.");
  for (const std::string& name : input.holds) family.add({{"name", name}}, 1);
}

void add_agent(Exposition& page, const AgentUsage& usage) {
  add_counter(page, "vitals_agent_cpu_seconds_total", "CPU time of the agent, user and system.",
              usage.cpu_seconds);
  add_gauge(page, "vitals_agent_resident_memory_bytes", "Resident memory of the agent.",
            usage.resident_bytes);
  add_gauge(page, "vitals_agent_open_fds", "Open file descriptors of the agent.", usage.open_fds);
  add_gauge(page, "vitals_agent_threads", "Threads of the agent.", usage.threads);
  add_gauge(page, "vitals_agent_start_time_seconds",
            "Unix time at which the agent's process was created.", usage.start_time_seconds);
}

/// The app's own families stand last: whatever is odd about them, ours were read before.
void add_app(Exposition& page, const AppMetricsView& app) {
  if (!app.configured) return;
  {
    Family family(page, FamilyType::counter, "vitals_app_metrics_dropped_total",
                  "Families, series, lines and pages of the app that are not on this page.");
    for (std::size_t i = 0; i < drop_cause_count; ++i) {
      family.add({{"cause", drop_cause_labels[i]}}, static_cast<double>(app.dropped[i]));
    }
  }
  if (!app.page) return;
  std::string text;
  append_app_page(text, *app.page, page.format() == ExpositionFormat::openmetrics);
  page.append(text);
}

}  // namespace

struct Family::Parts {
  prometheus::MetricFamily family;
  prometheus::ClientMetric metric;  // used again for each sample
  bool begun = false;
};

Family::Family(Exposition& page, FamilyType type, std::string_view name, std::string_view help)
    : page_(page), type_(type), parts_(std::make_unique<Parts>()) {
  parts_->family.name = name;
  parts_->family.help = help;
  parts_->family.type = library_type(type);
}

Family::~Family() = default;

void Family::write() {
  if (!parts_->begun) page_.begin(parts_->family);
  parts_->begun = true;
  page_.sample(parts_->family, parts_->metric);
}

void Family::add(std::span<const MetricLabel> labels, double value) {
  VITALS_ASSERT(type_ != FamilyType::histogram);
  prometheus::ClientMetric& metric = parts_->metric;
  set_labels(metric, labels);
  (type_ == FamilyType::counter ? metric.counter.value : metric.gauge.value) = value;
  write();
}

void Family::add_histogram(MetricLabels labels, std::span<const std::uint64_t> counts, double sum,
                           std::span<const double> bounds) {
  VITALS_ASSERT(type_ == FamilyType::histogram && counts.size() == bounds.size() + 1);
  set_labels(parts_->metric, std::span(labels.begin(), labels.size()));
  auto& histogram = parts_->metric.histogram;
  histogram.bucket.resize(counts.size());
  histogram.sample_count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    histogram.sample_count += counts[i];
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket[i] = {histogram.sample_count, bound};
  }
  histogram.sample_sum = sum;
  write();
}

std::string render_metrics(const MetricsInput& input, bool openmetrics) {
  VITALS_ASSERT(input.judgement.checks.size() == input.snapshot.checks.size());
  Exposition page(openmetrics ? ExpositionFormat::openmetrics : ExpositionFormat::prometheus);
  page.reserve(page_bytes + check_bytes * input.snapshot.checks.size());
  add_process(page, input);
  add_verdict(page, input);
  add_check_families(page, input);
  add_kind_families(page, input);
  add_server(page, input);
  if (input.front) add_front(page, *input.front);
  add_idleness(page, input);
  add_agent(page, input.agent);
  if (input.app != nullptr) add_app(page, *input.app);
  return std::move(page).finish();
}

}  // namespace vitals
