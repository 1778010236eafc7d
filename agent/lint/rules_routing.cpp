// What Fly Proxy does with services and their checks, and what it can't do.
#include <algorithm>
#include <array>

#include "agent/lint/rules.hpp"

namespace vitals::lint {
namespace {

/// Whether the proxy stops idle Machines of this service; nothing when it is not said.
std::optional<bool> stops_machines(const Value& service) {
  const Value* value = service.find("auto_stop_machines");
  if (value == nullptr) return std::nullopt;
  if (value->type == Value::Type::flag) return value->flag;
  return value->text == "stop" || value->text == "suspend";
}

void service_check_port(const Files& files, Findings& findings) {
  for (const FlyService& service : files.fly.services) {
    for (const FlyCheck& check : service.checks) {
      const Value* port = check.table->find("port");
      if (port == nullptr) continue;
      const std::string internal =
          service.internal_port ? " (" + std::to_string(*service.internal_port) + ")" : "";
      findings.fly.add(port->place, check.path,
                       "'port' has no effect here; flyctl drops it and a service check always asks "
                       "the service's internal_port" +
                           internal +
                           "; remove it, and ask another port with a top-level [checks.NAME]");
    }
  }
}

void agent_service(const Files& files, Findings& findings) {
  const auto agent = agent_port(files);
  const auto reachable = std::count_if(files.fly.services.begin(), files.fly.services.end(),
                                       [](const FlyService& s) { return s.reachable; });
  if (!agent || reachable < 2) return;
  for (const FlyService& service : files.fly.services) {
    if (!service.reachable || service.internal_port != agent) continue;
    findings.fly.add(place_of(*service.table, "internal_port"), service.path,
                     "port " + std::to_string(*agent) +
                         " is the agent's; a second service makes its answers public, and its "
                         "checks gate only itself, never the app; remove this service, and use "
                         "[checks.NAME] with that port, [metrics], or [app] front in vitals.toml");
  }
}

void gating_scale_to_zero(const Files& files, Findings& findings) {
  for (const FlyService& service : files.fly.services) {
    // Fly Proxy knows no path that means less than another: any failing check takes it out.
    if (service.checks.empty()) continue;
    const auto running = integer_at(*service.table, "min_machines_running");
    const auto stops = stops_machines(*service.table);
    if (running.value_or(0) >= 1 || !stops.value_or(running.has_value())) continue;
    findings.fly.add(
        place_of(*service.table, running ? "min_machines_running" : "auto_stop_machines"),
        service.path,
        "a check gates routing while min_machines_running is 0; a Machine out of rotation has no "
        "load, so autostop stops it and nobody is left to recover; set min_machines_running = 1 or "
        "more");
  }
}

void top_check_incomplete(const Files& files, Findings& findings) {
  for (const FlyCheck& check : files.fly.checks) {
    for (const auto* key : {"port", "type"}) {
      if (check.table->find(key) != nullptr) continue;
      findings.fly.add(
          check.table->place, check.path,
          "has no '" + std::string(key) +
              "'; a top-level check belongs to no service to take it from; write " +
              (std::string_view(key) == "port" ? "port = 9100" : "type = \"http\" or \"tcp\""));
    }
  }
}

void metrics_targets(const Files& files, Findings& findings) {
  std::vector<std::string> seen;
  bool everywhere = false;
  bool first = true;
  for (const auto* key : {"metrics", "metric"}) {
    for (const Value* table : tables_at(files.fly.document, key)) {
      const auto groups = texts_at(*table, "processes");
      const bool twice =
          !first && (everywhere || groups.empty() ||
                     std::any_of(groups.begin(), groups.end(), [&](const std::string& group) {
                       return std::find(seen.begin(), seen.end(), group) != seen.end();
                     }));
      first = false;
      everywhere = everywhere || groups.empty();
      seen.insert(seen.end(), groups.begin(), groups.end());
      if (!twice) continue;
      findings.fly.add(table->place, key,
                       "a second target for the same Machines; Fly scrapes one target per Machine; "
                       "keep the agent's port, and let it fetch the app's with [app] metrics in "
                       "vitals.toml");
    }
  }
}

constexpr std::array<Rule, 5> rules{{
    {"service_check_port", service_check_port},
    {"agent_service", agent_service},
    {"gating_scale_to_zero", gating_scale_to_zero},
    {"top_check_incomplete", top_check_incomplete},
    {"metrics_targets", metrics_targets},
}};

}  // namespace

std::span<const Rule> routing_rules() { return rules; }

}  // namespace vitals::lint
