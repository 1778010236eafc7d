// Pure functions over header names, values and what is secret in them.
#include "probes/headers.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <vitals/secrets.hpp>
#include <vitals/text.hpp>
#include <vitals/words.hpp>

#include "vitals_build_info.hpp"

#include "probes/net.hpp"

namespace vitals::http {
namespace {

/// Query values shorter than this are words such as "full" or "1", not keys; scrubbing them would
/// eat every mention of them. Unless the parameter's name says otherwise.
constexpr std::size_t query_secret_min = 8;

/// A shorter part of a header value is a word, unless its name says otherwise.
constexpr std::size_t part_secret_min = 8;

/// Whole values of any header may begin with one of these; what follows is the secret.
constexpr std::array<std::string_view, 8> schemes{"bearer", "basic",   "token",     "key",
                                                  "apikey", "api-key", "negotiate", "ssws"};

/// Of these headers only what has a telling name ("; token=x") is hidden as a part: they say what
/// every client says, and masking "application" or a host name would eat a server's own words.
constexpr std::array<std::string_view, 33> harmless_headers{"accept",
                                                            "accept-charset",
                                                            "accept-encoding",
                                                            "accept-language",
                                                            "cache-control",
                                                            "connection",
                                                            "content-encoding",
                                                            "content-language",
                                                            "content-length",
                                                            "content-type",
                                                            "date",
                                                            "dnt",
                                                            "expect",
                                                            "forwarded",
                                                            "from",
                                                            "host",
                                                            "if-match",
                                                            "if-modified-since",
                                                            "if-none-match",
                                                            "if-unmodified-since",
                                                            "origin",
                                                            "pragma",
                                                            "prefer",
                                                            "range",
                                                            "referer",
                                                            "te",
                                                            "upgrade",
                                                            "user-agent",
                                                            "via",
                                                            "x-forwarded-for",
                                                            "x-forwarded-host",
                                                            "x-forwarded-proto",
                                                            "x-requested-with"};

/// Words of eight letters or more that credentials and protocols are made of.
constexpr std::array<std::string_view, 26> known_words{"application",      "application/xml",
                                                       "authentication",   "authorization",
                                                       "aws4-hmac-sha256", "compressed",
                                                       "credential",       "deflate",
                                                       "development",      "form-data",
                                                       "googlelogin",      "hmac-sha1",
                                                       "hmac-sha256",      "hmac-sha512",
                                                       "identity",         "keep-alive",
                                                       "multipart",        "negotiate",
                                                       "no-cache",         "no-store",
                                                       "production",       "sharedaccesssignature",
                                                       "sharedkey",        "sharedkeylite",
                                                       "signature",        "xmlhttprequest"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view each) { return same_name(each, word); });
}

/// Whether a part names what follows it: `v1=x`, `token="x"`, and not the padding of base64.
bool is_name(std::string_view part, std::string_view rest) {
  if (!rest.starts_with('=') || rest.size() < 2) return false;
  if (std::string_view("=,;: \t").find(rest[1]) != std::string_view::npos) return false;
  return part.size() < part_secret_min || std::all_of(part.begin(), part.end(), [](char c) {
           const char lower = to_lower(c);
           return (lower >= 'a' && lower <= 'z') || c == '-' || c == '_';
         });
}

/// `Key x`, `t=1,v1=x`, `Token token="x"`: a server may name the secret part of a value alone.
/// What has a telling name comes last: of what files hold only the youngest secrets are kept.
void hide_value_parts(std::string_view header, std::string_view value,
                      const SecretSink& add_secret) {
  const bool harmless = holds(harmless_headers, header);
  const bool telling_header = names_a_secret(header);
  std::vector<std::string_view> named;
  constexpr std::string_view separators = " \t=,;:\"'|&?(){}[]<>";
  std::string_view name;
  while (true) {
    value.remove_prefix(std::min(value.find_first_not_of(separators), value.size()));
    if (value.empty()) break;
    const auto part = value.substr(0, value.find_first_of(separators));
    value.remove_prefix(part.size());
    if (is_name(part, value)) {
      name = part;
      continue;
    }
    const auto its_name = std::exchange(name, {});
    if (holds(known_words, part) || is_own_word(part)) continue;
    // Of a signature of AWS: names of headers.
    const bool telling = names_a_secret(its_name) && !same_name(its_name, "SignedHeaders");
    if (telling) {
      named.push_back(part);
    } else if (!harmless && part.size() >= part_secret_min &&
               (telling_header || !is_ordinary(part))) {
      add_secret(part);
    }
  }
  for (const auto part : named) add_secret(part);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::vector<HeaderLine> header_lines(std::string_view head) {
  std::vector<HeaderLine> lines;
  while (!head.empty()) {
    const auto end = head.find('\n');
    const auto line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) continue;
    lines.push_back({line.substr(0, colon), trimmed(line.substr(colon + 1))});
  }
  return lines;
}

std::optional<std::string_view> find_header(std::string_view head, std::string_view name) {
  for (const auto& line : header_lines(head)) {
    if (same_name(line.name, name)) return line.value;
  }
  return {};
}

bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

bool same_name(std::string_view a, std::string_view b) { return same_ignoring_case(a, b); }

std::string_view user_agent() {
  static const auto text = "vitals/" + std::string(build_info::version());
  return text;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool padding = i + k > bytes.size();
      text += padding ? '=' : alphabet[group >> (18U - 6U * k) & 63U];
    }
  }
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else {
      return {};
    }
    bits = bits << 6U | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xffU);
    }
  }
  return bytes;
}

bool names_a_secret(std::string_view name) {
  const auto lower = to_lower(name);
  constexpr std::array<std::string_view, 8> words{"key", "token", "secret", "pass",
                                                  "sig", "auth",  "code",   "cred"};
  return std::any_of(words.begin(), words.end(),
                     [&](auto word) { return lower.find(word) != std::string::npos; });
}

void hide_url_secrets(std::string_view url, const SecretSink& add_secret) {
  const auto parsed = net::parse_url(url);
  if (!parsed) return;
  // A user alone is a token, as GitHub and Sentry take them.
  const bool has_password = !parsed.value().password.empty();
  add_secret(has_password ? parsed.value().password : parsed.value().user);
  // As they are sent, not decoded: a server may say the request line again in base64.
  std::string_view query = parsed.value().query;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    const auto value = pair.substr(std::min(equals + 1, pair.size()));
    if (value.size() >= query_secret_min || names_a_secret(pair.substr(0, equals))) {
      add_secret(value);
    }
  }
}

/// Who has no password is known by the user's name alone: "sk_live_…:".
void hide_user_password(std::string_view pair, const SecretSink& add_secret) {
  const auto colon = pair.find(':');
  if (colon == std::string_view::npos) return;
  const auto password = pair.substr(colon + 1);
  add_secret(password.empty() ? pair.substr(0, colon) : password);
}

/// A server may echo the token without its scheme, or one cookie of many.
void hide_header_parts(std::string_view name, std::string_view value,
                       const SecretSink& add_secret) {
  hide_value_parts(name, value, add_secret);
  const auto space = std::min(value.find(' '), value.size());
  const auto scheme = value.substr(0, space);
  const auto credentials = trimmed(value.substr(space));
  const bool is_authorization =
      same_name(name, "Authorization") || same_name(name, "Proxy-Authorization");
  if (is_authorization || holds(schemes, scheme)) {
    add_secret(credentials);
    const auto pair = same_name(scheme, "Basic") ? base64_decode(credentials) : std::nullopt;
    if (pair) hide_user_password(*pair, add_secret);
  }
  if (names_a_secret(name)) add_secret(value);
  if (!same_name(name, "Cookie")) return;
  while (!value.empty()) {
    const auto end = value.find(';');
    const auto cookie = value.substr(0, end);
    const auto equals = cookie.find('=');
    if (equals != std::string_view::npos) add_secret(cookie.substr(equals + 1));
    value = end == std::string_view::npos ? std::string_view() : value.substr(end + 1);
  }
}

}  // namespace vitals::http
