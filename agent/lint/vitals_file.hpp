// A vitals.toml as a fly.toml has to fit it. It is read loosely: `vitals validate` is for the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/time.hpp>

#include "agent/config/config.hpp"
#include "agent/config/document.hpp"

namespace vitals::lint {

/// "[::]:9100" taken apart; the host has no brackets.
struct HostPort {
  std::string host;
  std::int64_t port = 0;

  [[nodiscard]] bool loopback() const;
};

/// A check of which enough is known to judge it.
struct VitalsCheck {
  const config::Value* table = nullptr;
  std::string name;
  std::string kind;
  std::optional<HostPort> target;  // of `url` or `address`, when no unset variable hides it
  bool pause_when_idle = false;
};

/// Every value that depends on a variable that fly.toml does not set is absent: a wrong guess would
/// be a false alarm. Points into the document: moves, but is not copied.
struct VitalsFile {
  VitalsFile() = default;
  VitalsFile(VitalsFile&&) = default;
  VitalsFile& operator=(VitalsFile&&) = default;

  config::Value document;
  std::optional<HostPort> listen;
  bool has_app = false;
  bool has_front = false;  // although its address may be unknown
  std::optional<HostPort> front;
  std::optional<HostPort> upstream;
  std::optional<Duration> drain_delay;
  std::optional<Duration> stop_timeout;
  std::string autostop_action;  // empty: none
  std::vector<VitalsCheck> checks;
  std::vector<std::string> groups;  // answer under /health/check/NAME as checks do
};

/// `environment` holds what the Machine will have as far as it is known.
[[nodiscard]] VitalsFile read_vitals_file(config::Value document, const Environment& environment);

}  // namespace vitals::lint
