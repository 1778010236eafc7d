// Fake kinds, and snapshots made by folding samples as the board does.
#include "tests/support/snapshots.hpp"

#include <array>
#include <chrono>

#include "agent/serve/metrics.hpp"
#include "agent/verdict/health_state.hpp"

namespace vitals::test {
namespace {

constexpr std::array<std::string_view, 1> label_version{"version"};
constexpr std::array<std::string_view, 1> label_state{"state"};
constexpr std::array<std::string_view, 3> label_redis{"version", "mode", "role"};

constexpr MetricSpec tls_not_after{.name = "check_tls_not_after_timestamp_seconds",
                                   .help = "Unix time at which the earliest certificate ends.",
                                   .alias = "probe_ssl_earliest_cert_expiry",
                                   .exporter = Exporter::blackbox};
constexpr MetricSpec tls_info{.name = "check_tls_info",
                              .help = "TLS version of the last handshake; always 1.",
                              .labels = label_version};
constexpr std::array http_metrics{MetricSpec{.name = "check_http_status_code",
                                             .help = "Status code of the last answer.",
                                             .alias = "probe_http_status_code",
                                             .exporter = Exporter::blackbox},
                                  tls_not_after, tls_info};
constexpr std::array postgres_metrics{MetricSpec{.name = "postgres_connections",
                                                 .help = "Connections by state.",
                                                 .labels = label_state,
                                                 .alias = "pg_stat_activity_count",
                                                 .exporter = Exporter::postgres_exporter},
                                      MetricSpec{.name = "postgres_connections_max",
                                                 .help = "Slots of the server.",
                                                 .alias = "pg_settings_max_connections",
                                                 .exporter = Exporter::postgres_exporter}};
// With copies of the TLS families, as real kinds hold them.
constexpr std::array redis_metrics{
    MetricSpec{
        .name = "redis_info", .help = "What the server is; always 1.", .labels = label_redis},
    MetricSpec{.name = "redis_memory_used_bytes",
               .help = "Memory in use.",
               .alias = "redis_memory_used_bytes",
               .exporter = Exporter::redis_exporter},
    MetricSpec{
        .name = "redis_evicted_keys_total", .type = MetricType::counter, .help = "Keys evicted."},
    tls_not_after, tls_info};
constexpr std::array connections_metrics{
    MetricSpec{.name = "connections", .help = "Established connections."}};

ProbeResult http_answer(ProbeResult result) {
  using std::chrono::microseconds;
  result.phases.set(Phase::resolve, microseconds(80));
  result.phases.set(Phase::connect, microseconds(120));
  result.phases.set(Phase::request, microseconds(900));
  result.phases.set(Phase::transfer, microseconds(100));
  result.measurements.push_back({&http_metrics[0], {}, 200});
  return result;
}

ProbeResult https_answer(ProbeResult result) {
  result = http_answer(std::move(result));
  result.phases.set(Phase::tls, std::chrono::milliseconds(12));
  result.measurements.push_back({&http_metrics[1], {}, 1'790'000'000});
  result.measurements.push_back({&http_metrics[2], {"TLSv1.3"}, 1});
  return result;
}

ProbeResult postgres_answer(ProbeResult result) {
  result.phases.set(Phase::request, std::chrono::microseconds(600));
  result.measurements.push_back({&postgres_metrics[0], {"active"}, 3});
  result.measurements.push_back({&postgres_metrics[0], {"idle"}, 14});
  result.measurements.push_back({&postgres_metrics[1], {}, 100});
  return result;
}

ProbeResult redis_answer(ProbeResult result) {
  result.phases.set(Phase::request, std::chrono::microseconds(400));
  result.measurements.push_back({&redis_metrics[0], {"7.2.4", "standalone", "master"}, 1});
  result.measurements.push_back({&redis_metrics[1], {}, 1'048'576});
  result.measurements.push_back({&redis_metrics[2], {}, 12});
  result.measurements.push_back({&redis_metrics[3], {}, 1'790'000'001});
  result.measurements.push_back({&redis_metrics[4], {"TLSv1.2"}, 1});
  return result;
}

ProbeResult connections_answer(double count) {
  ProbeResult result = passed("83 of 4000");
  result.observed = Observation{count, "connections", "utilization"};
  result.measurements.push_back({&connections_metrics[0], {}, count});
  return result;
}

Story app_story() {
  return Story(
      {.name = "app", .kind = &fake_http(), .scope = Scope::local, .live = true, .startup = true});
}
Story db_story(int fall = 1) {
  return Story({.name = "db", .kind = &fake_postgres(), .startup = true, .fall = fall});
}
Story cache_story() {
  return Story({.name = "cache", .kind = &fake_redis(), .impact = Impact::degraded});
}
Story billing_story() {
  return Story({.name = "billing", .kind = &fake_http(), .impact = Impact::degraded});
}

}  // namespace

const KindSpec& fake_http() {
  static const KindSpec kind{.name = "http",
                             .component_type = "component",
                             .doc = "",
                             .settings = {},
                             .metrics = http_metrics};
  return kind;
}
const KindSpec& fake_postgres() {
  static const KindSpec kind{.name = "postgres",
                             .component_type = "datastore",
                             .doc = "",
                             .settings = {},
                             .metrics = postgres_metrics,
                             .up_alias = "pg_up",
                             .up_exporter = Exporter::postgres_exporter};
  return kind;
}
const KindSpec& fake_redis() {
  static const KindSpec kind{.name = "redis",
                             .component_type = "datastore",
                             .doc = "",
                             .settings = {},
                             .metrics = redis_metrics,
                             .up_alias = "redis_up",
                             .up_exporter = Exporter::redis_exporter};
  return kind;
}
const KindSpec& fake_connections() {
  static const KindSpec kind{.name = "connections",
                             .component_type = "system",
                             .doc = "",
                             .settings = {},
                             .metrics = connections_metrics};
  return kind;
}

Story::Story(const CheckDraft& draft) : spec_(spec(draft.name)) {
  spec_->kind = draft.kind;
  spec_->target = "tcp://127.0.0.1:1";
  spec_->impact = draft.impact;
  spec_->scope = draft.scope;
  spec_->live = draft.live;
  spec_->startup = draft.startup;
  spec_->parent = draft.parent;
  spec_->fall = draft.fall;
  state_ = fresh_state(spec_, at(0));
}

Story& Story::feed(double seconds, double milliseconds, ProbeResult result) {
  apply_sample(state_, {at(seconds - milliseconds / 1e3), at(seconds), std::move(result)});
  return *this;
}

Story& Story::mute_until(double seconds) {
  state_.muted_until = at(seconds).mono;
  return *this;
}

Story& Story::label(const std::string& name, const std::string& value) {
  spec_->labels.emplace_back(name, value);
  return *this;
}

std::shared_ptr<const CheckState> Story::state() const {
  return std::make_shared<const CheckState>(state_);
}

Snapshot snapshot_of(const std::vector<Story>& stories) {
  Snapshot snapshot;
  snapshot.generation = 1;
  snapshot.started = snapshot.verdict_since = at(0);
  snapshot.config_reload_success_at = at(0).wall;
  snapshot.startup_latched = true;
  for (const Story& story : stories) snapshot.checks.push_back(story.state());
  return snapshot;
}

Snapshot start_snapshot() {
  Snapshot snapshot = snapshot_of({app_story(), db_story(), cache_story(), billing_story()});
  snapshot.startup_latched = false;
  return snapshot;
}

Snapshot healthy_snapshot() {
  Story connections({.name = "visitors",
                     .kind = &fake_connections(),
                     .impact = Impact::degraded,
                     .scope = Scope::local});
  return snapshot_of({
      app_story()
          .label("team", "core")
          .feed(1190, 1.3, http_answer(passed("200")))
          .feed(1200, 1.2, http_answer(passed("200"))),
      db_story().feed(1199, 0.8, postgres_answer(passed("ok"))),
      cache_story().feed(1198, 0.6, redis_answer(passed("PONG"))),
      billing_story().feed(1197, 85, https_answer(passed("200"))),
      connections.feed(1196, 0.05, connections_answer(83)),
  });
}

Snapshot failing_snapshot() {
  const auto saturated = [] {
    return failed(Reason::saturated, "53300 sorry, too many clients already");
  };
  return snapshot_of({
      app_story().feed(1200, 1.2, http_answer(passed("200"))),
      db_story(3)
          .feed(1163, 2.0, postgres_answer(passed("ok")))
          .feed(1173, 5.5, saturated())
          .feed(1183, 4.9, saturated())
          .feed(1193, 4.2, saturated())
          .feed(1201, 4.1, saturated()),
      cache_story().feed(1198, 0.6, redis_answer(passed("PONG"))),
      billing_story().feed(1197, 812, https_answer(warned(Reason::slow, "812ms > 500ms"))),
  });
}

Snapshot unknown_snapshot() {
  Snapshot snapshot = snapshot_of({
      app_story().feed(1200, 1.2, http_answer(passed("200"))),
      db_story(3)
          .feed(1195, 0.4, failed(Reason::refused, "connection refused"))
          .feed(1197, 0.3, failed(Reason::refused, "connection refused")),
      cache_story().feed(1180, 3.0, redis_answer(passed("PONG"))),
  });
  snapshot.startup_latched = false;
  return snapshot;
}

std::string metrics_page(const Snapshot& snapshot, double seconds, bool openmetrics,
                         const std::set<Exporter>& compat, std::span<const OtherReading> others,
                         std::optional<front::Counts> front, std::vector<std::string> holds) {
  HttpStats http;
  http.requests = {{{"health", 200}, 12}, {{"health", 503}, 0}, {{"metrics", 200}, 3}};
  http.durations["health"].observe(0.0002, request_bounds);
  http.durations["metrics"].observe(0.0004, request_bounds);
  http.connections = 2;
  DelayHistogram delays;
  delays.observe(0.0007, delay_bounds);
  const AgentUsage usage{.cpu_seconds = 1.25,
                         .resident_bytes = 6'291'456,
                         .open_fds = 17,
                         .threads = 8,
                         .start_time_seconds = 1'766'015'999.99};
  const BuildFacts build{"0.1.0", "0123abc", "OpenSSL 3.5.0"};
  const Judgement judgement = judge(snapshot, at(seconds).mono);
  return render_metrics({snapshot, judgement, http, usage, delays, compat, at(seconds), build,
                         others, front, std::move(holds)},
                        openmetrics);
}

}  // namespace vitals::test
