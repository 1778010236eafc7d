// The opening handshake of WebSocket (RFC 6455 §4), written and judged; pure.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/settings.hpp>

#include "probes/net.hpp"
#include "probes/web_target.hpp"

namespace vitals::websocket {

inline constexpr std::size_t nonce_bytes = 16;

/// What is asked. Headers given win over our own of the same name.
struct Upgrade {
  http::Target target;
  std::string key;  // base64 of nonce_bytes random bytes
  std::string subprotocol;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// The request, whole.
[[nodiscard]] std::string upgrade_request(const Upgrade& upgrade);

/// What Sec-WebSocket-Accept has to be for that key.
[[nodiscard]] std::string accept_for(std::string_view key);

/// A head that another one follows (RFC 9110 §15.2): any 1xx but 101.
[[nodiscard]] bool is_interim(std::string_view head);

/// Why the head of an answer (up to and with its blank line) is no consent to `upgrade`: protocol
/// when it breaks the rules, status when it is any other status than 101.
[[nodiscard]] std::optional<net::Failure> refusal(std::string_view head, const Upgrade& upgrade,
                                                  const Scrub& scrub);

/// False as soon as what came can't be the beginning of an HTTP answer.
[[nodiscard]] bool may_be_http(std::string_view begun);

/// Null when the header may be set by a user; else why not.
[[nodiscard]] const char* reserved_header(std::string_view name);

}  // namespace vitals::websocket
