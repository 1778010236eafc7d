// Paths, formats, permissions and codes of contract §5: from a request to a reply.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.hpp"
#include "agent/serve/http_server.hpp"
#include "agent/serve/report.hpp"
#include "agent/verdict/history.hpp"

namespace vitals {

enum class Format { json, text, line, html };

/// ?format= wins; else the best of the Accept header (RFC 9110 §12.5.1, q-values); JSON when
/// nothing fits. Never fails.
[[nodiscard]] Format choose_format(std::string_view query_format, std::string_view accept);

/// Of PUT /mute/NAME (contract §5).
inline constexpr Duration mute_default = std::chrono::hours(1);
inline constexpr Duration mute_max = std::chrono::hours(24);

/// application/openmetrics-text preferred over text/plain by this Accept header?
[[nodiscard]] bool prefers_openmetrics(std::string_view accept);

/// What endpoints ask of the rest; every function is thread-safe and does not block.
struct EndpointSources {
  std::function<std::shared_ptr<const Snapshot>()> snapshot;  // never null
  std::function<Instant()> now;
  /// Renders the page of /metrics; true: OpenMetrics.
  std::function<std::string(bool openmetrics)> metrics;
  std::function<void(bool draining)> drain;
  /// False: no such check.
  std::function<bool(std::string_view check, Duration ttl)> mute;
  std::function<bool(std::string_view check)> unmute;
  /// PUT /busy/NAME; false: there are too many others.
  std::function<bool(std::string_view name, Duration ttl)> hold;
  /// DELETE /busy/NAME; nothing to end is fine.
  std::function<void(std::string_view name)> release;
  /// When that check is asked next, as far as that is known.
  std::function<std::optional<TimePoint>(std::string_view check)> next_attempt;
  const History* history = nullptr;  // never null in a running agent; outlives the endpoints
  /// Somebody calls in to a heartbeat check. False: no such check, or one of another kind.
  std::function<bool(std::string_view check)> heartbeat;
  Identity identity;
};

/// Server settings that a reload may change.
struct EndpointSettings {
  Details details = Details::private_;
  Text token;
};

/// Routes and answers. handle() may be called from several threads.
class Endpoints {
 public:
  explicit Endpoints(EndpointSources sources);
  ~Endpoints();
  void configure(EndpointSettings settings);
  [[nodiscard]] HttpReply handle(const HttpRequest& request);
  /// Paths whose answers grow with the number of checks.
  [[nodiscard]] static std::vector<std::string> slow_paths();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals
