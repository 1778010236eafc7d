// The answer of INFO, read into the few facts we use. Pure.
#include "probes/redis_info.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace vitals::redis {
namespace {

constexpr std::size_t version_max = 32;

std::optional<double> to_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(number) || number < 0) return std::nullopt;
  return number;
}

/// Fit for a label: a server could send anything.
std::string to_version(std::string_view text) {
  std::string version;
  for (const char c : text.substr(0, version_max)) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_' || c == '+';
    if (plain) version += c;
  }
  return version;
}

std::string to_role(std::string_view text) {
  if (text == "master") return "master";
  return text == "slave" || text == "replica" ? "replica" : "unknown";
}

std::string to_mode(std::string_view text) {
  constexpr std::array<std::string_view, 3> modes{"standalone", "cluster", "sentinel"};
  return std::find(modes.begin(), modes.end(), text) == modes.end() ? "unknown" : std::string(text);
}

struct NumberField {
  std::string_view name;
  std::optional<double> Info::*member;
};
constexpr std::array<NumberField, 8> number_fields{{
    {"loading_loaded_perc", &Info::loading_percent},
    {"loading_eta_seconds", &Info::loading_eta_seconds},
    {"used_memory", &Info::memory_used},
    {"maxmemory", &Info::memory_max},
    {"connected_clients", &Info::clients},
    {"maxclients", &Info::clients_max},
    {"evicted_keys", &Info::evicted_keys},
    {"rejected_connections", &Info::rejected_connections},
}};

void read_line(Info& info, std::string_view name, std::string_view value) {
  for (const NumberField& field : number_fields) {
    if (field.name == name) info.*field.member = to_number(value);
  }
  if (name == "redis_version" && info.version.empty()) info.version = to_version(value);
  if (name == "valkey_version") info.version = to_version(value);
  if (name == "redis_mode" || name == "server_mode") info.mode = to_mode(value);
  if (name == "role") info.role = to_role(value);
  if (name == "loading") info.loading = value == "1";
  if (name == "master_link_status") info.master_link_up = value == "up";
}

}  // namespace

Info parse_info(std::string_view text) {
  Info info;
  info.mode = "unknown";
  info.role = "unknown";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    read_line(info, line.substr(0, colon), line.substr(colon + 1));
  }
  return info;
}

}  // namespace vitals::redis
