// Reads the table [autostop]: when the Machine counts as idle, and what happens then.
#include "agent/config/autostop_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <vitals/assert.hpp>

namespace vitals::config {
namespace {

constexpr std::string_view actions = "report|exit|suspend|stop";
/// As often as the Machine is looked at.
constexpr Duration idle_after_min{500};
constexpr std::int64_t port_max = 65'535;
/// sun_path of unix(7), its final zero byte aside.
constexpr std::size_t socket_path_max = 107;

AutostopAction to_action(std::string_view text) {
  if (text == "report") return AutostopAction::report;
  if (text == "exit") return AutostopAction::exit;
  if (text == "suspend") return AutostopAction::suspend;
  VITALS_ASSERT(text == "stop");
  return AutostopAction::stop;
}

Result<std::string> to_socket_path(const Value& value) {
  auto text = to_text(value);
  if (!text) return text;
  const std::string& path = text.value();
  if (path.starts_with('/') && path.size() <= socket_path_max) return text;
  return Error{"must be the absolute path of a Unix socket, such as \"/.fly/api\""};
}

/// The digits behind the last colon; nothing when there are none.
std::optional<std::uint16_t> port_at_end(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos) text.remove_prefix(colon + 1);
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  return whole && port != 0 ? std::optional(port) : std::nullopt;
}

/// The likeliest first: what the config says of the app's own listener, what the app is told to
/// listen at, where it is asked how it is.
std::optional<std::uint16_t> find_port(const AutostopReaderInput& input) {
  if (!input.app.upstream.empty()) return port_at_end(input.app.upstream);
  if (const auto variable = input.environment("PORT")) {
    if (const auto port = port_at_end(*variable)) return port;
  }
  for (const ConfiguredCheck& check : input.checks) {
    const bool asks_app = check.spec->name == "app" && check.spec->scope == Scope::local;
    if (asks_app) return port_at_end(check.spec->target);
  }
  return std::nullopt;
}

void read_port(TableReader& table, AutostopConfig& autostop, const AutostopReaderInput& input) {
  if (const auto port = table.integer("port", {.min = 0, .max = port_max})) {
    autostop.port = static_cast<std::uint16_t>(*port);
    return;
  }
  if (table.has("port")) return;
  if (const auto port = find_port(input)) {
    autostop.port = *port;
    return;
  }
  table.complain("port",
                 "missing key 'port': nothing says where the app listens, and connections to it "
                 "keep the Machine up; write port = 8080, set PORT, or let [checks.app] ask it "
                 "there (port = 0: it has none, holds and jobs alone are work)");
}

/// What a probe sends through the front door is traffic like any other.
void mind_the_door(const AutostopReaderInput& input) {
  const auto door = port_at_end(input.app.front);
  if (!door) return;
  for (const ConfiguredCheck& check : input.checks) {
    const std::string_view kind = check.spec->kind == nullptr ? "" : check.spec->kind->name;
    const bool speaks = kind == "http" || kind == "websocket";
    const bool there = check.spec->scope == Scope::local && port_at_end(check.spec->target) == door;
    if (!speaks || !there) continue;
    input.remarks.push_back("autostop: check '" + check.spec->name +
                            "' asks the app through the front door, which counts it as traffic "
                            "that keeps the Machine up; ask " +
                            input.app.upstream + " instead");
  }
}

}  // namespace

AutostopConfig read_autostop(const Value& value, const AutostopReaderInput& input) {
  TableReader table(value, "autostop", input.mistakes);
  table.refuse_unknown(
      {"idle_after", "action", "min_uptime", "even_if_unhealthy", "api_socket", "port"});
  AutostopConfig autostop;
  autostop.given = true;
  if (auto after = table.duration("idle_after", {.min = idle_after_min})) {
    autostop.idle_after = *after;
  }
  if (const auto action = table.choice("action", actions)) autostop.action = to_action(*action);
  if (auto uptime = table.duration("min_uptime", {.min = Duration(0)})) {
    autostop.min_uptime = *uptime;
  }
  if (const auto even = table.flag("even_if_unhealthy")) autostop.even_if_unhealthy = *even;
  if (auto path = table.read<std::string>("api_socket", to_socket_path)) {
    autostop.api_socket = *path;
  }
  read_port(table, autostop, input);
  mind_the_door(input);
  return autostop;
}

std::string_view action_word(AutostopAction action) {
  switch (action) {
    case AutostopAction::report:
      return "report";
    case AutostopAction::exit:
      return "exit";
    case AutostopAction::suspend:
      return "suspend";
    case AutostopAction::stop:
      return "stop";
  }
  VITALS_ASSERT(false);
  return {};
}

}  // namespace vitals::config
