// Four kinds that read settings of every type and do nothing else.
#include "tests/support/fake_kinds.hpp"

#include <array>
#include <memory>
#include <stdexcept>

namespace vitals::test {
namespace {

/// Reads its live texts again at each attempt, as a real probe does for each new connection.
class EchoProbe final : public Probe {
 public:
  std::string fixed;
  std::vector<std::pair<std::string, Text>> live;

  ProbeResult run(const Attempt&) override {
    std::string out = fixed;
    for (const auto& [name, text] : live) {
      const auto value = text.read();
      out += name + "=" + (value ? value.value() : "error: " + value.error().message) + "\n";
    }
    return passed(out);
  }
};

bool is_loopback(const std::string& address) {
  return address.find("localhost") != std::string::npos ||
         address.find("127.0.0.1") != std::string::npos;
}

/// scheme://host:port, cut by hand: enough for tests.
std::string target_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const auto at = url.find('@', scheme);
  const auto host = at == std::string::npos ? scheme + 3 : at + 1;
  return url.substr(0, scheme + 3) + url.substr(host, url.find_first_of("/?", host) - host);
}

MadeProbe make_http(Settings& settings) {
  auto probe = std::make_unique<EchoProbe>();
  const Text url = settings.live_text("url");
  const std::string now = url.read() ? url.read().value() : "";
  if (now.find("://") == std::string::npos) {
    settings.complain("url", "not a URL: '" + now + "'; write http://host:port/path");
  }
  probe->live.emplace_back("url", url);
  probe->live.emplace_back("bearer", settings.live_text("bearer"));
  probe->fixed = "method=" + settings.text("method") + "\n";
  probe->fixed +=
      "follow=" + std::to_string(settings.integer("follow", {.min = 0, .max = 10})) + "\n";
  probe->fixed += "max_body=" + std::to_string(settings.size("max_body", {.min = 1})) + "\n";
  probe->fixed += std::string("verify=") + (settings.flag("verify") ? "true" : "false") + "\n";
  probe->fixed += "cert_warn=" + std::to_string(settings.duration("cert_warn", {}).count()) + "\n";
  probe->fixed += "ip=" + settings.choice("ip") + "\n";
  for (const auto& item : settings.list("expect_status")) probe->fixed += "status=" + item + "\n";
  for (const auto& [name, text] : settings.table("headers")) {
    probe->live.emplace_back("header " + name, text);
  }
  for (const auto& [name, text] : settings.table("expect_json")) {
    if (!name.starts_with('/'))
      settings.complain("expect_json", "'" + name + "' is no JSON pointer");
    probe->live.emplace_back("json " + name, text);
  }
  return {std::move(probe), target_of(now), is_loopback(now)};
}

MadeProbe make_tcp(Settings& settings) {
  auto probe = std::make_unique<EchoProbe>();
  const auto address = settings.text("address");
  if (!address.empty() && address.find(':') == std::string::npos) {
    settings.complain("address", "no port; write host:port");
  }
  probe->fixed = "address=" + address + "\nsend=" + settings.text("send") + "\n";
  return {std::move(probe), "tcp://" + address, is_loopback(address)};
}

MadeProbe make_database(Settings& settings) {
  auto probe = std::make_unique<EchoProbe>();
  const Text url = settings.live_text("url");
  probe->live.emplace_back("url", url);
  const std::string now = url.read() ? url.read().value() : "";
  probe->fixed = "used=" + std::to_string(settings.number("connections_warn", {.max = 1})) + "\n";
  probe->fixed += "ca=" + settings.text("ca_file") + "\n";
  probe->fixed += "password=" + settings.text("password") + "\n";
  if (now.find("pgbouncer=") != std::string::npos) settings.remark("'pgbouncer' is ignored");
  return {std::move(probe), target_of(now), is_loopback(now)};
}

constexpr std::array<SettingSpec, 11> http_settings{{
    {.name = "url", .type = SettingType::live_text, .doc = "URL", .required = true, .url = true},
    {.name = "method", .fallback = "GET", .doc = "method"},
    {.name = "headers", .type = SettingType::table, .doc = "headers", .secret = true},
    {.name = "bearer", .type = SettingType::live_text, .doc = "token", .secret = true},
    {.name = "expect_status", .type = SettingType::list, .fallback = "200-299", .doc = "codes"},
    {.name = "expect_json", .type = SettingType::table, .doc = "JSON pointers", .scalars = true},
    {.name = "follow", .type = SettingType::integer, .fallback = "0", .doc = "redirects"},
    {.name = "max_body", .type = SettingType::size, .fallback = "64KiB", .doc = "bytes"},
    {.name = "verify", .type = SettingType::flag, .fallback = "true", .doc = "verify"},
    {.name = "cert_warn", .type = SettingType::duration, .fallback = "14d", .doc = "duration"},
    {.name = "ip",
     .type = SettingType::choice,
     .fallback = "any",
     .doc = "ip",
     .choices = "any|4|6"},
}};

constexpr std::array<SettingSpec, 2> tcp_settings{{
    {.name = "address", .doc = "host:port", .required = true},
    {.name = "send", .doc = "text"},
}};

constexpr std::array<SettingSpec, 4> database_settings{{
    {.name = "url", .type = SettingType::live_text, .doc = "URL", .required = true, .url = true},
    {.name = "connections_warn", .type = SettingType::number, .fallback = "0.8", .doc = "share"},
    {.name = "ca_file", .doc = "path"},
    {.name = "password", .doc = "password", .secret = true},
}};

constexpr std::array<std::string_view, 2> http_schemes{"http", "https"};
constexpr std::array<std::string_view, 1> tcp_schemes{"tcp"};
constexpr std::array<std::string_view, 2> postgres_schemes{"postgres", "postgresql"};
constexpr std::array<std::string_view, 2> redis_schemes{"redis", "rediss"};

constexpr KindSpec http{.name = "http",
                        .settings = http_settings,
                        .scope = ScopeRule::local_on_loopback,
                        .impact = ImpactRule::critical_when_local,
                        .schemes = http_schemes,
                        .url_setting = "url",
                        .make = make_http};
constexpr KindSpec tcp{.name = "tcp",
                       .settings = tcp_settings,
                       .scope = ScopeRule::local_on_loopback,
                       .impact = ImpactRule::critical_when_local,
                       .schemes = tcp_schemes,
                       .url_setting = "address",
                       .make = make_tcp};
constexpr KindSpec postgres{.name = "postgres",
                            .settings = database_settings,
                            .impact = ImpactRule::critical,
                            .schemes = postgres_schemes,
                            .url_setting = "url",
                            .make = make_database};
constexpr KindSpec redis{.name = "redis",
                         .settings = database_settings,
                         .interval = Duration(15'000),
                         .schemes = redis_schemes,
                         .url_setting = "url",
                         .make = make_database};
constexpr std::array<const KindSpec*, 4> kinds{&http, &tcp, &postgres, &redis};

}  // namespace

std::span<const KindSpec* const> fake_kinds() { return kinds; }

Result<config::Loaded, ConfigMistakes> load_text(std::optional<std::string> text,
                                                 const Variables& variables) {
  config::LoadInput input;
  input.name = text ? "vitals.toml" : "environment";
  input.text = std::move(text);
  input.environment = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  input.environment_names = [&] {
    std::vector<std::string> names;
    for (const auto& [name, value] : variables) names.push_back(name);
    return names;
  };
  input.kinds = fake_kinds();
  return config::load(input);
}

std::string mistakes_of(const std::string& text, const Variables& variables) {
  const auto loaded = load_text(text, variables);
  std::string all;
  if (loaded) return all;
  for (const auto& line : loaded.error().lines) all += line + "\n";
  return all;
}

std::string settings_of(const Config& config, std::string_view check) {
  for (const auto& each : config.checks) {
    if (each.spec->name == check) {
      return each.probe->run({.deadline = Deadline::after(Duration(1'000))}).detail;
    }
  }
  throw std::runtime_error("no such check");
}

}  // namespace vitals::test
