// The Prometheus page: a pure function of a snapshot and of counts taken beside it (contract §6).
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>

#include "agent/app_metrics/app_metrics.hpp"
#include "agent/front/page.hpp"
#include "agent/serve/http_server.hpp"
#include "agent/verdict/judge.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// The agent process itself.
struct AgentUsage {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double open_fds = 0;
  double threads = 0;
  double start_time_seconds = 0;  // Unix time
};
/// Asks the kernel about this process (tens of microseconds). What can't be read is 0.
[[nodiscard]] AgentUsage read_agent_usage();

/// What vitals_build_info says.
struct BuildFacts {
  std::string version;
  std::string revision;
  std::string tls;  // "OpenSSL 3.5.0"
};
/// Of this binary.
[[nodiscard]] const BuildFacts& build_facts();

/// What another than a check measured of a family that kinds declare: the parent of the app, of
/// its child. Wins over a check that tells the same series.
struct OtherReading {
  std::string owner;  // value of MetricSpec::owner_label
  Measurement measurement;
};

struct MetricsInput {
  const Snapshot& snapshot;
  const Judgement& judgement;
  const HttpStats& http;
  const AgentUsage& agent;
  const DelayHistogram& scheduler_delay;
  const std::set<Exporter>& compat;
  Instant now;
  const BuildFacts& build = build_facts();
  std::span<const OtherReading> others{};
  /// With a front door.
  std::optional<front::Counts> front{};
  /// What work is going on, by name (PUT /busy/NAME).
  std::vector<std::string> holds{};
  /// Autostop::refusals(); shown with [autostop].
  std::uint64_t autostop_refused = 0;
  const AppMetricsView* app = nullptr;  // none: no [app] metrics
};

/// Prometheus text format 0.0.4, or OpenMetrics 1.0 with "# EOF".
[[nodiscard]] std::string render_metrics(const MetricsInput& input, bool openmetrics);

inline constexpr std::string_view prometheus_content_type =
    "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::string_view openmetrics_content_type =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

}  // namespace vitals
