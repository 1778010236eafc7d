// The settings of an http check: what is asked, what must come back, and where it is sent.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/kind.hpp>
#include <vitals/settings.hpp>

#include "probes/http_rules.hpp"
#include "probes/net.hpp"
#include "probes/tls.hpp"
#include "probes/web_target.hpp"

namespace vitals::http {

/// Without the TLS settings.
extern const std::array<SettingSpec, 16> setting_specs;

struct Proxy {
  net::Endpoint endpoint;
  bool has_user = false;
  std::string user;
  std::string password;
};
[[nodiscard]] Result<Proxy> parse_proxy(std::string_view url);

struct HttpSettings {
  Text url;
  std::string method;
  std::vector<std::pair<std::string, Text>> headers;
  bool has_body = false;
  Text body;
  StatusRanges expect_status;
  std::optional<Matcher> expect_body;
  std::optional<Matcher> reject_body;
  std::vector<HeaderRule> expect_header;
  std::vector<JsonRule> expect_json;
  int follow = 0;
  std::size_t max_body = 0;
  net::IpFamily ip = net::IpFamily::any;
  bool has_bearer = false;
  Text bearer;
  bool has_basic = false;
  Text basic;
  bool has_proxy = false;
  Text proxy;
  tls::TlsSettings tls;

  /// As read while loading; what is live is read again for each attempt.
  std::optional<Target> target;
  SecretSink add_secret;
  Scrub scrub;
};

/// Reads everything; mistakes go to `settings`.
[[nodiscard]] HttpSettings read_http_settings(Settings& settings);

/// One value of everything that may change under us, good for one attempt.
struct LiveRequest {
  Target target;
  std::optional<Proxy> proxy;
  std::string body;
  /// The header lines for the configured target, with credentials and our own defaults.
  std::vector<std::string> headers;
  /// Those that may follow to another origin: nothing that the user could have meant as a secret.
  std::vector<std::string> foreign_headers;
};
/// Blocking reads of the files the settings name. The error names what can't be used.
[[nodiscard]] Result<LiveRequest> read_live(const HttpSettings& settings);

}  // namespace vitals::http
