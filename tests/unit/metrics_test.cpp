// The metrics page: golden pages, what a strict reader finds in them, and each value's meaning.
#include "agent/serve/metrics.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>

#include <algorithm>
#include <set>

#include <vitals/fd.hpp>
#include <vitals/process_metrics.hpp>

#include "probes/registry.hpp"
#include "tests/support/exposition_reader.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/process.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

const std::set<Exporter> every_exporter{Exporter::blackbox, Exporter::redis_exporter,
                                        Exporter::postgres_exporter};

std::vector<ReadFamily> read(const Snapshot& snapshot, double seconds = present,
                             const std::set<Exporter>& compat = {}) {
  return read_page(metrics_page(snapshot, seconds, false, compat), false);
}

Story plain(const std::string& name) {
  return Story({.name = name, .kind = &fake_http(), .fall = 1});
}

TEST_SUITE("metrics") {
  TEST_CASE("metrics: the pages are the golden ones") {
    const auto page = [](const Snapshot& snapshot, double seconds) {
      return metrics_page(snapshot, seconds, false);
    };
    CHECK(golden_difference("metrics_start.prom", page(start_snapshot(), 3)) == "");
    CHECK(golden_difference("metrics_healthy.prom", page(healthy_snapshot(), present)) == "");
    CHECK(golden_difference("metrics_failing.prom", page(failing_snapshot(), present)) == "");
    CHECK(golden_difference("metrics_unknown.prom", page(unknown_snapshot(), present)) == "");
    CHECK(golden_difference("metrics_failing.openmetrics",
                            metrics_page(failing_snapshot(), present, true)) == "");
    CHECK(golden_difference("metrics_compat.prom", metrics_page(failing_snapshot(), present, false,
                                                                every_exporter)) == "");
  }

  TEST_CASE("metrics: every page reads back in both formats, with HELP and TYPE, nothing twice") {
    const std::vector<std::pair<Snapshot, double>> pages{
        {start_snapshot(), 3},         {healthy_snapshot(), present}, {failing_snapshot(), present},
        {unknown_snapshot(), present}, {snapshot_of({}), present},    {failing_snapshot(), 9999}};
    for (const auto& [snapshot, seconds] : pages) {
      for (const bool openmetrics : {false, true}) {
        const auto families =
            read_page(metrics_page(snapshot, seconds, openmetrics, every_exporter), openmetrics);
        CHECK(families.size() > 10);
        for (const ReadFamily& family : families) {
          CAPTURE(family.name);
          CHECK(family.help.size() > 4);
          CHECK((family.type == "gauge" || family.type == "counter" || family.type == "histogram"));
          const bool total = family.name.ends_with("_total");
          CHECK(total == (family.type == "counter" && !openmetrics));
        }
      }
    }
  }

  TEST_CASE("metrics: both formats tell the same series and values") {
    const auto text = read(failing_snapshot());
    const auto open = read_page(metrics_page(failing_snapshot(), present, true), true);
    REQUIRE(text.size() == open.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      REQUIRE(text[i].samples.size() == open[i].samples.size());
      for (std::size_t j = 0; j < text[i].samples.size(); ++j) {
        CHECK(text[i].samples[j].name == open[i].samples[j].name);
        CHECK(text[i].samples[j].value == open[i].samples[j].value);
      }
    }
  }

  TEST_CASE("metrics: the front door's counts are there with a front door, and only then") {
    const front::Counts counts{3, 17, {1, 200, 3, 40, 5}, 99};
    for (const bool openmetrics : {false, true}) {
      const auto page = read_page(
          metrics_page(healthy_snapshot(), present, openmetrics, {}, {}, counts), openmetrics);
      CHECK(value_of(page, "vitals_app_requests_in_flight") == 3);
      CHECK(value_of(page, "vitals_app_connections") == 17);
      CHECK(value_of(page, "vitals_app_requests_total", {{"code", "1xx"}}) == 1);
      CHECK(value_of(page, "vitals_app_requests_total", {{"code", "4xx"}}) == 40);
      CHECK(value_of(page, "vitals_app_requests_total", {{"code", "5xx"}}) == 5);
    }
    CHECK_FALSE(has_series(read(healthy_snapshot()), "vitals_app_connections", {}));
  }

  TEST_CASE("metrics: idleness is there with [autostop], holds and pauses where there are any") {
    const auto healthy = read_page(metrics_page(healthy_snapshot(), present, false), false);
    CHECK_FALSE(has_series(healthy, "vitals_idle_seconds", {}));
    CHECK_FALSE(has_series(healthy, "vitals_autostop_safe", {}));
    CHECK_FALSE(has_series(healthy, "vitals_autostop_refused_total", {}));
    CHECK_FALSE(has_series(healthy, "vitals_check_paused", {{"check", "db"}}));

    Snapshot snapshot = healthy_snapshot();
    snapshot.idle = IdleState{.quiet_since = at(present - 12.5).mono, .safe = true};
    auto db = std::make_shared<CheckState>(*snapshot.checks[1]);
    auto spec = std::make_shared<CheckSpec>(*db->spec);
    spec->pause_when_idle = true;
    db->spec = spec;
    db->paused_since = db->alive_at = at(present - 5).mono;
    snapshot.checks[1] = db;
    for (const bool openmetrics : {false, true}) {
      const auto page =
          read_page(metrics_page(snapshot, present, openmetrics, {}, {}, {}, {"backup", "import"}),
                    openmetrics);
      CHECK(value_of(page, "vitals_idle_seconds") == 12.5);
      CHECK(value_of(page, "vitals_autostop_safe") == 1);
      CHECK(value_of(page, "vitals_autostop_refused_total") == 0);
      CHECK(value_of(page, "vitals_busy", {{"name", "backup"}}) == 1);
      CHECK(value_of(page, "vitals_busy", {{"name", "import"}}) == 1);
      CHECK(value_of(page, "vitals_check_paused", {{"check", spec->name}}) == 1);
      CHECK_FALSE(has_series(page, "vitals_check_paused", {{"check", "app"}}));
      CHECK(value_of(page, "vitals_check_stale", {{"check", spec->name}}) == 0);
    }
    snapshot.idle->quiet_since.reset();
    snapshot.idle->safe = false;
    const auto busy = read_page(metrics_page(snapshot, present, false), false);
    CHECK(value_of(busy, "vitals_idle_seconds") == 0);
    CHECK(value_of(busy, "vitals_autostop_safe") == 0);
  }

  TEST_CASE("metrics: labels that Fly overwrites never appear, and check comes first") {
    const std::set<std::string> taken{"app", "region", "host", "instance"};
    for (const ReadFamily& family : read(failing_snapshot(), present, every_exporter)) {
      for (const SampleLine& sample : family.samples) {
        CAPTURE(sample.name);
        for (std::size_t i = 0; i < sample.labels.size(); ++i) {
          CHECK_FALSE(taken.contains(sample.labels[i].first));
          if (sample.labels[i].first == "check") CHECK(i == 0);
        }
      }
    }
  }

  TEST_CASE("metrics: configured labels are on check_info alone, and none breaks the page") {
    const auto page = read(snapshot_of({plain("app")
                                            .label("team", "core \"A\"")
                                            .label("region", "sin")
                                            .label("__name__", "x")
                                            .label("no-label", "x")
                                            .label("check", "x")
                                            .feed(1200, 1, passed("200"))}));
    CHECK(value_of(page, "vitals_check_info",
                   {{"check", "app"},
                    {"kind", "http"},
                    {"impact", "critical"},
                    {"scope", "shared"},
                    {"target", "tcp://127.0.0.1:1"},
                    {"team", "core \"A\""}}) == 1);
    CHECK(has_series(page, "vitals_check_stale", {{"check", "app"}}));
  }

  TEST_CASE("metrics: series exist from the start, counters at 0") {
    const auto page = read(start_snapshot(), 3);
    for (const std::string check : {"app", "db", "cache", "billing"}) {
      const auto labelled = [&](SampleLabels labels) {
        labels.insert(labels.begin(), {"check", check});
        return labels;
      };
      for (const std::string outcome : {"pass", "warn", "fail"}) {
        CHECK(value_of(page, "vitals_check_attempts_total", labelled({{"outcome", outcome}})) == 0);
      }
      CHECK(value_of(page, "vitals_check_status", labelled({{"status", "unknown"}})) == 1);
      CHECK(value_of(page, "vitals_check_status", labelled({{"status", "pass"}})) == 0);
      CHECK(value_of(page, "vitals_check_success", labelled({})) == 0);
      CHECK(value_of(page, "vitals_check_last_pass_timestamp_seconds", labelled({})) == 0);
      CHECK(value_of(page, "vitals_check_last_attempt_timestamp_seconds", labelled({})) == 0);
      CHECK(value_of(page, "vitals_check_last_transition_timestamp_seconds", labelled({})) == 0);
      CHECK(value_of(page, "vitals_check_duration_seconds_count", labelled({})) == 0);
      CHECK(value_of(page, "vitals_check_transitions_total",
                     labelled({{"from", "unknown"}, {"to", "fail"}})) == 0);
    }
    CHECK_FALSE(std::ranges::any_of(page, [](const ReadFamily& family) {
      return family.name == "vitals_check_failures_total";
    }));
    for (const auto& family : page) {
      if (family.name == "vitals_check_transitions_total") CHECK(family.samples.size() == 4 * 9);
      if (family.name == "vitals_health_transitions_total") CHECK(family.samples.size() == 6);
    }
  }

  TEST_CASE("metrics: the failing page says what happened") {
    const auto page = read(failing_snapshot());
    const SampleLabels db{{"check", "db"}};
    CHECK(value_of(page, "vitals_check_failures_total", {db[0], {"reason", "saturated"}}) == 4);
    CHECK(value_of(page, "vitals_check_attempts_total", {db[0], {"outcome", "fail"}}) == 4);
    CHECK(value_of(page, "vitals_check_attempts_total", {db[0], {"outcome", "pass"}}) == 1);
    CHECK(value_of(page, "vitals_check_transitions_total",
                   {db[0], {"from", "pass"}, {"to", "fail"}}) == 1);
    CHECK(value_of(page, "vitals_check_up",
                   {db[0], {"kind", "postgres"}, {"impact", "critical"}, {"scope", "shared"}}) ==
          0);
    CHECK(value_of(page, "vitals_check_success", db) == 0);
    CHECK(value_of(page, "vitals_check_failures_in_a_row", db) == 4);
    CHECK(value_of(page, "vitals_check_duration_seconds_bucket", {db[0], {"le", "0.005"}}) == 4);
    CHECK(value_of(page, "vitals_check_duration_seconds_bucket", {db[0], {"le", "+Inf"}}) == 5);
    CHECK(value_of(page, "vitals_check_duration_seconds_count", db) == 5);
    CHECK(value_of(page, "vitals_check_duration_seconds_sum", db) == doctest::Approx(0.0207));
    CHECK(value_of(page, "vitals_check_last_attempt_timestamp_seconds", db) == 1766017201);
    CHECK(value_of(page, "vitals_check_last_pass_timestamp_seconds", db) == 1766017163);
    CHECK(value_of(page, "vitals_check_last_transition_timestamp_seconds", db) == 1766017193);
    CHECK(value_of(page, "vitals_check_interval_seconds", db) == 10);
    CHECK(value_of(page, "vitals_health_status", {{"status", "fail"}}) == 1);
    CHECK(value_of(page, "vitals_health_status", {{"status", "warn"}}) == 0);
    CHECK(value_of(page, "vitals_ready") == 1);
    CHECK(value_of(page, "vitals_fail_open") == 1);
    // The last attempt of db measured nothing, so it says nothing.
    CHECK_FALSE(has_series(page, "vitals_postgres_connections_max", db));
    CHECK(value_of(page, "vitals_check_phase_duration_seconds",
                   {{"check", "billing"}, {"phase", "tls"}}) == 0.012);
    CHECK_FALSE(has_series(page, "vitals_check_phase_duration_seconds",
                           {{"check", "app"}, {"phase", "tls"}}));
  }

  TEST_CASE("metrics: a warning is up, an unknown and a stale check are not") {
    const SampleLabels billing{
        {"check", "billing"}, {"kind", "http"}, {"impact", "degraded"}, {"scope", "shared"}};
    CHECK(value_of(read(failing_snapshot()), "vitals_check_up", billing) == 1);
    CHECK(value_of(read(start_snapshot(), 3), "vitals_check_up", billing) == 0);
    const auto stale = read(failing_snapshot(), 1232.5);  // 35 s after billing, not after app
    CHECK(value_of(stale, "vitals_check_up", billing) == 0);
    CHECK(value_of(stale, "vitals_check_stale", {{"check", "billing"}}) == 1);
    CHECK(value_of(stale, "vitals_check_stale", {{"check", "app"}}) == 0);
    CHECK(value_of(stale, "vitals_check_status", {{"check", "billing"}, {"status", "fail"}}) == 1);
    CHECK_FALSE(has_series(stale, "vitals_check_http_status_code", {{"check", "billing"}}));
    CHECK(has_series(stale, "vitals_check_http_status_code", {{"check", "app"}}));
  }

  TEST_CASE("metrics: draining and stuck show as not ready and fail") {
    Snapshot draining = healthy_snapshot();
    draining.draining = true;
    const auto page = read(draining);
    CHECK(value_of(page, "vitals_draining") == 1);
    CHECK(value_of(page, "vitals_ready") == 0);
    CHECK(value_of(page, "vitals_health_status", {{"status", "fail"}}) == 1);
    const auto stuck = read(healthy_snapshot(), 9999);
    CHECK(value_of(stuck, "vitals_ready") == 0);
    CHECK(value_of(stuck, "vitals_health_status", {{"status", "fail"}}) == 1);
  }

  TEST_CASE("metrics: kinds that share a family share it on the page") {
    const auto page = read(failing_snapshot());
    CHECK(value_of(page, "vitals_check_tls_info", {{"check", "billing"}, {"version", "TLSv1.3"}}) ==
          1);
    CHECK(value_of(page, "vitals_check_tls_info", {{"check", "cache"}, {"version", "TLSv1.2"}}) ==
          1);
  }

  TEST_CASE("metrics: server facts of any bytes can't break the page") {
    ProbeResult result = passed("PONG");
    result.measurements.push_back(
        {fake_redis().metrics.data(), {hostile_text, std::string("a\0b", 3), "master"}, 1});
    const auto page = read(snapshot_of(
        {Story({.name = "cache", .kind = &fake_redis()}).feed(1200, 1, std::move(result))}));
    CHECK(value_of(page, "vitals_redis_info",
                   {{"check", "cache"},
                    {"version", "\"quoted\" back\\slash new line[31m \xEF\xBF\xBD\xEF\xBF\xBD €"},
                    {"mode", "ab"},
                    {"role", "master"}}) == 1);
  }

  TEST_CASE("metrics: compat adds the names of other exporters, only those asked for") {
    const auto page = read(healthy_snapshot(), present, every_exporter);
    const SampleLabels app{{"check", "app"}};
    CHECK(value_of(page, "probe_success", app) == 1);
    CHECK(value_of(page, "probe_duration_seconds", app) == doctest::Approx(0.0012));
    CHECK(value_of(page, "probe_http_status_code", app) == 200);
    CHECK(value_of(page, "probe_http_duration_seconds", {app[0], {"phase", "processing"}}) ==
          0.0009);
    CHECK(value_of(page, "probe_http_duration_seconds", {app[0], {"phase", "tls"}}) == 0);
    CHECK(value_of(page, "probe_ssl_earliest_cert_expiry", {{"check", "billing"}}) ==
          1'790'000'000);
    CHECK(value_of(page, "redis_up", {{"check", "cache"}}) == 1);
    CHECK(value_of(page, "redis_memory_used_bytes", {{"check", "cache"}}) == 1'048'576);
    CHECK(value_of(page, "pg_up", {{"check", "db"}}) == 1);
    CHECK(value_of(page, "pg_stat_activity_count", {{"check", "db"}, {"state", "idle"}}) == 14);
    CHECK(value_of(page, "pg_settings_max_connections", {{"check", "db"}}) == 100);
    CHECK_FALSE(has_series(page, "probe_http_duration_seconds",
                           {{"check", "db"}, {"phase", "processing"}}));

    for (const ReadFamily& family : read(healthy_snapshot())) {
      CHECK(family.name.starts_with("vitals_"));
    }
    const auto redis = read(healthy_snapshot(), present, {Exporter::redis_exporter});
    CHECK(has_series(redis, "redis_up", {{"check", "cache"}}));
    CHECK_FALSE(has_series(redis, "pg_up", {{"check", "db"}}));
    CHECK_FALSE(has_series(redis, "probe_success", app));
  }

  TEST_CASE("metrics: two checks that measure the same file system give one series, the latest") {
    static constexpr std::array<std::string_view, 1> mountpoint{"mountpoint"};
    static constexpr MetricSpec avail{.name = "filesystem_avail_bytes",
                                      .help = "Bytes left.",
                                      .labels = mountpoint,
                                      .owner_label = ""};
    static constexpr MetricSpec available{
        .name = "memory_available_bytes", .help = "Bytes left.", .owner_label = ""};
    const auto measured = [](const char* where, double bytes) {
      ProbeResult result = passed("room");
      result.measurements.push_back({&avail, {where}, bytes});
      result.measurements.push_back({&available, {}, bytes});
      return result;
    };
    const auto page = read(snapshot_of({
        plain("late").feed(1200, 1, measured("/data", 1)),
        plain("early").feed(1190, 1, measured("/data", 2)),
        plain("other").feed(1195, 1, measured("/", 3)),
        plain("stale").feed(100, 1, measured("/old", 4)),
    }));
    CHECK(value_of(page, "vitals_filesystem_avail_bytes", {{"mountpoint", "/data"}}) == 1);
    CHECK(value_of(page, "vitals_filesystem_avail_bytes", {{"mountpoint", "/"}}) == 3);
    CHECK_FALSE(has_series(page, "vitals_filesystem_avail_bytes", {{"mountpoint", "/old"}}));
    CHECK(value_of(page, "vitals_memory_available_bytes") == 1);
    const auto turned = read(snapshot_of({
        plain("early").feed(1190, 1, measured("/data", 2)),
        plain("late").feed(1200, 1, measured("/data", 1)),
    }));
    CHECK(value_of(turned, "vitals_filesystem_avail_bytes", {{"mountpoint", "/data"}}) == 1);
  }

  TEST_CASE("metrics: a process is named by its check, and what its parent says of it wins") {
    const auto measured = [](double threads) {
      ProbeResult result = passed("pid 7");
      result.measurements.push_back({&spec_of(ProcessMetric::up), {}, 1});
      result.measurements.push_back({&spec_of(ProcessMetric::threads), {}, threads});
      return result;
    };
    const std::vector<OtherReading> child{
        {"app", {&spec_of(ProcessMetric::threads), {}, 12}},
        {"app", {&spec_of(ProcessMetric::restarts), {}, 3}},
    };
    const auto page =
        read_page(metrics_page(snapshot_of({plain("app").feed(1200, 1, measured(5)),
                                            plain("worker").feed(1200, 1, measured(6))}),
                               present, false, {}, child),
                  false);
    CHECK(value_of(page, "vitals_process_threads", {{"process", "app"}}) == 12);
    CHECK(value_of(page, "vitals_process_threads", {{"process", "worker"}}) == 6);
    CHECK(value_of(page, "vitals_process_up", {{"process", "app"}}) == 1);
    CHECK(value_of(page, "vitals_process_restarts_total", {{"process", "app"}}) == 3);
    CHECK_FALSE(has_series(page, "vitals_process_restarts_total", {{"process", "worker"}}));
  }

  TEST_CASE("metrics: up aliases tell the last attempt, before thresholds") {
    const auto page = read(failing_snapshot(), present, every_exporter);
    CHECK(value_of(page, "pg_up", {{"check", "db"}}) == 0);
    const auto unknown = read(unknown_snapshot(), present, every_exporter);
    CHECK(value_of(unknown, "pg_up", {{"check", "db"}}) == 0);
    CHECK(value_of(read(start_snapshot(), 3, every_exporter), "probe_success",
                   {{"check", "app"}}) == 0);
  }

  TEST_CASE("metrics: what real kinds declare is fit for the page") {
    for (const KindSpec* kind : all_kinds()) {
      for (const MetricSpec& metric : kind->metrics) {
        CAPTURE(kind->name);
        CAPTURE(metric.name);
        CHECK_FALSE(metric.name.starts_with("vitals_"));
        CHECK_FALSE(metric.help.empty());
        CHECK(metric.name.ends_with("_total") == (metric.type == MetricType::counter));
        CHECK(metric.alias.empty() == (metric.exporter == Exporter::none));
        CHECK(std::ranges::find(metric.labels, metric.owner_label) == metric.labels.end());
      }
    }
  }
}

TEST_SUITE("agent usage") {
  TEST_CASE("agent usage: numbers of this very process") {
    const AgentUsage before = read_agent_usage();
    CHECK(before.resident_bytes > 500'000);
    CHECK(before.threads >= 1);
    CHECK(before.open_fds >= 3);
    CHECK(before.cpu_seconds > 0);
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    CHECK(before.start_time_seconds <= now + 0.02);
    CHECK(before.start_time_seconds > now - 24 * 3600);

    const TempDir folder;
    const auto file = folder.write("file", "");
    const Fd one(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    const Fd far(fcntl(one.get(), F_DUPFD_CLOEXEC, 700));  // beyond one poll, grows the table
    REQUIRE(far);
    CHECK(read_agent_usage().open_fds == before.open_fds + 2);
    CHECK(read_agent_usage().start_time_seconds == before.start_time_seconds);
  }
}

}  // namespace
}  // namespace vitals::test
