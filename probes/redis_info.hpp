// The answer of INFO, read into the few facts we use. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vitals::redis {

/// What a server said of itself; absent where it did not say (providers leave fields out).
struct Info {
  std::string version;  // "7.0.15"; a Valkey server's own, not the Redis version it claims
  std::string mode;     // standalone, cluster, sentinel, or "unknown"
  std::string role;     // master, replica, or "unknown"
  std::optional<bool> loading;
  std::optional<double> loading_percent;
  std::optional<double> loading_eta_seconds;
  std::optional<bool> master_link_up;  // replicas only
  std::optional<double> memory_used;
  std::optional<double> memory_max;  // 0: no limit
  std::optional<double> clients;
  std::optional<double> clients_max;
  std::optional<double> evicted_keys;
  std::optional<double> rejected_connections;
};

/// Unknown lines, and numbers that are none, are skipped.
[[nodiscard]] Info parse_info(std::string_view text);

}  // namespace vitals::redis
