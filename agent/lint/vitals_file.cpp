// Takes the few facts out of a vitals.toml that have a counterpart in fly.toml.
#include "agent/lint/vitals_file.hpp"

#include <charconv>
#include <utility>

#include "agent/config/expand.hpp"
#include "agent/config/quantity.hpp"

namespace vitals::lint {
namespace {

using config::Value;

// Contract §9: what holds when [app] says nothing.
constexpr Duration drain_delay_default{0};
constexpr Duration stop_timeout_default{4'000};

const Value* find(const Value& document, std::string_view table, std::string_view key) {
  const Value* found = document.find(table);
  return found != nullptr && found->is_table() ? found->find(key) : nullptr;
}

/// Nothing for what is no text, or holds a variable without a known value.
std::optional<std::string> text_of(const Value* value, const Environment& environment) {
  if (value == nullptr || value->type != Value::Type::text) return std::nullopt;
  auto expanded = config::expand(value->written, environment);
  if (!expanded.problems.empty()) return std::nullopt;
  return std::move(expanded.text);
}

std::optional<HostPort> to_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  HostPort result;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, result.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  result.host = host;
  return result;
}

/// Host and port of a URL; port 0 when it names none.
std::optional<HostPort> target_of_url(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  auto authority = url.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  const auto user = authority.rfind('@');
  if (user != std::string_view::npos) authority.remove_prefix(user + 1);
  if (auto with_port = to_host_port(authority)) return with_port;
  return HostPort{std::string(authority), 0};
}

std::optional<Duration> duration_of(const Value* value, Duration fallback,
                                    const Environment& environment) {
  if (value == nullptr) return fallback;
  const auto text = text_of(value, environment);
  if (!text) return std::nullopt;
  const auto duration = config::parse_duration(*text);
  return duration ? std::optional(duration.value()) : std::nullopt;
}

VitalsCheck read_check(const Value& table, const Environment& environment) {
  VitalsCheck check;
  check.table = &table;
  check.name = table.key;
  check.kind = text_of(table.find("kind"), environment).value_or("");
  if (const auto url = text_of(table.find("url"), environment)) check.target = target_of_url(*url);
  if (const auto address = text_of(table.find("address"), environment)) {
    check.target = to_host_port(*address);
  }
  const Value* pause = table.find("pause_when_idle");
  check.pause_when_idle = pause != nullptr && pause->flag;
  return check;
}

}  // namespace

bool HostPort::loopback() const {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

VitalsFile read_vitals_file(Value document, const Environment& environment) {
  VitalsFile file;
  file.document = std::move(document);
  const auto address = [&](std::string_view table, std::string_view key) {
    const auto text = text_of(find(file.document, table, key), environment);
    return text ? to_host_port(*text) : std::nullopt;
  };
  const auto overridden = environment("VITALS_LISTEN");
  if (overridden && !overridden->empty()) {
    file.listen = to_host_port(*overridden);
  } else if (find(file.document, "server", "listen") == nullptr) {
    file.listen = to_host_port(ServerConfig{}.listen);
  } else {
    file.listen = address("server", "listen");
  }
  const Value* app = file.document.find("app");
  file.has_app = app != nullptr && app->is_table();
  file.has_front = find(file.document, "app", "front") != nullptr;
  file.front = address("app", "front");
  file.upstream = address("app", "upstream");
  file.drain_delay =
      duration_of(find(file.document, "app", "drain_delay"), drain_delay_default, environment);
  file.stop_timeout =
      duration_of(find(file.document, "app", "stop_timeout"), stop_timeout_default, environment);
  file.autostop_action =
      text_of(find(file.document, "autostop", "action"), environment).value_or("");
  if (const Value* checks = file.document.find("checks")) {
    for (const Value& table : checks->children) {
      if (table.is_table()) file.checks.push_back(read_check(table, environment));
    }
  }
  if (const Value* groups = file.document.find("groups")) {
    for (const Value& table : groups->children) file.groups.push_back(table.key);
  }
  return file;
}

}  // namespace vitals::lint
