// Where a fly.toml and the vitals.toml beside it do not fit together.
#include <algorithm>
#include <array>
#include <cctype>

#include "agent/lint/rules.hpp"

namespace vitals::lint {
namespace {

using Paths = std::array<std::string_view, 4>;

constexpr Paths front_paths{"/health", "/health/ready", "/health/live", "/health/startup"};
constexpr Paths aliases{"/healthz", "/readyz", "/livez", "/startupz"};
constexpr std::string_view one_check = "/health/check/";
constexpr Duration billed_interval_min{15'000};

bool among(const Paths& paths, std::string_view path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

bool is_agent_path(std::string_view path) {
  return among(front_paths, path) || among(aliases, path) || path.starts_with(one_check);
}

/// No app calls its own route so by chance: /health and /healthz are left out.
bool is_agent_path_alone(std::string_view path) {
  return is_agent_path(path) && path != "/health" && path != "/healthz";
}

bool at(const std::optional<HostPort>& address, std::optional<std::int64_t> port) {
  return address && port && address->port == *port;
}

std::string port_text(const HostPort& address) { return std::to_string(address.port); }

void metrics_port(const Files& files, Findings& findings) {
  if (!files.vitals || !files.vitals->listen) return;
  const HostPort& listen = *files.vitals->listen;
  const auto targets = tables_at(files.fly.document, "metrics");
  const bool scraped = std::any_of(targets.begin(), targets.end(), [&](const Value* target) {
    return integer_at(*target, "port") == listen.port;
  });
  for (const Value* target : targets) {
    const auto port = integer_at(*target, "port");
    const bool elsewhere = scraped && target->find("processes") != nullptr;
    if (port && *port != listen.port && !elsewhere) {
      findings.fly.add(place_of(*target, "port"), "metrics",
                       "port " + std::to_string(*port) + " is not the agent's, which listens on " +
                           port_text(listen) +
                           " (vitals.toml); Fly scrapes one target per Machine; write port = " +
                           port_text(listen) + ", and merge the app's with [app] metrics");
    }
    const auto path = text_at(*target, "path");
    if (port == listen.port && path && *path != "/metrics") {
      findings.fly.add(place_of(*target, "path"), "metrics",
                       "the agent has no such path; its metrics are at /metrics; write path = "
                       "\"/metrics\"");
    }
  }
}

/// Whether Fly itself comes to this port: checks, scrapes, traffic.
bool asked_from_outside(const FlyFile& fly, std::int64_t port) {
  const auto checks = fly.all_checks();
  const auto targets = tables_at(fly.document, "metrics");
  return std::any_of(checks.begin(), checks.end(),
                     [&](const FlyCheck* check) { return check->port == port; }) ||
         std::any_of(fly.services.begin(), fly.services.end(),
                     [&](const FlyService& service) { return service.internal_port == port; }) ||
         std::any_of(targets.begin(), targets.end(),
                     [&](const Value* target) { return integer_at(*target, "port") == port; });
}

void listen_unreachable(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  const auto look = [&](std::string_view table, std::string_view key,
                        const std::optional<HostPort>& address) {
    const Value* parent = files.vitals->document.find(table);
    if (parent == nullptr || !address || !address->loopback()) return;
    if (!asked_from_outside(files.fly, address->port)) return;
    findings.vitals.add(place_of(*parent, key), table,
                        "'" + std::string(key) +
                            "' is a loopback address, but fly.toml uses port " +
                            port_text(*address) +
                            "; checks, scrapes and traffic come from outside the Machine; write "
                            "\"[::]:" +
                            port_text(*address) + "\"");
  };
  look("server", "listen", files.vitals->listen);
  look("app", "front", files.vitals->front);
}

void check_target(const Files& files, Findings& findings) {
  if (!files.vitals || !files.vitals->listen) return;
  const VitalsFile& vitals = *files.vitals;
  if (vitals.has_front && !vitals.front) return;
  const std::string agent = port_text(*vitals.listen);
  for (const FlyService& service : files.fly.services) {
    for (const FlyCheck& check : service.checks) {
      if (!check.http || !check.port || !is_agent_path_alone(check.http_path)) continue;
      if (at(vitals.listen, check.port) || at(vitals.front, check.port)) continue;
      findings.fly.add(place_of(*check.table, "path"), check.path,
                       "this asks port " + std::to_string(*check.port) + ", and the agent is on " +
                           agent +
                           "; a service check can't name another port; give the agent this port "
                           "with [app] front, or let a route of the app ask 127.0.0.1:" +
                           agent);
    }
  }
  for (const FlyCheck& check : files.fly.checks) {
    if (!check.http || !check.port || !is_agent_path(check.http_path)) continue;
    const bool known =
        at(vitals.listen, check.port) || at(vitals.front, check.port) ||
        at(vitals.upstream, check.port) ||
        std::any_of(files.fly.services.begin(), files.fly.services.end(),
                    [&](const FlyService& s) { return s.internal_port == check.port; }) ||
        std::any_of(vitals.checks.begin(), vitals.checks.end(),
                    [&](const VitalsCheck& c) { return at(c.target, check.port); });
    if (known) continue;
    findings.fly.add(place_of(*check.table, "port"), check.path,
                     "nothing known listens on port " + std::to_string(*check.port) +
                         "; the agent is on " + agent + " (vitals.toml); write port = " + agent);
  }
}

std::string path_complaint(const VitalsFile& vitals, const FlyCheck& check) {
  const std::string& path = check.http_path;
  if (at(vitals.front, check.port)) {
    if (!is_agent_path(path) || among(front_paths, path)) return {};
    return "the front door answers /health, /health/ready, /health/live and /health/startup alone; "
           "this path goes to the app; write path = \"/health/ready\"";
  }
  if (!at(vitals.listen, check.port)) return {};
  if (path.starts_with(one_check)) {
    const auto name = path.substr(one_check.size());
    const bool there =
        std::any_of(vitals.checks.begin(), vitals.checks.end(),
                    [&](const VitalsCheck& c) { return c.name == name; }) ||
        std::find(vitals.groups.begin(), vitals.groups.end(), name) != vitals.groups.end();
    if (there) return {};
    return "vitals.toml has no such check; the answer is 404 forever; name one that is there";
  }
  if (is_agent_path(path)) return {};
  if (path == "/" || path == "/metrics" || path == "/history") {
    return "the agent answers this with 200 whatever the verdict is; the check can never fail; "
           "write path = \"/health\"";
  }
  return "the agent has no such path; the answer is 404 forever; write path = \"/health\"";
}

void check_path(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  for (const FlyCheck* check : files.fly.all_checks()) {
    if (!check->http) continue;
    const auto complaint = path_complaint(*files.vitals, *check);
    if (complaint.empty()) continue;
    findings.fly.add(place_of(*check->table, "path"), check->path, complaint);
  }
}

void check_method(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  for (const FlyCheck* check : files.fly.all_checks()) {
    const bool ours =
        at(files.vitals->listen, check->port) ||
        (at(files.vitals->front, check->port) && among(front_paths, check->http_path));
    if (!check->http || !ours) continue;
    std::string method = text_at(*check->table, "method").value_or("GET");
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (method != "GET" && method != "HEAD") {
      findings.fly.add(place_of(*check->table, "method"), check->path,
                       "the agent answers GET and HEAD here; " + method +
                           " is 405 forever; write method = \"GET\"");
    }
    if (text_at(*check->table, "protocol") == "https") {
      findings.fly.add(place_of(*check->table, "protocol"), check->path,
                       "the agent speaks plain HTTP on this port; a TLS handshake fails forever; "
                       "write protocol = \"http\"");
    }
  }
}

void front_bypassed(const Files& files, Findings& findings) {
  if (!files.vitals || !files.vitals->front) return;
  const auto& vitals = *files.vitals;
  const std::string front = port_text(*vitals.front);
  for (const FlyService& service : files.fly.services) {
    if (at(vitals.front, service.internal_port) || !at(vitals.upstream, service.internal_port)) {
      continue;
    }
    findings.fly.add(
        place_of(*service.table, "internal_port"), service.path,
        "this is the app's own port ([app] upstream in vitals.toml); traffic passes by "
        "the front door, which neither counts, drains nor answers for it; write "
        "internal_port = " +
            front);
  }
}

void front_port_taken(const Files& files, Findings& findings) {
  if (!files.vitals || !files.vitals->front) return;
  for (const Value* environment : tables_at(files.fly.document, "env")) {
    const auto port = integer_at(*environment, "PORT");
    if (!at(files.vitals->front, port) || at(files.vitals->upstream, port)) continue;
    findings.fly.add(place_of(*environment, "PORT"), "env",
                     "PORT tells the app to listen on " + std::to_string(*port) +
                         ", and the front door has that port; one of them fails to start; give "
                         "PORT the port of [app] upstream");
  }
}

void flycast_awake(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  for (const VitalsCheck& check : files.vitals->checks) {
    const bool data = check.kind == "postgres" || check.kind == "redis";
    if (data || !check.target || !check.target->host.ends_with(".flycast")) continue;
    if (check.pause_when_idle) continue;
    findings.vitals.add(check.table->place, "checks." + check.name,
                        "asks a .flycast address all the time; that goes through the proxy, which "
                        "wakes the other app and keeps it awake; use its .internal name, or "
                        "pause_when_idle = true");
  }
}

void tcp_check_of_postgres(const Files& files, Findings& findings) {
  constexpr std::int64_t postgres_port = 5432;
  if (!files.vitals) return;
  for (const VitalsCheck& check : files.vitals->checks) {
    if (check.kind != "tcp" || !check.target || check.target->port != postgres_port) continue;
    const std::string& host = check.target->host;
    if (!host.ends_with(".flycast") && !host.ends_with(".internal")) continue;
    findings.vitals.add(place_of(*check.table, "kind"), "checks." + check.name,
                        "a TCP connect to 5432 of Fly Postgres proves nothing; HAProxy accepts it "
                        "with no primary behind; write kind = \"postgres\" and expect_role = "
                        "\"primary\"");
  }
}

void billed_redis(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  for (const VitalsCheck& check : files.vitals->checks) {
    if (check.kind != "redis" || !check.target) continue;
    if (!check.target->host.ends_with(".upstash.io")) continue;
    const auto interval = duration_at(*check.table, "interval", BareUnit::seconds);
    if (!interval || *interval >= billed_interval_min) continue;
    findings.vitals.add(place_of(*check.table, "interval"), "checks." + check.name,
                        "asks Upstash more often than every 15 s; each command is billed, 5 s is "
                        "about a dollar a month per Machine; write interval = \"15s\" or more");
  }
}

constexpr std::array<Rule, 10> rules{{
    {"metrics_port", metrics_port},
    {"listen_unreachable", listen_unreachable},
    {"check_target", check_target},
    {"check_path", check_path},
    {"check_method", check_method},
    {"front_bypassed", front_bypassed},
    {"front_port_taken", front_port_taken},
    {"flycast_awake", flycast_awake},
    {"tcp_check_of_postgres", tcp_check_of_postgres},
    {"billed_redis", billed_redis},
}};

}  // namespace

std::span<const Rule> neighbour_rules() { return rules; }

}  // namespace vitals::lint
