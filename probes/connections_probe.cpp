// Kind connections: how many clients a local port has, against the limits the operator knows.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/kind.hpp>

#include "probes/established.hpp"

namespace vitals {
namespace {

constexpr std::int64_t port_max = 65'535;
constexpr std::int64_t connections_max = 10'000'000;

const std::array<SettingSpec, 3> own_settings{{
    {.name = "port",
     .type = SettingType::integer,
     .doc = "local TCP port whose established connections are counted",
     .required = true},
    {.name = "warn",
     .type = SettingType::integer,
     .doc = "from so many connections on a warning: Fly's soft_limit"},
    {.name = "fail",
     .type = SettingType::integer,
     .doc = "from so many connections on a failure: Fly's hard_limit"},
}};

constexpr std::array<std::string_view, 1> level_label{"level"};
constexpr std::array<MetricSpec, 2> own_metrics{{
    {.name = "connections", .help = "Established TCP connections to the port."},
    {.name = "connections_limit",
     .help = "Configured number of connections from which on the check warns or fails.",
     .labels = level_label},
}};

struct ConnectionsSettings {
  std::uint16_t port = 0;
  std::optional<std::int64_t> warn;
  std::optional<std::int64_t> fail;
};

class ConnectionsProbe : public Probe {
 public:
  explicit ConnectionsProbe(ConnectionsSettings settings) : settings_(settings) {}

  ProbeResult run(const Attempt& attempt) override {
    const auto begin = Clock::now();
    const auto asked = count_by_sock_diag(settings_.port, attempt.deadline);
    auto count = asked ? std::optional(asked.value()) : std::nullopt;
    if (!asked && asked.error().reason != Reason::internal) return net::to_result(asked.error());
    if (!count) count = count_by_proc(settings_.port, "/proc");
    if (!count) {
      return internal_error(asked.error().detail +
                            ", and /proc/net/tcp can't be read; mount /proc, or allow netlink");
    }
    auto result = judge(static_cast<std::int64_t>(*count));
    result.phases.set(Phase::request, Clock::now() - begin);
    measure(result, *count);
    return result;
  }

 private:
  [[nodiscard]] ProbeResult judge(std::int64_t count) const {
    const std::string text = std::to_string(count);
    const auto of = [&](std::int64_t limit) { return text + " of " + std::to_string(limit); };
    const auto& [port, warn, fail] = settings_;
    if (fail && count >= *fail) return failed(Reason::saturated, of(*fail) + " connections");
    if (warn && count >= *warn) {
      return warned(Reason::saturated, of(fail.value_or(*warn)) + " connections, " +
                                           std::to_string(*warn) + " are expected at most");
    }
    if (fail || warn) return passed(of(fail.value_or(warn.value_or(0))) + " connections");
    return passed(text + (count == 1 ? " connection" : " connections"));
  }

  void measure(ProbeResult& result, std::size_t count) const {
    const auto number = static_cast<double>(count);
    result.observed = Observation{number, "connections", "connections"};
    result.measurements.push_back({&own_metrics[0], {}, number});
    const auto limit = [&](const char* level, const std::optional<std::int64_t>& value) {
      if (value) result.measurements.push_back({&own_metrics[1], {level}, double(*value)});
    };
    limit("warn", settings_.warn);
    limit("fail", settings_.fail);
  }

  const ConnectionsSettings settings_;
};

MadeProbe make(Settings& settings) {
  ConnectionsSettings read;
  const auto port = settings.integer("port", {.min = 1, .max = port_max});
  read.port = static_cast<std::uint16_t>(port);
  const IntegerRange limits{.min = 1, .max = connections_max};
  if (settings.has("warn")) read.warn = settings.integer("warn", limits);
  if (settings.has("fail")) read.fail = settings.integer("fail", limits);
  if (read.warn && read.fail && *read.warn > *read.fail) {
    settings.complain("warn", "above fail: it would never warn");
  }
  MadeProbe made;
  made.target = "tcp://localhost:" + std::to_string(read.port);
  made.on_loopback = true;
  made.probe = std::make_unique<ConnectionsProbe>(read);
  return made;
}

}  // namespace

const KindSpec& connections_kind() {
  static const KindSpec kind{
      .name = "connections",
      .component_type = "system",
      .doc = "established TCP connections to a local port, counted by the kernel",
      .settings = own_settings,
      .metrics = own_metrics,
      .scope = ScopeRule::local,
      .impact = ImpactRule::degraded,
      .measurement = "connections",
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
