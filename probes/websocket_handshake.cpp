// Renders the upgrade request and judges the answer's head; SHA-1 is OpenSSL's.
#include "probes/websocket_handshake.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "probes/headers.hpp"

namespace vitals::websocket {
namespace {

using http::same_name;

/// RFC 6455 §1.3.
constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr int switching_protocols = 101;
/// Server words inside a detail; the runner scrubs secrets and only then cuts to what is shown.
constexpr std::size_t quoted_max = 1'024;

std::string_view first_line(std::string_view head) { return head.substr(0, head.find("\r\n")); }

/// "HTTP/1.1 403 Forbidden" → 403.
std::optional<int> status_of(std::string_view line) {
  constexpr std::string_view version = "HTTP/1.";
  constexpr std::size_t at = 9;
  if (!line.starts_with(version) || line.size() < at + 3 || line[at - 1] != ' ') return {};
  int status = 0;
  const auto [end, error] = std::from_chars(line.data() + at, line.data() + at + 3, status);
  if (error != std::errc() || end != line.data() + at + 3) return {};
  return status;
}

/// Whether some header of that name has `token` in its comma-separated list (any case).
bool has_token(std::string_view head, std::string_view name, std::string_view token) {
  for (const auto& line : http::header_lines(head)) {
    if (!same_name(line.name, name)) continue;
    auto list = line.value;
    while (!list.empty()) {
      auto item = list.substr(0, list.find(','));
      list.remove_prefix(std::min(item.size() + 1, list.size()));
      item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
      item = item.substr(0, item.find_last_not_of(" \t") + 1);
      if (same_name(item, token)) return true;
    }
  }
  return false;
}

net::Failure broken(std::string detail) { return {Reason::protocol, std::move(detail)}; }

// Not "quoted": with a std::string that is std::quoted, too, wherever a header brings <iomanip>.
std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text.substr(0, quoted_max)) + "\"";
}

net::Failure other_status(std::string_view head, const Scrub& scrub) {
  const auto line = first_line(head);
  std::string detail = "HTTP " +
                       std::string(line.substr(line.find(' ') + 1).substr(0, quoted_max)) +
                       ", expected 101 Switching Protocols";
  if (const auto location = http::find_header(head, "Location")) {
    // A '?' may be part of a secret, so not before that is gone.
    const auto shown = scrub(*location, SecretSet::Ending::whole);
    detail += ": leads to " + shown.substr(0, shown.find('?'));
  }
  return {Reason::status, std::move(detail)};
}

std::optional<net::Failure> wrong_subprotocol(std::string_view head, const std::string& asked) {
  const auto chosen = http::find_header(head, "Sec-WebSocket-Protocol");
  if (!chosen) {
    if (asked.empty()) return std::nullopt;
    return broken("101, but the server does not speak the subprotocol " + in_quotes(asked));
  }
  if (*chosen == asked && !asked.empty()) return std::nullopt;
  return broken("101, but the server chose the subprotocol " + in_quotes(*chosen) +
                (asked.empty() ? ", asked for none" : ", asked for " + in_quotes(asked)));
}

}  // namespace

std::string upgrade_request(const Upgrade& upgrade) {
  const auto& target = upgrade.target;
  std::string request = "GET " + target.path + " HTTP/1.1\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    request += std::string(name) + ": " + std::string(value) + "\r\n";
  };
  const auto add_default = [&](std::string_view name, std::string_view value) {
    const auto given = std::any_of(upgrade.headers.begin(), upgrade.headers.end(),
                                   [&](const auto& each) { return same_name(each.first, name); });
    if (!given) add(name, value);
  };
  add_default("Host", target.authority());
  add("Upgrade", "websocket");
  add("Connection", "Upgrade");
  add("Sec-WebSocket-Key", upgrade.key);
  add("Sec-WebSocket-Version", "13");
  if (!upgrade.subprotocol.empty()) add("Sec-WebSocket-Protocol", upgrade.subprotocol);
  // What a page of the server's own site would send: many servers let in nobody else.
  add_default("Origin", (target.tls() ? "https://" : "http://") + target.authority());
  add_default("User-Agent", http::user_agent());
  if (target.has_user) {
    add_default("Authorization", "Basic " + http::base64(target.user + ":" + target.password));
  }
  for (const auto& [name, value] : upgrade.headers) add(name, value);
  return request + "\r\n";
}

std::string accept_for(std::string_view key) {
  const std::string text = std::string(key) + std::string(accept_suffix);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  VITALS_ASSERT(done == 1);
  return http::base64({reinterpret_cast<const char*>(digest.data()), length});
}

bool is_interim(std::string_view head) {
  const auto status = status_of(first_line(head));
  return status && *status >= 100 && *status < 200 && *status != switching_protocols;
}

std::optional<net::Failure> refusal(std::string_view head, const Upgrade& upgrade,
                                    const Scrub& scrub) {
  const auto status = status_of(first_line(head));
  if (!status) return broken("not an HTTP answer: " + in_quotes(first_line(head)));
  if (*status != switching_protocols) return other_status(head, scrub);
  if (!has_token(head, "Upgrade", "websocket") || !has_token(head, "Connection", "upgrade")) {
    return broken("101 without the headers Upgrade: websocket and Connection: Upgrade");
  }
  const auto accept = http::find_header(head, "Sec-WebSocket-Accept");
  if (!accept) return broken("101 without Sec-WebSocket-Accept");
  if (*accept != accept_for(upgrade.key)) {
    return broken("101 with a Sec-WebSocket-Accept that does not belong to our key");
  }
  if (http::find_header(head, "Sec-WebSocket-Extensions")) {
    return broken("101 with an extension nobody asked for");
  }
  return wrong_subprotocol(head, upgrade.subprotocol);
}

bool may_be_http(std::string_view begun) {
  constexpr std::string_view start = "HTTP/";
  const auto length = std::min(begun.size(), start.size());
  return begun.substr(0, length) == start.substr(0, length);
}

const char* reserved_header(std::string_view name) {
  if (same_name(name, "Sec-WebSocket-Protocol")) return "is the setting subprotocol";
  constexpr std::array<std::string_view, 7> ours{"Connection",
                                                 "Upgrade",
                                                 "Sec-WebSocket-Key",
                                                 "Sec-WebSocket-Version",
                                                 "Sec-WebSocket-Extensions",
                                                 "Content-Length",
                                                 "Transfer-Encoding"};
  const bool reserved =
      std::any_of(ours.begin(), ours.end(), [&](auto each) { return same_name(each, name); });
  return reserved ? "is set by vitals; leave it out" : nullptr;
}

}  // namespace vitals::websocket
