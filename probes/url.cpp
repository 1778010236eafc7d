// Reads URLs (RFC 3986) and host:port texts; pure functions.
#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>

#include <vitals/text.hpp>

#include "probes/net.hpp"

namespace vitals::net {
namespace {

constexpr std::string_view host_port_form = "write host:port or [v6]:port";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has_blank_or_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end || port == 0) return std::nullopt;
  return port;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && is_alpha(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
         });
}

/// "::1", also with a zone: "fe80::1%eth0".
bool is_ipv6(std::string_view host) {
  in6_addr ignored{};
  return inet_pton(AF_INET6, std::string(host.substr(0, host.find('%'))).c_str(), &ignored) == 1;
}

struct HostPort {
  std::string_view host;  // as written, no brackets
  bool bracketed = false;
  std::string_view port;
  bool has_port = false;
};

Result<HostPort> split_host_port(std::string_view text) {
  HostPort parts;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return Error{"'[' without ']'"};
    parts.host = text.substr(1, close - 1);
    parts.bracketed = true;
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') return Error{"something other than :port after ']'"};
  } else {
    if (std::count(text.begin(), text.end(), ':') > 1) {
      return Error{"more than one ':'; an IPv6 address needs brackets: [::1]:80"};
    }
    const auto colon = std::min(text.find(':'), text.size());
    parts.host = text.substr(0, colon);
    text.remove_prefix(colon);
  }
  if (!text.empty()) {
    parts.has_port = true;
    parts.port = text.substr(1);
  }
  return parts;
}

/// Host and port into `url`; the error is about the authority.
std::optional<Error> read_host(Url& url, std::string_view text) {
  const auto parts = split_host_port(text);
  if (!parts) return parts.error();
  const auto& [host, bracketed, port, has_port] = parts.value();
  const bool unix_path = url.scheme.ends_with("+unix");
  url.host = unix_path ? percent_decode(host) : to_lower(percent_decode(host));
  if (url.host.find('\0') != std::string::npos || has_blank_or_control(url.host)) {
    return Error{"the host holds blanks or control characters"};
  }
  if (bracketed && !is_ipv6(url.host)) return Error{"no IPv6 address between the brackets"};
  if (has_port && !port.empty()) {  // "host:" is allowed by RFC 3986
    const auto number = parse_port(port);
    if (!number) {
      return Error{
          "the port is not a number from 1 to 65535 (special characters of a password are "
          "written as %XX)"};
    }
    url.port = *number;
  }
  return std::nullopt;
}

std::optional<Error> read_user(Url& url, std::string_view text) {
  const auto colon = text.find(':');
  url.has_user = true;
  url.user = percent_decode(text.substr(0, colon));
  url.has_password = colon != std::string_view::npos;
  if (url.has_password) url.password = percent_decode(text.substr(colon + 1));
  if (url.user.find('\0') != std::string::npos || url.password.find('\0') != std::string::npos) {
    return Error{"a NUL byte (%00) in user or password"};
  }
  return std::nullopt;
}

void read_parameters(Url& url) {
  std::string_view rest = url.query;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    url.parameters.emplace_back(percent_decode(pair.substr(0, equals)), percent_decode(value));
  }
}

}  // namespace

std::string percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0) {
      result += text[i];
      continue;
    }
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

Result<Url> parse_url(std::string_view text) {
  if (has_blank_or_control(text)) return Error{"blanks or control characters in the URL"};
  const auto separator = text.find("://");
  if (separator == std::string_view::npos || !is_scheme(text.substr(0, separator))) {
    return Error{"no scheme; write scheme://host:port/path"};
  }
  Url url;
  url.scheme = to_lower(text.substr(0, separator));
  text.remove_prefix(separator + 3);
  const auto hash = std::min(text.find('#'), text.size());
  // A fragment never reaches a server; one with an '@' in it was meant as the end of a password.
  const bool in_password = text.find_first_of("/?") > hash && text.find('@', hash) < text.size();
  if (in_password) return Error{"a '#' before the '@'; in a user or password it is written as %23"};
  text = text.substr(0, hash);

  const auto question = text.find('?');
  if (question != std::string_view::npos) url.query = text.substr(question + 1);
  text = text.substr(0, question);
  read_parameters(url);

  const auto slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  auto authority = text.substr(0, slash);
  // The last @ counts: an @ in a password is often left unencoded.
  const auto at = authority.rfind('@');
  if (at != std::string_view::npos) {
    if (auto error = read_user(url, authority.substr(0, at))) return *std::move(error);
    authority.remove_prefix(at + 1);
  }
  if (auto error = read_host(url, authority)) return *std::move(error);
  return url;
}

Result<Endpoint> parse_host_port(std::string_view text) {
  const std::string form(host_port_form);
  if (has_blank_or_control(text)) return Error{"blanks or control characters; " + form};
  const auto parts = split_host_port(text);
  if (!parts) return parts.error();
  const auto& [host, bracketed, port, has_port] = parts.value();
  if (host.empty()) return Error{"no host; " + form};
  if (bracketed && !is_ipv6(host)) return Error{"no IPv6 address between the brackets"};
  if (!has_port || port.empty()) return Error{"no port; " + form};
  const auto number = parse_port(port);
  if (!number) return Error{"the port is not a number from 1 to 65535; " + form};
  Endpoint endpoint;
  endpoint.host = to_lower(host);
  endpoint.port = *number;
  return endpoint;
}

}  // namespace vitals::net
