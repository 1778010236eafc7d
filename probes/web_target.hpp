// Where an HTTP request goes, taken from a URL: http and websocket checks share it.
#pragma once

#include <string>
#include <string_view>

#include <vitals/result.hpp>

#include "probes/net.hpp"

namespace vitals::http {

/// The three schemes a kind understands.
struct Schemes {
  std::string_view kind;
  std::string_view plain;
  std::string_view tls;
  std::string_view unix_socket;
};
inline constexpr Schemes http_schemes{"http", "http", "https", "http+unix"};
inline constexpr Schemes websocket_schemes{"websocket", "ws", "wss", "ws+unix"};

/// Where a request goes, taken from a URL.
struct Target {
  std::string scheme;  // of Schemes: plain or tls; plain for a Unix socket
  net::Endpoint endpoint;
  std::string path;  // with the query, never empty, no fragment
  std::string user;
  std::string password;
  bool has_user = false;

  [[nodiscard]] bool tls() const { return scheme == "https" || scheme == "wss"; }
  /// Same scheme, host and port (or socket): the ones credentials were meant for.
  [[nodiscard]] bool same_origin(const Target& other) const;
  /// "host", "host:port" when the port is not the scheme's own; "localhost" for a Unix socket.
  [[nodiscard]] std::string authority() const;
  /// As libcurl gets it, without credentials; `host` replaces the host when not empty.
  [[nodiscard]] std::string url(std::string_view host = {}) const;
  /// For the label: "https://host:443", "http+unix:///run/app.sock".
  [[nodiscard]] std::string label() const;
};
/// The error says what is wrong and the way out, without the URL's text.
[[nodiscard]] Result<Target> parse_target(std::string_view url,
                                          const Schemes& schemes = http_schemes);

}  // namespace vitals::http
