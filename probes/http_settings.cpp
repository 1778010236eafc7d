// Reads and checks the settings of http checks, and renders them into one request.
#include "probes/http_settings.hpp"

#include <algorithm>
#include <initializer_list>

#include "probes/providers.hpp"
#include "probes/sent_text.hpp"

namespace vitals::http {
namespace {

constexpr std::int64_t follow_max = 20;
constexpr std::int64_t body_limit_max = std::int64_t{16} * 1024 * 1024;

/// Null when the header may be set by a user; else why not.
const char* reserved_header(std::string_view name) {
  if (same_name(name, "Content-Length") || same_name(name, "Transfer-Encoding")) {
    return "is set by vitals from the body; leave it out";
  }
  if (same_name(name, "Connection") || same_name(name, "Expect")) {
    return "is set by vitals: every attempt is a new connection; leave it out";
  }
  return nullptr;
}

/// Says what of the request the user can't have meant as a credential. Everything else stays at
/// home when a redirect leads to another origin.
bool may_travel(std::string_view name) {
  constexpr std::array<std::string_view, 5> harmless{"Accept", "Accept-Language", "User-Agent",
                                                     "Content-Type", "Cache-Control"};
  return std::any_of(harmless.begin(), harmless.end(),
                     [&](auto each) { return same_name(each, name); });
}

std::string header_line(std::string_view name, std::string_view value) {
  // libcurl's way to say "send it empty"; "Name:" would leave it out.
  if (value.empty()) return std::string(name) + ";";
  return std::string(name) + ": " + std::string(value);
}

struct HeaderSet {
  std::vector<std::pair<std::string, std::string>> values;

  [[nodiscard]] bool has(std::string_view name) const {
    return std::any_of(values.begin(), values.end(),
                       [&](const auto& each) { return same_name(each.first, name); });
  }
  void add_default(std::string_view name, std::string_view value) {
    if (!has(name)) values.emplace_back(name, value);
  }
};

void append_lines(const HeaderSet& set, bool with_body, LiveRequest& request) {
  for (const auto& [name, value] : set.values) {
    request.headers.push_back(header_line(name, value));
    if (may_travel(name)) request.foreign_headers.push_back(header_line(name, value));
  }
  for (auto* lines : {&request.headers, &request.foreign_headers}) {
    lines->emplace_back("Connection: close");
    if (!with_body) continue;
    // "Name:" takes out what libcurl would add: a wait for 100, and the type of a web form.
    lines->emplace_back("Expect:");
    if (!set.has("Content-Type")) lines->emplace_back("Content-Type:");
  }
}

void read_headers(Settings& settings, HttpSettings& result) {
  result.headers = settings.table("headers");
  for (const auto& [name, text] : result.headers) {
    if (!is_token(name)) {
      settings.complain("headers", "'" + name + "' is no header name; letters, digits and '-'");
    } else if (const char* why = reserved_header(name)) {
      settings.complain("headers", name + " " + why);
    }
    const auto value = text.read();
    if (!value) continue;
    if (!is_header_value(value.value())) {
      settings.complain("headers", "the value of " + name + " has a line break in it");
    }
    hide_header_parts(name, value.value(), result.add_secret);
  }
}

std::optional<Matcher> read_matcher(Settings& settings, std::string_view name) {
  if (!settings.has(name)) return {};
  auto matcher = Matcher::parse(settings.text(name));
  if (matcher) return std::move(matcher).value();
  settings.complain(name, matcher.error().message);
  return {};
}

void read_statuses(Settings& settings, HttpSettings& result) {
  const auto statuses = settings.list("expect_status");
  auto ranges = StatusRanges::parse(statuses);
  if (ranges) {
    result.expect_status = std::move(ranges).value();
    return;
  }
  if (statuses.empty()) settings.complain("expect_status", ranges.error().message);
  for (const auto& status : statuses) {
    const auto alone = StatusRanges::parse({status});
    if (!alone) settings.complain("expect_status", alone.error().message);
  }
}

void read_expectations(Settings& settings, HttpSettings& result) {
  read_statuses(settings, result);
  result.expect_body = read_matcher(settings, "expect_body");
  result.reject_body = read_matcher(settings, "reject_body");
  for (const auto& [name, text] : settings.table("expect_header")) {
    const auto value = text.read();
    if (!value) continue;
    auto rule = ValueRule::parse(value.value());
    if (!is_token(name)) {
      settings.complain("expect_header", "'" + name + "' is no header name");
    } else if (rule) {
      result.expect_header.push_back({name, std::move(rule).value()});
    } else {
      settings.complain("expect_header", name + ": " + rule.error().message);
    }
  }
  for (const auto& [pointer, text] : settings.table("expect_json")) {
    const auto value = text.read();
    if (!value) continue;
    auto rule = parse_json_rule(pointer, value.value());
    if (rule) {
      result.expect_json.push_back(std::move(rule).value());
    } else {
      settings.complain("expect_json", rule.error().message);
    }
  }
  const bool needs_body = result.expect_body || result.reject_body || !result.expect_json.empty();
  if (result.method == "HEAD" && needs_body) {
    settings.complain("method",
                      "HEAD has no body to judge; use GET, or leave out expect_body, "
                      "reject_body and expect_json");
  }
}

void read_url(Settings& settings, HttpSettings& result) {
  // The loader has written what it stands for; here it is checked alone.
  if (settings.has("provider")) static_cast<void>(settings.choice("provider"));
  const auto url = settings.text("url");
  result.url = settings.live_text("url");
  if (url.empty()) {
    // A missing one is the loader's complaint; an empty one is ours.
    if (settings.has("url")) settings.complain("url", "empty; write http://host:port/path");
    return;
  }
  auto target = parse_target(url);
  if (!target) {
    settings.complain("url", target.error().message);
    return;
  }
  hide_url_secrets(url, result.add_secret);
  result.target = std::move(target).value();
}

void read_credentials(Settings& settings, HttpSettings& result) {
  result.has_bearer = settings.has("bearer");
  result.bearer = settings.live_text("bearer");
  result.has_basic = settings.has("basic");
  result.basic = settings.live_text("basic");
  const auto has_header =
      std::any_of(result.headers.begin(), result.headers.end(),
                  [](const auto& each) { return same_name(each.first, "Authorization"); });
  const bool in_url = result.target && result.target->has_user;
  if (result.has_bearer + result.has_basic + has_header + in_url > 1) {
    settings.complain(result.has_bearer  ? "bearer"
                      : result.has_basic ? "basic"
                                         : "url",
                      "only one of bearer, basic, an Authorization header and user:password in the "
                      "URL can be sent; keep one");
  }
  const auto token = result.bearer.read();
  if (result.has_bearer && token && !is_header_value(token.value())) {
    settings.complain("bearer", "has a line break in it, and a header ends there");
  }
  if (token) hide_header_parts("Authorization", "Bearer " + token.value(), result.add_secret);
  if (!result.has_basic) return;
  const auto pair = result.basic.read();
  if (pair && !is_header_value(pair.value())) {
    settings.complain("basic", "has a line break in it, which no user and no password can have");
  }
  if (pair && pair.value().find(':') == std::string::npos) {
    settings.complain("basic", "no ':' in it; write \"user:password\"");
  } else if (pair) {
    hide_user_password(pair.value(), result.add_secret);
  }
}

void read_proxy(Settings& settings, HttpSettings& result) {
  result.has_proxy = settings.has("proxy") && !settings.text("proxy").empty();
  result.proxy = settings.live_text("proxy");
  if (!result.has_proxy) return;
  const auto url = settings.text("proxy");
  const auto proxy = parse_proxy(url);
  if (!proxy) settings.complain("proxy", proxy.error().message);
  hide_url_secrets(url, result.add_secret);
  if (result.target && result.target->endpoint.is_unix()) {
    settings.complain("proxy", "a Unix socket is not reached through a proxy; leave it out");
  }
}

Result<std::string> authorization(const HttpSettings& settings, const Target& target) {
  if (settings.has_bearer) {
    const auto token = settings.bearer.read();
    if (!token) return token.error();
    hide_header_parts("Authorization", "Bearer " + token.value(), settings.add_secret);
    return "Bearer " + token.value();
  }
  if (settings.has_basic) {
    const auto pair = settings.basic.read();
    if (!pair) return pair.error();
    hide_user_password(pair.value(), settings.add_secret);
    return "Basic " + base64(pair.value());
  }
  if (target.has_user) return "Basic " + base64(target.user + ":" + target.password);
  return std::string();
}

Result<HeaderSet> live_headers(const HttpSettings& settings, const Target& target) {
  HeaderSet set;
  for (const auto& [name, text] : settings.headers) {
    const auto value = text.read();
    if (!value) return value.error();
    hide_header_parts(name, value.value(), settings.add_secret);
    set.values.emplace_back(name, value.value());
  }
  const auto credentials = authorization(settings, target);
  if (!credentials) return credentials.error();
  if (!credentials.value().empty()) set.add_default("Authorization", credentials.value());
  // With another server name in the URL that libcurl sees, Host has to be said.
  if (!settings.tls.server_name.empty() && target.tls()) {
    set.add_default("Host", target.authority());
  }
  set.add_default("User-Agent", user_agent());
  set.add_default("Accept", "*/*");
  for (const auto& [name, value] : set.values) {
    if (!is_header_value(value)) return Error{"the value of header " + name + " has a line break"};
  }
  return set;
}

}  // namespace

const std::array<SettingSpec, 16> setting_specs{{
    {.name = "url",
     .type = SettingType::live_text,
     .fallback = "",
     .doc = "http://, https:// or http+unix://%2Frun%2Fapp.sock/path",
     .required = true,
     .url = true},
    {.name = "method",
     .type = SettingType::choice,
     .fallback = "GET",
     .doc = "what to ask",
     .choices = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"},
    {.name = "headers",
     .type = SettingType::table,
     .fallback = "",
     .doc = "request headers; none follows a redirect to another host, but for Accept and the like",
     .secret = true},
    {.name = "body",
     .type = SettingType::live_text,
     .fallback = "",
     .doc = "request body; say its type in headers",
     .secret = true},
    {.name = "expect_status",
     .type = SettingType::list,
     .fallback = "200-299",
     .doc = "statuses that pass: 200, \"200-299\", \"2xx\""},
    {.name = "expect_body",
     .type = SettingType::text,
     .fallback = "",
     .doc = "text or /regex/ that the body must have"},
    {.name = "reject_body",
     .type = SettingType::text,
     .fallback = "",
     .doc = "text or /regex/ that the body must not have"},
    {.name = "expect_header",
     .type = SettingType::table,
     .fallback = "",
     .doc = "headers that the answer must have: value or /regex/"},
    {.name = "expect_json",
     .type = SettingType::table,
     .fallback = "",
     .doc = "JSON pointer to value or /regex/: { \"/status\" = \"ok\" }",
     .scalars = true},
    {.name = "follow",
     .type = SettingType::integer,
     .fallback = "0",
     .doc = "redirects to follow; never from https to http"},
    {.name = "max_body",
     .type = SettingType::size,
     .fallback = "64KiB",
     .doc = "a longer body fails (too_large) and is not read further"},
    {.name = "ip",
     .type = SettingType::choice,
     .fallback = "any",
     .doc = "IP version to use",
     .choices = "any|4|6"},
    {.name = "bearer",
     .type = SettingType::live_text,
     .fallback = "",
     .doc = "token for Authorization: Bearer",
     .secret = true},
    {.name = "basic",
     .type = SettingType::live_text,
     .fallback = "",
     .doc = "user:password for Authorization: Basic",
     .secret = true},
    {.name = "proxy",
     .type = SettingType::live_text,
     .fallback = "",
     .doc = "http://[user:password@]host:port; environment variables are not read",
     .url = true},
    {.name = "provider",
     .type = SettingType::choice,
     .fallback = "",
     .doc = "a known API: its url and expect_status, where these are not written; sends no key",
     .choices = provider_choices},
}};

Result<Proxy> parse_proxy(std::string_view url) {
  const auto parsed = net::parse_url(url);
  if (!parsed) return parsed.error();
  const auto& parts = parsed.value();
  if (parts.scheme != "http" || parts.host.empty() || parts.port == 0) {
    return Error{"not a proxy that can be used; write http://host:port"};
  }
  Proxy proxy;
  proxy.endpoint.host = parts.host;
  proxy.endpoint.port = parts.port;
  proxy.has_user = parts.has_user;
  proxy.user = parts.user;
  proxy.password = parts.password;
  return proxy;
}

HttpSettings read_http_settings(Settings& settings) {
  HttpSettings result;
  result.add_secret = settings.secret_sink();
  result.scrub = settings.secret_scrubber();
  read_url(settings, result);
  result.method = settings.choice("method");
  read_headers(settings, result);
  result.has_body = settings.has("body");
  result.body = settings.live_text("body");
  if (const auto body = result.body.read()) hide_sent(body.value(), result.add_secret);
  if (result.has_body && result.method == "HEAD") {
    settings.complain("body", "HEAD has no body; write method = \"POST\"");
  }
  read_expectations(settings, result);
  result.follow = static_cast<int>(settings.integer("follow", {.min = 0, .max = follow_max}));
  result.max_body =
      static_cast<std::size_t>(settings.size("max_body", {.min = 1, .max = body_limit_max}));
  const auto ip = settings.choice("ip");
  result.ip = ip == "4" ? net::IpFamily::v4 : ip == "6" ? net::IpFamily::v6 : net::IpFamily::any;
  read_credentials(settings, result);
  read_proxy(settings, result);
  result.tls = tls::read_settings(settings);
  return result;
}

Result<LiveRequest> read_live(const HttpSettings& settings) {
  LiveRequest request;
  // First, so that many strings of a body push no password out of what is known.
  if (settings.has_body) {
    auto body = settings.body.read();
    if (!body) return body.error();
    hide_sent(body.value(), settings.add_secret);
    request.body = std::move(body).value();
  }
  const auto url = settings.url.read();
  if (!url) return url.error();
  auto target = parse_target(url.value());
  if (!target) return Error{"url: " + target.error().message};
  hide_url_secrets(url.value(), settings.add_secret);
  request.target = std::move(target).value();
  if (settings.has_proxy) {
    const auto text = settings.proxy.read();
    if (!text) return text.error();
    auto proxy = parse_proxy(text.value());
    if (!proxy) return Error{"proxy: " + proxy.error().message};
    hide_url_secrets(text.value(), settings.add_secret);
    request.proxy = std::move(proxy).value();
  }
  const auto set = live_headers(settings, request.target);
  if (!set) return set.error();
  append_lines(set.value(), settings.has_body || has_body_by_nature(settings.method), request);
  return request;
}

}  // namespace vitals::http
