// Reads URLs of web servers and writes their parts; pure functions.
#include "probes/web_target.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <vitals/text.hpp>

namespace vitals::http {
namespace {

constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t https_port = 443;

std::uint16_t own_port(const Target& target) { return target.tls() ? https_port : http_port; }

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

Result<Target> unix_target(const net::Url& parsed, const Schemes& schemes, Target target) {
  if (parsed.host.empty() || parsed.host.front() != '/') {
    return Error{"no socket path; write " + std::string(schemes.unix_socket) +
                 "://%2Frun%2Fapp.sock/path"};
  }
  if (parsed.host.size() > net::unix_path_max) {
    return Error{"a socket path of more than 107 bytes; no kernel takes that"};
  }
  target.scheme = schemes.plain;
  target.endpoint.unix_path = parsed.host;
  return target;
}

}  // namespace

bool Target::same_origin(const Target& other) const {
  return scheme == other.scheme && endpoint.host == other.endpoint.host &&
         endpoint.port == other.endpoint.port && endpoint.unix_path == other.endpoint.unix_path;
}

std::string Target::authority() const {
  if (endpoint.is_unix()) return "localhost";
  const auto host = bracketed(endpoint.host);
  return endpoint.port == own_port(*this) ? host : host + ":" + std::to_string(endpoint.port);
}

std::string Target::url(std::string_view host) const {
  if (host.empty()) return scheme + "://" + authority() + path;
  return scheme + "://" + bracketed(std::string(host)) + ":" + std::to_string(endpoint.port) + path;
}

std::string Target::label() const {
  if (endpoint.is_unix()) return scheme + "+unix://" + endpoint.unix_path;
  return scheme + "://" + bracketed(endpoint.host) + ":" + std::to_string(endpoint.port);
}

Result<Target> parse_target(std::string_view url, const Schemes& schemes) {
  const auto parsed = net::parse_url(url);
  if (!parsed) return parsed.error();
  const auto& parts = parsed.value();
  Target target;
  target.path = (parts.path.empty() ? "/" : parts.path) +
                (parts.query.empty() ? std::string() : "?" + parts.query);
  target.user = parts.user;
  target.password = parts.password;
  target.has_user = parts.has_user;
  const bool printable = std::all_of(target.path.begin(), target.path.end(),
                                     [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) {
    return Error{
        "a blank, a control character or a letter beyond ASCII in its path; write it as "
        "%XX (a blank is %20)"};
  }
  if (parts.scheme == schemes.unix_socket) return unix_target(parts, schemes, std::move(target));
  if (parts.scheme != schemes.plain && parts.scheme != schemes.tls) {
    return Error{"'" + parts.scheme + "://' is not for kind " + std::string(schemes.kind) +
                 "; write " + std::string(schemes.plain) + "://host:port/path, " +
                 std::string(schemes.tls) + "://host/path or " + std::string(schemes.unix_socket) +
                 "://%2Frun%2Fapp.sock/path"};
  }
  if (parts.host.empty()) return Error{"no host; write " + parts.scheme + "://host:port/path"};
  const bool host_ok = std::all_of(parts.host.begin(), parts.host.end(), [](char c) {
    return c > ' ' && c < '\x7f' &&
           std::string_view("/?#@\\\"<>^`{|}").find(c) == std::string_view::npos;
  });
  if (!host_ok) {
    return Error{
        "its host has characters that names have not; write an international name in its "
        "xn-- form"};
  }
  target.scheme = parts.scheme;
  target.endpoint.host = to_lower(parts.host);
  target.endpoint.port = parts.port != 0 ? parts.port : own_port(target);
  return target;
}

}  // namespace vitals::http
