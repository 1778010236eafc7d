// Reads the table [app] and checks what it refers to.
#include "agent/config/app_reader.hpp"

#include <algorithm>

#include <vitals/assert.hpp>

#include "agent/config/redact.hpp"
#include "agent/front/address.hpp"
#include "agent/text/listen_address.hpp"

namespace vitals::config {
namespace {

constexpr Duration stop_timeout_max = std::chrono::hours(1);
constexpr Duration watchdog_after_min{1'000};

/// name[:group]; whether they exist is known only where the app runs.
Result<std::string> to_user(const Value& value) {
  auto text = to_text(value);
  if (!text) return text;
  const std::string& user = text.value();
  const auto colon = user.find(':');
  const bool odd = user.find_first_of(" \t\r\n/,") != std::string::npos ||
                   (colon != std::string::npos && user.find(':', colon + 1) != std::string::npos);
  if (user.empty() || odd || colon == 0 || user.ends_with(':')) {
    return Error{"must be \"name\", \"name:group\" or \"uid:gid\""};
  }
  return text;
}

Result<std::string> to_metrics_url(std::string url) {
  const auto scheme = url.find("://");
  const std::string_view name = std::string_view(url).substr(0, scheme);
  const auto host = scheme == std::string::npos ? url.size() : scheme + 3;
  const bool bad =
      std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c == 0x7F; });
  if ((name != "http" && name != "https") || host >= url.size() || url[host] == '/' || bad) {
    return Error{"must be an http:// or https:// URL, such as \"http://127.0.0.1:3000/metrics\""};
  }
  return url;
}

Result<Text> to_metrics(const Value& value, const AppReaderInput& input) {
  const auto path = file_path(value);
  if (!path && value.type != Value::Type::text) {
    return Error{"must be a string or { file = \"/path\" }, not " +
                 std::string(describe(value.type))};
  }
  const auto text = path ? read_kept(value, input.read_file) : Result<std::string>(value.text);
  if (!text) return text.error();
  const auto url = to_metrics_url(text.value());
  if (!url) return url.error();
  for (const std::string& secret : url_secrets(url.value())) input.secrets->add(secret);
  return path ? live_file(*path, input.secrets, input.read_file) : Text::fixed(url.value());
}

void check_watchdog(TableReader& table, const AppConfig& app, const AppReaderInput& input) {
  const auto check =
      std::find_if(input.checks.begin(), input.checks.end(),
                   [&](const ConfiguredCheck& each) { return each.spec->name == app.watchdog; });
  if (check == input.checks.end()) {
    std::vector<std::string_view> names;
    for (const ConfiguredCheck& each : input.checks) names.emplace_back(each.spec->name);
    table.refuse("watchdog", "names no check: there is no [checks." +
                                 quotable(*table.table().find("watchdog")) + "]" +
                                 suggest(app.watchdog, names));
  } else if (check->spec->scope != Scope::local) {
    table.refuse("watchdog", "names a shared check: when that fails, the app is not the cause");
  }
}

Result<std::string> to_upstream(const Value& value) {
  auto text = to_text(value);
  if (!text) return text;
  const auto addresses = front::upstream_addresses(text.value());
  if (!addresses) return addresses.error();
  return text;
}

/// Both were read without a mistake.
bool same_place(const std::string& one, const std::string& other) {
  if (one.empty() || other.empty()) return false;
  const auto a = parse_listen_address(one);
  const auto b = parse_listen_address(other);
  VITALS_ASSERT(a && b);
  return overlap(*a, *b);
}

void read_front(TableReader& table, AppConfig& app) {
  if (auto front = table.read<std::string>("front", to_listen_address)) app.front = *front;
  if (auto upstream = table.read<std::string>("upstream", to_upstream)) app.upstream = *upstream;
  if (table.has("front") && !table.has("upstream")) {
    table.refuse("front",
                 "needs 'upstream', the address of the app: upstream = \"127.0.0.1:3000\"");
  } else if (table.has("upstream") && !table.has("front")) {
    table.refuse("upstream", "means nothing without 'front'");
  } else if (same_place(app.front, app.upstream)) {
    table.refuse("upstream", "is the front door itself; the app needs a port of its own");
  }
}

}  // namespace

void check_listen(const Value& document, const AppConfig& app, const AgentListens& agent,
                  Mistakes& mistakes) {
  const Value* const table = document.find("app");
  if (agent.setting.empty() || table == nullptr || !table->is_table()) return;
  TableReader reader(*table, "app", mistakes);
  const std::string there = "is where the agent itself listens (" + std::string(agent.setting) +
                            " is \"" + agent.address + "\"); ";
  if (same_place(app.front, agent.address)) {
    reader.refuse("front", there + "give one of them another port");
  }
  if (same_place(app.upstream, agent.address)) {
    reader.refuse("upstream", there + "the app needs a port of its own");
  }
}

AppUser read_user(const Value& value, Mistakes& mistakes) {
  TableReader table(value, "app", mistakes);
  AppUser user;
  user.name = table.read<std::string>("user", to_user).value_or("");
  if (const Value* const written = value.find("user")) {
    user.place = mistakes.place_text(written->place, "app") + "'user'";
  }
  return user;
}

AppConfig read_app(const Value& value, const AppReaderInput& input) {
  TableReader table(value, "app", input.mistakes);
  table.refuse_unknown({"user", "drain_delay", "stop_timeout", "restart", "watchdog",
                        "watchdog_after", "metrics", "front", "upstream"});
  AppConfig app;
  app.given = !value.children.empty();
  const DurationRange stop_range{Duration(0), stop_timeout_max};
  app.user = read_user(value, input.mistakes);
  if (auto delay = table.duration("drain_delay", stop_range)) app.drain_delay = *delay;
  if (auto limit = table.duration("stop_timeout", stop_range)) app.stop_timeout = *limit;
  if (const auto policy = table.choice("restart", "never|on-failure")) {
    app.restart = *policy == "never" ? RestartPolicy::never : RestartPolicy::on_failure;
  }
  if (auto after = table.duration("watchdog_after", {watchdog_after_min})) {
    app.watchdog_after = *after;
  }
  if (auto name = table.text("watchdog")) {
    app.watchdog = *name;
    check_watchdog(table, app, input);
  } else if (table.has("watchdog_after") && !table.has("watchdog")) {
    table.refuse("watchdog_after", "means nothing without 'watchdog'");
  }
  read_front(table, app);
  const auto to_text_of_url = [&](const Value& v) { return to_metrics(v, input); };
  if (auto metrics = table.read<Text>("metrics", to_text_of_url)) app.metrics = *metrics;
  return app;
}

}  // namespace vitals::config
