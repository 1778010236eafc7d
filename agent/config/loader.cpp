// Reads a whole configuration: tables, overrides by variables, checks, and what they refer to.
#include "agent/config/loader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

#include "agent/config/app_reader.hpp"
#include "agent/config/autostop_reader.hpp"
#include "agent/config/discovery.hpp"
#include "agent/config/expand.hpp"
#include "agent/config/fleet_reader.hpp"
#include "agent/config/group_reader.hpp"
#include "agent/config/levels.hpp"
#include "agent/config/presets.hpp"
#include "agent/text/names.hpp"

namespace vitals::config {
namespace {

/// Of all checks together; those of each check are kept by itself, too.
constexpr std::size_t rotating_secrets_max = 2'048;

constexpr std::string_view log_levels = "trace|debug|info|warn|error";
constexpr std::string_view log_formats = "logfmt|json";

void expand_all(Value& value, const std::string& path, const Environment& environment,
                Mistakes& mistakes) {
  for (Value& child : value.children) {
    if (child.type == Value::Type::text) {
      auto expanded = expand(child.written, environment);
      child.text = std::move(expanded.text);
      child.broken = !expanded.problems.empty();
      const std::string& name = child.key.empty() ? value.key : child.key;
      for (const auto& problem : expanded.problems) {
        mistakes.add(child.place, path, "'" + name + "': " + problem);
      }
    } else if (child.is_table()) {
      expand_all(child, join_path(path, child.key), environment, mistakes);
    } else if (child.type == Value::Type::list) {
      expand_all(child, path, environment, mistakes);
    }
  }
}

Details to_details(std::string_view text) {
  if (text == "private") return Details::private_;
  if (text == "always") return Details::always;
  if (text == "token") return Details::token;
  VITALS_ASSERT(text == "never");
  return Details::never;
}

Exporter to_exporter(std::string_view text) {
  if (text == "blackbox") return Exporter::blackbox;
  if (text == "redis_exporter") return Exporter::redis_exporter;
  VITALS_ASSERT(text == "postgres_exporter");
  return Exporter::postgres_exporter;
}

SharedRule to_shared_rule(std::string_view text) {
  if (text == "fleet") return SharedRule::fleet;
  if (text == "gate") return SharedRule::gate;
  VITALS_ASSERT(text == "report");
  return SharedRule::report;
}

LogLevel to_log_level(std::string_view text) {
  if (text == "trace") return LogLevel::trace;
  if (text == "debug") return LogLevel::debug;
  if (text == "info") return LogLevel::info;
  if (text == "warn") return LogLevel::warn;
  VITALS_ASSERT(text == "error");
  return LogLevel::error;
}

LogFormat to_log_format(std::string_view text) {
  return text == "json" ? LogFormat::json : LogFormat::logfmt;
}

/// A header can't carry anything else, so no client could ever send it.
Result<std::string> to_token(std::string text) {
  const bool fits =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (fits) return text;
  return Error{"must be printable ASCII without blanks: no client could send it"};
}

constexpr std::string_view file_instead =
    "no vitals.toml was found, so checks are made from the environment; write ./vitals.toml or "
    "/etc/vitals.toml, and its [checks] are the only ones: an empty file checks nothing";

class Loader {
 public:
  explicit Loader(const LoadInput& input) : input_(input), mistakes_(input.name) {}

  Result<Loaded, ConfigMistakes> run() {
    loaded_.config.source = input_.name;
    loaded_.config.secrets = std::make_shared<SecretSet>(rotating_secrets_max);
    Value document;
    if (!parse(document)) return mistakes_.lines();
    expand_all(document, {}, input_.environment, mistakes_);
    read_document(document);
    override_from_environment();
    Config& config = loaded_.config;
    check_listen(document, config.app, {config.server.listen, listen_setting_}, mistakes_);
    hush_checks();
    config.secrets->loaded();
    if (config.server.details == Details::token && !loaded_.has_token) {
      config.remarks.emplace_back(
          "server: details = \"token\" without a token hides details from everyone");
    }
    if (!mistakes_.empty()) return all_mistakes();
    return std::move(loaded_);
  }

  Result<ServerConfig, ConfigMistakes> run_access() {
    loaded_.config.secrets = std::make_shared<SecretSet>(rotating_secrets_max);
    Value document;
    if (!parse(document)) return mistakes_.lines();
    const Value server = take_table(document, "server");
    read_server(alone(server, "listen"));
    override_listen();
    if (!mistakes_.empty()) return mistakes_.lines();
    // Who asks from this Machine may not have the token, and needs none.
    read_server(alone(server, "token"));
    override_token();
    return loaded_.config.server;
  }

 private:
  /// False: it is no TOML.
  bool parse(Value& document) {
    if (!input_.text) return true;
    auto parsed = parse_document(*input_.text);
    if (!parsed) {
      mistakes_.add(parsed.error().place, {}, parsed.error().message);
      return false;
    }
    document = std::move(parsed).value();
    return true;
  }

  /// A table with that key of `table` only, expanded.
  Value alone(const Value& table, std::string_view key) {
    Value part;
    part.type = Value::Type::table;
    part.key = table.key;
    part.place = table.place;
    if (const Value* const found = table.find(key)) part.children.push_back(*found);
    expand_all(part, "server", input_.environment, mistakes_);
    return part;
  }

  [[nodiscard]] ConfigMistakes all_mistakes() const {
    ConfigMistakes all = mistakes_.lines();
    if (discovered_badly_) all.way_out = file_instead;
    return all;
  }

  /// The table of that name; an empty one when it is not there or is none.
  Value take_table(const Value& document, std::string_view name) {
    const Value* found = document.find(name);
    if (found != nullptr && found->is_table()) return *found;
    if (found != nullptr) {
      mistakes_.add(
          found->place, {},
          "'" + std::string(name) + "' must be a table, not " + std::string(describe(found->type)));
    }
    Value empty;
    empty.key = name;
    return empty;
  }

  void read_document(const Value& document) {
    TableReader root(document, {}, mistakes_);
    root.refuse_unknown(
        {"server", "ready", "defaults", "checks", "groups", "log", "app", "fleet", "autostop"});
    read_server(take_table(document, "server"));
    read_ready(take_table(document, "ready"));
    read_log(take_table(document, "log"));
    const Value fleet = take_table(document, "fleet");
    loaded_.config.fleet = read_fleet(fleet, input_.environment, mistakes_);
    const Value defaults = take_table(document, "defaults");
    TableReader defaults_table(defaults, "defaults", mistakes_);
    defaults_table.refuse_unknown(timing_keys());
    loaded_.defaults = read_defaults(defaults_table);
    read_checks(input_.text ? take_table(document, "checks") : discover(),
                take_table(document, "groups"), defaults_table);
    discovered_badly_ = !input_.text && !mistakes_.empty();
    Config& config = loaded_.config;
    config.app = read_app(take_table(document, "app"),
                          {input_.read_file, config.checks, config.secrets, mistakes_});
    const Value autostop = take_table(document, "autostop");
    const Value* const written = document.find("autostop");
    if (written != nullptr && written->is_table()) {
      config.autostop = read_autostop(
          autostop, {input_.environment, config.app, config.checks, mistakes_, config.remarks});
    }
    remark_on_pauses();
  }

  /// Not a mistake: one config may serve Machines with and without auto-stop.
  void remark_on_pauses() {
    Config& config = loaded_.config;
    if (config.autostop.given) return;
    for (const ConfiguredCheck& check : config.checks) {
      if (!check.spec->pause_when_idle) continue;
      config.remarks.push_back("checks." + check.spec->name +
                               ": 'pause_when_idle' does nothing without [autostop]");
    }
  }

  Value discover() {
    auto found =
        discover_checks(input_.environment, input_.environment_names, input_.kinds, mistakes_);
    auto& remarks = loaded_.config.remarks;
    remarks.insert(remarks.end(), found.remarks.begin(), found.remarks.end());
    return std::move(found.checks);
  }

  void read_server(const Value& value) {
    TableReader table(value, "server", mistakes_);
    table.refuse_unknown({"listen", "token", "details", "compat"});
    ServerConfig& server = loaded_.config.server;
    if (auto listen = table.read<std::string>("listen", to_listen_address)) server.listen = *listen;
    if (table.wrong("listen")) listen_setting_ = {};
    if (const auto details = table.choice("details", "private|always|token|never")) {
      server.details = to_details(*details);
    }
    read_compat(table);
    const auto token = table.read<Text>("token", [&](const Value& v) { return read_token(v); });
    if (token) server.token = *token;
  }

  Result<Text> read_token(const Value& value) {
    auto& secrets = loaded_.config.secrets;
    const auto path = file_path(value);
    if (!path && value.type != Value::Type::text) {
      return Error{"must be a string or { file = \"/path\" }, not " +
                   std::string(describe(value.type))};
    }
    const auto text = path ? read_kept(value, input_.read_file) : Result<std::string>(value.text);
    if (!text) return text.error();
    const auto token = to_token(text.value());
    if (!token) return token.error();
    secrets->add(token.value());
    loaded_.has_token = !token.value().empty();
    return path ? live_file(*path, secrets, input_.read_file) : Text::fixed(token.value());
  }

  void read_compat(TableReader& table) {
    using Exporters = std::set<Exporter>;
    const auto compat =
        table.read<Exporters>("compat", [&](const Value& value) -> Result<Exporters> {
          if (value.type != Value::Type::list) return Error{"must be an array of strings"};
          Exporters result;
          for (const auto& item : value.children) {
            const auto name = to_choice(item, "blackbox|redis_exporter|postgres_exporter");
            if (name) {
              result.insert(to_exporter(name.value()));
            } else {
              table.refuse("compat", "has an item that " + name.error().message);
            }
          }
          return result;
        });
    if (compat) loaded_.config.server.compat = *compat;
  }

  void read_ready(const Value& value) {
    TableReader table(value, "ready", mistakes_);
    table.refuse_unknown({"shared"});
    if (const auto shared = table.choice("shared", "fleet|gate|report")) {
      loaded_.config.shared_rule = to_shared_rule(*shared);
    }
  }

  void read_log(const Value& value) {
    TableReader table(value, "log", mistakes_);
    table.refuse_unknown({"level", "format"});
    if (const auto level = table.choice("level", log_levels)) {
      loaded_.config.log.level = to_log_level(*level);
    }
    if (const auto format = table.choice("format", log_formats)) {
      loaded_.config.log.format = to_log_format(*format);
    }
  }

  void limit(Value& tables, const std::string& what) {
    if (tables.children.size() <= checks_max) return;
    mistakes_.add(
        tables.children[checks_max].place, what,
        "at most 1,000 " + what + ", and here are " + std::to_string(tables.children.size()));
    tables.children.resize(checks_max);
  }

  void read_checks(Value checks, Value groups, TableReader& defaults_table) {
    limit(checks, "checks");
    limit(groups, "groups");
    CheckReader reader({input_.kinds, defaults_table, loaded_.defaults, input_.read_file, mistakes_,
                        loaded_.config.remarks});
    std::vector<ReadCheck> all;
    for (Value& table : checks.children) {
      if (!is_check_name(table.key)) {
        mistakes_.add(table.place, "checks",
                      "bad name '" + table.key + "'; use 1 to 63 of a-z, 0-9, '_' and '-'");
      }
      if (!table.is_table()) {
        mistakes_.add(
            table.place, "checks",
            "'" + table.key + "' must be a table, not " + std::string(describe(table.type)));
      } else {
        fill_in_preset(table, input_.kinds);
        fill_in_levels(table, input_.kinds);
        all.push_back(reader.read(table));
      }
    }
    loaded_.config.groups = read_groups(groups, all, mistakes_);
    check_parents(all, loaded_.config.groups, mistakes_);
    for (auto& read : all) {
      if (!is_check_name(read.check.spec->name)) continue;
      loaded_.config.checks.push_back(std::move(read.check));
      loaded_.tables.push_back(*read.table);
    }
  }

  /// A secret of one part may be named, or come back, in any other.
  void hush_checks() {
    Config& config = loaded_.config;
    for (const auto& check : config.checks) check.secrets->share_with(config.secrets);
    for (auto& check : config.checks) {
      auto spec = std::make_shared<CheckSpec>(*check.spec);
      for (auto& [name, value] : spec->labels) {
        value = clean_text(config.secrets->scrub(value), value.size());
      }
      check.spec = std::move(spec);
    }
  }

  /// A variable of ours, unless it is unset or empty.
  template <typename T>
  std::optional<T> variable(std::string_view name,
                            const std::function<Result<T>(const Value&)>& convert) {
    const auto text = input_.environment(name);
    if (!text || text->empty()) return std::nullopt;
    const Place place{0, 0, std::string(name)};
    auto value = convert(text_value({}, *text, place));
    if (value) return std::move(value).value();
    mistakes_.add(place, {}, value.error().message);
    return std::nullopt;
  }

  void override_listen() {
    if (auto v = variable<std::string>("VITALS_LISTEN", to_listen_address)) {
      loaded_.config.server.listen = *v;
      listen_setting_ = "VITALS_LISTEN";
    }
  }

  void override_token() {
    const auto token = [&](const Value& value) { return read_token(value); };
    if (auto v = variable<Text>("VITALS_TOKEN", token)) loaded_.config.server.token = *v;
  }

  void override_from_environment() {
    Config& config = loaded_.config;
    override_listen();
    override_token();
    const auto choice = [](std::string_view choices) {
      return [choices](const Value& value) { return to_choice(value, choices); };
    };
    if (auto v = variable<std::string>("VITALS_LOG_LEVEL", choice(log_levels))) {
      config.log.level = to_log_level(*v);
    }
    if (auto v = variable<std::string>("VITALS_LOG_FORMAT", choice(log_formats))) {
      config.log.format = to_log_format(*v);
    }
  }

  const LoadInput& input_;
  Mistakes mistakes_;
  Loaded loaded_;
  bool discovered_badly_ = false;                        // variables that are the app's own, maybe
  std::string_view listen_setting_ = "[server] listen";  // empty: nobody knows where
};

}  // namespace

Result<Loaded, ConfigMistakes> load(const LoadInput& input) { return Loader(input).run(); }

Result<ServerConfig, ConfigMistakes> load_access(const LoadInput& input) {
  return Loader(input).run_access();
}

Result<AppUser, ConfigMistakes> load_user(const LoadInput& input) {
  if (!input.text) return AppUser();
  Mistakes mistakes(input.name);
  auto document = parse_document(*input.text);
  if (!document) {
    mistakes.add(document.error().place, {}, document.error().message);
    return mistakes.lines();
  }
  const Value* const app = document.value().find("app");
  if (app == nullptr) return AppUser();
  if (!app->is_table()) {
    mistakes.add(app->place, {}, "'app' must be a table, not " + std::string(describe(app->type)));
    return mistakes.lines();
  }
  Value table;
  table.key = app->key;
  table.place = app->place;
  if (const Value* const user = app->find("user")) table.children.push_back(*user);
  expand_all(table, "app", input.environment, mistakes);
  AppUser user = read_user(table, mistakes);
  if (!mistakes.empty()) return mistakes.lines();
  return user;
}

}  // namespace vitals::config
