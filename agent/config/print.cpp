// The effective configuration as TOML: what was written and the defaults in force, without secrets.
#include <algorithm>
#include <cctype>
#include <charconv>

#include <vitals/assert.hpp>

#include "agent/config/autostop_reader.hpp"
#include "agent/config/loader.hpp"
#include "agent/config/print.hpp"
#include "agent/config/quantity.hpp"
#include "agent/config/redact.hpp"
#include "agent/config/values.hpp"

namespace vitals::config {
namespace {

constexpr std::string_view mask = "***";

std::string escaped(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += digits[byte >> 4U];
      out += digits[byte & 0xFU];
    } else {
      out += c;
    }
  }
  return out;
}

/// A string value that the expansion of variables leaves as it is.
std::string in_quotes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool special = i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '$');
    if (text[i] == '$' && special) out += '$';
    out += text[i];
  }
  return "\"" + escaped(out) + "\"";
}

std::string key_text(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
  return bare ? std::string(key) : "\"" + escaped(key) + "\"";
}

std::string shown_text(const std::string& text, const SettingSpec& spec, const SecretSet& secrets) {
  // Of a URL people need to see where it leads; its secret parts are known.
  if (spec.url) return redact_url(text);
  if (spec.type == SettingType::choice) return text;
  if (spec.secret) return is_secret(spec, text) ? std::string(mask) : text;
  return secrets.scrub(text);
}

/// `entry`: inside of a table or list.
std::string value_text(const Value& value, const SettingSpec& spec, const SecretSet& secrets,
                       bool entry = false) {
  switch (value.type) {
    case Value::Type::text:
      return in_quotes(shown_text(value.text, spec, secrets));
    case Value::Type::integer:
    case Value::Type::number:
    case Value::Type::flag:
      return spec.secret ? in_quotes(mask) : to_scalar_text(value).value();
    case Value::Type::moment:
      // No setting takes one, so none gets here.
      VITALS_ASSERT(false);
      return {};
    case Value::Type::list:
    case Value::Type::table:
      break;
  }
  // In a setting that is a table itself, only its entries can live in files.
  const bool may_be_file = entry || spec.type != SettingType::table;
  if (may_be_file && file_path(value)) return in_quotes(mask);
  const bool list = value.type == Value::Type::list;
  std::string items;
  for (const auto& child : value.children) {
    items += items.empty() ? "" : ", ";
    if (!list) items += key_text(child.key) + " = ";
    items += value_text(child, spec, secrets, true);
  }
  if (list) return "[" + items + "]";
  return items.empty() ? "{}" : "{ " + items + " }";
}

class Printer {
 public:
  void table(const std::string& name) { out_ += (out_.empty() ? "[" : "\n[") + name + "]\n"; }
  void raw(std::string_view key, std::string_view value) {
    out_ += key_text(key) + " = " + std::string(value) + "\n";
  }
  void text(std::string_view key, std::string_view value) { raw(key, in_quotes(value)); }
  void duration(std::string_view key, Duration value) { text(key, format_duration(value)); }
  void flag(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  void number(std::string_view key, double value) {
    char buffer[32];
    const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value);
    raw(key, {buffer, static_cast<std::size_t>(end.ptr - buffer)});
  }
  std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

std::string_view to_word(Details details) {
  switch (details) {
    case Details::private_:
      return "private";
    case Details::always:
      return "always";
    case Details::token:
      return "token";
    case Details::never:
      return "never";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string_view to_word(SharedRule rule) {
  switch (rule) {
    case SharedRule::fleet:
      return "fleet";
    case SharedRule::gate:
      return "gate";
    case SharedRule::report:
      return "report";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string_view to_word(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return "trace";
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string_view to_word(Exporter exporter) {
  switch (exporter) {
    case Exporter::none:
      return "none";
    case Exporter::blackbox:
      return "blackbox";
    case Exporter::redis_exporter:
      return "redis_exporter";
    case Exporter::postgres_exporter:
      return "postgres_exporter";
  }
  VITALS_ASSERT(false);
  return {};
}

void print_server(Printer& printer, const Loaded& loaded) {
  const ServerConfig& server = loaded.config.server;
  printer.table("server");
  printer.text("listen", server.listen);
  printer.text("token", loaded.has_token ? mask : "");
  printer.text("details", to_word(server.details));
  std::string compat;
  for (const auto exporter : server.compat) {
    compat += (compat.empty() ? "" : ", ") + in_quotes(to_word(exporter));
  }
  printer.raw("compat", "[" + compat + "]");
}

void print_app(Printer& printer, const AppConfig& app) {
  if (!app.given) return;
  printer.table("app");
  if (!app.user.name.empty()) printer.text("user", app.user.name);
  printer.duration("drain_delay", app.drain_delay);
  printer.duration("stop_timeout", app.stop_timeout);
  printer.text("restart", app.restart == RestartPolicy::never ? "never" : "on-failure");
  if (!app.watchdog.empty()) {
    printer.text("watchdog", app.watchdog);
    printer.duration("watchdog_after", app.watchdog_after);
  }
  if (!app.front.empty()) {
    printer.text("front", app.front);
    printer.text("upstream", app.upstream);
  }
  if (app.metrics) {
    const auto url = app.metrics->read();
    printer.text("metrics", url ? redact_url(url.value()) : mask);
  }
}

void print_fleet(Printer& printer, const FleetConfig& fleet) {
  printer.table("fleet");
  printer.text("peers", fleet.peers);
  printer.raw("port", std::to_string(fleet.port));
  printer.raw("sample", std::to_string(fleet.sample));
}

void print_autostop(Printer& printer, const AutostopConfig& autostop) {
  if (!autostop.given) return;
  printer.table("autostop");
  printer.duration("idle_after", autostop.idle_after);
  printer.text("action", action_word(autostop.action));
  printer.duration("min_uptime", autostop.min_uptime);
  printer.flag("even_if_unhealthy", autostop.even_if_unhealthy);
  printer.text("api_socket", autostop.api_socket);
  printer.raw("port", std::to_string(autostop.port));
}

void print_defaults(Printer& printer, const Timing& defaults) {
  // Unset time-outs are left out: they are worked out for each check from its interval.
  const CheckSpec usual;
  printer.table("defaults");
  if (defaults.interval) printer.duration("interval", *defaults.interval);
  if (defaults.retry_interval) printer.duration("retry_interval", *defaults.retry_interval);
  if (defaults.timeout) printer.duration("timeout", *defaults.timeout);
  printer.raw("fall", std::to_string(defaults.fall.value_or(usual.fall)));
  printer.raw("rise", std::to_string(defaults.rise.value_or(usual.rise)));
  printer.number("jitter", defaults.jitter.value_or(usual.jitter));
}

void print_labels(Printer& printer, const CheckSpec& spec, const SecretSet& secrets) {
  std::string labels;
  for (const auto& [name, value] : spec.labels) {
    labels +=
        (labels.empty() ? "" : ", ") + key_text(name) + " = " + in_quotes(secrets.scrub(value));
  }
  if (!labels.empty()) printer.raw("labels", "{ " + labels + " }");
}

void print_common(Printer& printer, const CheckSpec& spec, const SecretSet& secrets) {
  printer.text("kind", spec.kind->name);
  printer.duration("interval", spec.interval);
  printer.duration("retry_interval", spec.retry_interval);
  printer.duration("timeout", spec.timeout);
  printer.raw("fall", std::to_string(spec.fall));
  printer.raw("rise", std::to_string(spec.rise));
  printer.number("jitter", spec.jitter);
  printer.text("impact", to_label(spec.impact));
  printer.text("scope", to_label(spec.scope));
  printer.flag("live", spec.live);
  printer.flag("startup", spec.startup);
  if (spec.warn_above) printer.duration("warn_above", *spec.warn_above);
  if (spec.pause_when_idle) printer.flag("pause_when_idle", true);
  if (!spec.parent.empty()) printer.text("parent", spec.parent);
  print_labels(printer, spec, secrets);
}

void print_check(Printer& printer, const CheckSpec& check, const SecretSet& secrets,
                 const Value& table) {
  print_common(printer, check, secrets);
  for (const auto& spec : check.kind->settings) {
    if (const Value* written = table.find(spec.name)) {
      printer.raw(spec.name, value_text(*written, spec, secrets));
    } else if (const auto fallback = declared_default(spec)) {
      printer.raw(spec.name, value_text(*fallback, spec, secrets));
    }
  }
}

void print_group(Printer& printer, const CheckSpec& group) {
  std::string members;
  for (const auto& member : group.members) {
    members += (members.empty() ? "" : ", ") + in_quotes(member);
  }
  printer.raw("members", "[" + members + "]");
  printer.raw("need", std::to_string(group.need));
  printer.text("impact", to_label(group.impact));
  printer.text("scope", to_label(group.scope));
  printer.flag("startup", group.startup);
  print_labels(printer, group, SecretSet());
}

}  // namespace

std::string print_settings(const CheckSpec& spec, const SecretSet& secrets, const Value& table) {
  Printer printer;
  print_check(printer, spec, secrets, table);
  return std::move(printer).take();
}

std::string print_group_settings(const CheckSpec& group) {
  Printer printer;
  print_group(printer, group);
  return std::move(printer).take();
}

std::string print(const Loaded& loaded) {
  Printer printer;
  const Config& config = loaded.config;
  print_server(printer, loaded);
  printer.table("ready");
  printer.text("shared", to_word(config.shared_rule));
  print_fleet(printer, config.fleet);
  printer.table("log");
  printer.text("level", to_word(config.log.level));
  printer.text("format", config.log.format == LogFormat::json ? "json" : "logfmt");
  print_app(printer, config.app);
  print_autostop(printer, config.autostop);
  print_defaults(printer, loaded.defaults);
  for (std::size_t i = 0; i < config.checks.size(); ++i) {
    const ConfiguredCheck& check = config.checks[i];
    printer.table("checks." + check.spec->name);
    print_check(printer, *check.spec, *check.secrets, loaded.tables[i]);
  }
  for (const auto& group : config.groups) {
    printer.table("groups." + group->name);
    print_group(printer, *group);
  }
  return "# " + config.source + ", with the defaults in force; secrets read ***\n" +
         std::move(printer).take();
}

}  // namespace vitals::config
