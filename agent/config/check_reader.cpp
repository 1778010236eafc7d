// Common keys of checks, their defaults by kind, and the rules between them (contract §3, §3.1).
#include "agent/config/check_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <vitals/assert.hpp>

#include "agent/config/check_settings.hpp"
#include "agent/config/discovery.hpp"
#include "agent/config/print.hpp"
#include "agent/config/quantity.hpp"
#include "agent/text/names.hpp"

namespace vitals::config {
namespace {

constexpr Duration interval_max = std::chrono::hours(24);
constexpr Duration retry_interval_min{100};
constexpr Duration timeout_min{10};
constexpr Duration timeout_default{5'000};
constexpr Duration retry_interval_default{2'000};
constexpr std::int64_t streak_max = 100;
constexpr double jitter_max = 1;
constexpr std::size_t labels_max = 16;
constexpr std::size_t label_value_max = 128;

constexpr std::size_t timing_count = 6;
constexpr std::array<SettingSpec, 15> common_specs{{
    {.name = "interval",
     .type = SettingType::duration,
     .fallback = "10s",
     .doc = "from start to start in the steady state; at least 500ms; redis: 15s"},
    {.name = "retry_interval",
     .type = SettingType::duration,
     .fallback = "2s",
     .doc = "while the last outcome disagrees with the status; the interval if that is less"},
    {.name = "timeout",
     .type = SettingType::duration,
     .fallback = "5s",
     .doc = "one deadline over everything; 0.8 of the interval if that is less"},
    {.name = "fall",
     .type = SettingType::integer,
     .fallback = "3",
     .doc = "failures in a row that turn a check to fail"},
    {.name = "rise",
     .type = SettingType::integer,
     .fallback = "2",
     .doc = "successes in a row that bring it back"},
    {.name = "jitter",
     .type = SettingType::number,
     .fallback = "0.1",
     .doc = "share of the interval, drawn each round"},
    {.name = "kind", .type = SettingType::text, .doc = "which probe asks", .required = true},
    {.name = "impact",
     .type = SettingType::choice,
     .fallback = "by kind",
     .doc = "what a failure does to the verdict: fail, warn, nothing",
     .choices = "critical|degraded|info"},
    {.name = "scope",
     .type = SettingType::choice,
     .fallback = "by kind",
     .doc = "who depends on it: this Machine, or every one",
     .choices = "local|shared"},
    {.name = "live",
     .type = SettingType::flag,
     .fallback = "false",
     .doc = "may also decide /health/live; local checks only"},
    {.name = "startup",
     .type = SettingType::flag,
     .fallback = "if critical",
     .doc = "must pass once before /health/startup does"},
    {.name = "warn_above",
     .type = SettingType::duration,
     .doc = "slower than this is warn, never fail"},
    {.name = "pause_when_idle",
     .type = SettingType::flag,
     .fallback = "false",
     .doc = "not asked while the Machine is idle ([autostop]), so that a dependency may sleep"},
    {.name = "parent",
     .type = SettingType::text,
     .doc = "while that check fails, this one does not count"},
    {.name = "labels", .type = SettingType::table, .doc = "added to vitals_check_info alone"},
}};
std::optional<int> read_streak(TableReader& table, std::string_view key) {
  const auto number = table.integer(key, {.min = 1, .max = streak_max});
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

/// Of no one kind: what any kind knows can't be judged without it, and what none knows is a mistake
/// whatever it turns out to be.
std::vector<std::string_view> known_keys(const KindSpec* of,
                                         std::span<const KindSpec* const> kinds) {
  std::vector<std::string_view> known;
  for (const auto& setting : common_specs) known.push_back(setting.name);
  for (const KindSpec* kind : kinds) {
    if (of != nullptr && kind != of) continue;
    for (const auto& setting : kind->settings) known.push_back(setting.name);
  }
  return known;
}

/// The interval that other times have to fit into.
struct Bound {
  Duration written;
  Duration nearest;  // what is left of it when it is mended by as little as possible
};

/// Of a value that is out of range, too: what does not fit then does not fit by itself.
std::optional<Bound> interval_of(const TableReader& table) {
  const Value* const value = table.table().find("interval");
  if (value == nullptr || is_broken(*value)) return std::nullopt;
  const auto written = to_duration(*value, {.min = Duration(0)});
  if (!written) return std::nullopt;
  return Bound{written.value(), std::clamp(written.value(), interval_min, interval_max)};
}

enum class Rule { below, not_above };

/// "is 3s and must be below the interval of 1s", or nothing where it fits.
std::string misfit(Duration value, Rule rule, const Bound& bound) {
  if (value < bound.nearest || (rule == Rule::not_above && value == bound.nearest)) return {};
  return "is " + format_duration(value) + " and must " +
         (rule == Rule::below ? "be below" : "not be above") + " the interval of " +
         format_duration(bound.written);
}

Result<std::string> to_label_value(const Value& value) {
  const auto problem = label_name_problem(value.key);
  if (!problem.empty()) return Error{std::string(problem)};
  auto text = to_text(value);
  if (text && text.value().size() > label_value_max) {
    return Error{"must have at most " + std::to_string(label_value_max) + " bytes"};
  }
  return text;
}

template <typename Enum, std::size_t N>
std::optional<Enum> read_enum(TableReader& table, std::string_view key,
                              const std::array<std::string_view, N>& labels) {
  std::string choices;
  for (const auto label : labels) choices += (choices.empty() ? "" : "|") + std::string(label);
  const auto chosen = table.choice(key, choices);
  if (!chosen) return std::nullopt;
  const auto at = std::find(labels.begin(), labels.end(), *chosen) - labels.begin();
  return static_cast<Enum>(at);
}

Scope default_scope(const KindSpec& kind, bool on_loopback) {
  switch (kind.scope) {
    case ScopeRule::local:
      return Scope::local;
    case ScopeRule::shared:
      return Scope::shared;
    case ScopeRule::local_on_loopback:
      return on_loopback ? Scope::local : Scope::shared;
  }
  VITALS_ASSERT(false);
  return Scope::shared;
}

Impact default_impact(const KindSpec& kind, Scope scope) {
  switch (kind.impact) {
    case ImpactRule::critical:
      return Impact::critical;
    case ImpactRule::degraded:
      return Impact::degraded;
    case ImpactRule::critical_when_local:
      return scope == Scope::local ? Impact::critical : Impact::degraded;
  }
  VITALS_ASSERT(false);
  return Impact::degraded;
}

std::string fingerprint_of(const CheckSpec& spec, const std::string& settings) {
  const auto milliseconds = [](Duration d) { return std::to_string(d.count()); };
  std::string out = spec.name + "\n" + std::string(spec.kind->name) + "\n";
  out += milliseconds(spec.interval) + " " + milliseconds(spec.retry_interval) + " " +
         milliseconds(spec.timeout) + " " + std::to_string(spec.fall) + " " +
         std::to_string(spec.rise) + " " + std::to_string(spec.jitter) + "\n";
  out += std::string(to_label(spec.impact)) + " " + std::string(to_label(spec.scope)) + " " +
         (spec.live ? "live " : "") + (spec.startup ? "startup " : "") +
         (spec.warn_above ? milliseconds(*spec.warn_above) : "") +
         (spec.pause_when_idle ? " pauses" : "") + "\n" + spec.parent + "\n";
  for (const auto& [name, value] : spec.labels) out += name + "=" + value + "\n";
  return out + "\n" + settings;
}

/// Whose status a name hangs on: a check's on its parent, a group's on its members.
using Needed = std::map<std::string_view, std::vector<std::string_view>>;
using Circle = std::vector<std::string_view>;

/// The shortest way from `start` back to itself; empty when there is none.
Circle circle_from(const Needed& needed, std::string_view start) {
  std::map<std::string_view, std::string_view> reached_from;
  Circle reached{start};  // in the order in which they are found
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const auto found = needed.find(reached[i]);
    if (found == needed.end()) continue;
    for (const auto next : found->second) {
      if (!reached_from.try_emplace(next, reached[i]).second) continue;
      if (next != start) {
        reached.push_back(next);
        continue;
      }
      Circle circle;
      for (auto at = reached[i]; at != start; at = reached_from.at(at)) circle.push_back(at);
      circle.push_back(start);
      std::reverse(circle.begin(), circle.end());
      return circle;
    }
  }
  return {};
}

/// A mistake by itself, told where groups are read.
bool is_member_below_group(const CheckSpec& check,
                           const std::vector<std::shared_ptr<const CheckSpec>>& groups) {
  const auto is_parent = [&](const auto& group) { return group->name == check.parent; };
  const auto holds_it = [&](const auto& group) {
    return std::find(group->members.begin(), group->members.end(), check.name) !=
           group->members.end();
  };
  return std::any_of(groups.begin(), groups.end(), is_parent) &&
         std::any_of(groups.begin(), groups.end(), holds_it);
}

}  // namespace

std::optional<Impact> read_impact(TableReader& table) {
  return read_enum<Impact>(table, "impact", impact_labels);
}

std::optional<Scope> read_scope(TableReader& table) {
  return read_enum<Scope>(table, "scope", scope_labels);
}

std::vector<std::pair<std::string, std::string>> read_labels(TableReader& table) {
  using Labels = std::vector<std::pair<std::string, std::string>>;
  const auto labels = table.read<Labels>("labels", [&](const Value& value) -> Result<Labels> {
    if (!value.is_table()) return Error{"must be a table of strings: { team = \"core\" }"};
    if (value.children.size() > labels_max) {
      return Error{"must have at most " + std::to_string(labels_max) + " labels"};
    }
    Labels result;
    TableReader inner = table.nested(value);
    for (const auto& child : value.children) {
      auto text = inner.read<std::string>(child.key, to_label_value);
      if (text) result.emplace_back(child.key, std::move(*text));
    }
    return result;
  });
  return labels.value_or(Labels{});
}

std::span<const SettingSpec> common_settings() { return common_specs; }

std::vector<std::string_view> timing_keys() {
  std::vector<std::string_view> names;
  for (const auto& setting : common_settings().first(timing_count)) names.push_back(setting.name);
  return names;
}

const KindSpec* CheckReader::read_kind(TableReader& table) {
  if (!table.has("kind")) table.refuse_missing("kind");
  const auto name = table.text("kind");
  if (!name) return nullptr;
  std::vector<std::string_view> names;
  for (const KindSpec* kind : input_.kinds) {
    if (kind->name == *name) return kind;
    names.push_back(kind->name);
  }
  std::string all;
  for (const auto each : names) all += (all.empty() ? "" : ", ") + std::string(each);
  const auto guess = suggest(*name, names);
  const std::string written = quotable(*table.table().find("kind"));
  table.complain("kind",
                 "unknown kind '" + written + "'" + (guess.empty() ? "; there are " + all : guess));
  return nullptr;
}

namespace {

Timing read_timing(TableReader& table) {
  Timing timing;
  timing.interval = table.duration("interval", {.min = interval_min, .max = interval_max});
  timing.retry_interval =
      table.duration("retry_interval", {.min = retry_interval_min, .max = interval_max});
  timing.timeout = table.duration("timeout", {.min = timeout_min, .max = interval_max});
  timing.fall = read_streak(table, "fall");
  timing.rise = read_streak(table, "rise");
  timing.jitter = table.number("jitter", {.min = 0, .max = jitter_max});
  return timing;
}

/// Of what is written there alone; what a kind or another table adds is not its fault.
void check_defaults(TableReader& defaults, const Timing& timing) {
  const auto bound = interval_of(defaults);
  if (!bound) return;
  const auto check = [&](std::string_view key, std::optional<Duration> value, Rule rule) {
    const std::string problem = value ? misfit(*value, rule, *bound) : "";
    if (!problem.empty()) defaults.complain(key, "'" + std::string(key) + "' " + problem);
  };
  check("timeout", timing.timeout, Rule::below);
  check("retry_interval", timing.retry_interval, Rule::not_above);
}

/// The check's own, that of [defaults] or of the kind; nothing where it can't be known.
std::optional<Bound> bound_of(const CheckSpec& spec, const TableReader& table,
                              const TableReader& defaults) {
  if (table.has("interval")) return interval_of(table);
  if (defaults.has("interval")) return interval_of(defaults);
  if (spec.kind == nullptr) return std::nullopt;
  return Bound{spec.interval, spec.interval};
}

/// `value`: as the check or, without its own, [defaults] has it.
void check_against(const Bound& bound, TableReader& table, TableReader& defaults,
                   std::string_view key, std::optional<Duration> value, Rule rule) {
  const bool unknown = !value || table.wrong(key);
  const std::string problem = unknown ? "" : misfit(*value, rule, bound);
  if (problem.empty()) return;
  const std::string name = "'" + std::string(key) + "' ";
  if (table.has(key)) {
    table.refuse(key, problem);
  } else if (table.has("interval")) {
    table.complain("interval", name + "of [defaults] " + problem + "; give this check its own");
  } else {
    defaults.complain(key, name + problem);
  }
}

}  // namespace

Timing read_defaults(TableReader& table) {
  const Timing timing = read_timing(table);
  check_defaults(table, timing);
  return timing;
}

void CheckReader::resolve_timing(CheckSpec& spec, TableReader& table) {
  const Timing own = read_timing(table);
  const Timing& defaults = input_.defaults;
  const auto first = [](auto a, auto b) { return a ? a : b; };
  if (spec.kind != nullptr) spec.interval = spec.kind->interval;
  spec.interval = first(own.interval, defaults.interval).value_or(spec.interval);
  const auto timeout = first(own.timeout, defaults.timeout);
  const auto retry = first(own.retry_interval, defaults.retry_interval);
  spec.timeout = timeout.value_or(std::min(timeout_default, spec.interval * 8 / 10));
  spec.retry_interval = retry.value_or(std::min(retry_interval_default, spec.interval));
  spec.fall = first(own.fall, defaults.fall).value_or(spec.fall);
  spec.rise = first(own.rise, defaults.rise).value_or(spec.rise);
  spec.jitter = first(own.jitter, defaults.jitter).value_or(spec.jitter);
  const auto bound = bound_of(spec, table, input_.defaults_table);
  if (!bound) return;
  check_against(*bound, table, input_.defaults_table, "timeout", timeout, Rule::below);
  check_against(*bound, table, input_.defaults_table, "retry_interval", retry, Rule::not_above);
}

void CheckReader::resolve_impact(CheckSpec& spec, TableReader& table, const MadeProbe& made) {
  const auto scope = read_scope(table);
  const auto impact = read_impact(table);
  const auto live = table.flag("live");
  const auto startup = table.flag("startup");
  spec.warn_above = table.duration("warn_above", {});
  spec.pause_when_idle = table.flag("pause_when_idle").value_or(false);
  spec.parent = table.text("parent").value_or("");
  // Out of a variable it may be empty on purpose.
  const Value* const parent = table.table().find("parent");
  if (parent != nullptr && parent->type == Value::Type::text && parent->written.empty()) {
    table.refuse("parent", "must name a check; without a parent leave it out");
  }
  spec.labels = read_labels(table);
  // Without a kind nothing is known of its defaults, and the kind is a mistake already.
  if (spec.kind == nullptr) return;
  if (spec.pause_when_idle && made.signal) {
    table.refuse("pause_when_idle",
                 "means nothing here: a check of this kind asks nobody, it waits to be called");
  }
  spec.scope = scope.value_or(default_scope(*spec.kind, made.on_loopback));
  spec.impact = impact.value_or(default_impact(*spec.kind, spec.scope));
  spec.live = live.value_or(false);
  spec.startup = startup.value_or(spec.impact == Impact::critical && !made.may_stay_unknown);
  if (spec.live && spec.scope == Scope::shared && !table.wrong("scope")) {
    table.refuse("live",
                 "is for local checks, and this one is shared: no restart of this Machine helps a "
                 "dependency of all; remove it, or say scope = \"local\"");
  }
}

namespace {

/// The mistake that everybody makes once with Upstash (contract §3.3).
void refuse_rest_endpoint(const KindSpec& kind, TableReader& table) {
  const Value* url = table.table().find(kind.url_setting);
  if (kind.name != "redis" || url == nullptr || url->broken) return;
  if (url->type == Value::Type::text && is_rest_endpoint(url->text)) {
    table.refuse(kind.url_setting, "is no Redis URL: " + std::string(rest_endpoint_sentence));
  }
}

}  // namespace

ReadCheck CheckReader::read(const Value& value) {
  auto spec = std::make_shared<CheckSpec>();
  spec->name = value.key;
  TableReader table(value, join_path("checks", value.key), input_.mistakes);
  auto secrets = std::make_shared<SecretSet>();
  spec->kind = read_kind(table);
  resolve_timing(*spec, table);
  MadeProbe made;
  std::string canonical;
  table.refuse_unknown(known_keys(spec->kind, input_.kinds));
  if (spec->kind != nullptr) {
    refuse_rest_endpoint(*spec->kind, table);
    CheckSettings settings({*spec->kind, table, secrets, input_.read_file, input_.remarks});
    made = spec->kind->make(settings);
    settings.finish();
    canonical = settings.canonical();
    VITALS_ASSERT(made.probe != nullptr || !input_.mistakes.empty());
  }
  resolve_impact(*spec, table, made);
  spec->target = made.target;
  spec->silence_max = made.silence_max;
  if (spec->kind != nullptr) spec->fingerprint = fingerprint_of(*spec, canonical);
  if (input_.mistakes.empty()) spec->settings_text = print_settings(*spec, *secrets, value);
  secrets->loaded();
  return {{std::move(spec), std::move(made.probe), std::move(secrets), std::move(made.signal)},
          &value,
          made.may_stay_unknown};
}

void check_parents(const std::vector<ReadCheck>& checks,
                   const std::vector<std::shared_ptr<const CheckSpec>>& groups,
                   Mistakes& mistakes) {
  Needed needed;
  std::vector<std::string_view> names;
  for (const auto& read : checks) {
    const CheckSpec& spec = *read.check.spec;
    if (!is_check_name(spec.name)) continue;
    needed[spec.name] = {spec.parent};
    names.push_back(spec.name);
  }
  for (const auto& group : groups) {
    if (!is_check_name(group->name) || needed.contains(group->name)) continue;
    needed[group->name] = {group->members.begin(), group->members.end()};
    names.push_back(group->name);
  }
  std::set<std::string_view> told;
  for (const auto& read : checks) {
    const CheckSpec& spec = *read.check.spec;
    if (spec.parent.empty() || is_member_below_group(spec, groups)) continue;
    const Value& written = *read.table->find("parent");
    const auto complain = [&](const std::string& message) {
      mistakes.add(written.place, join_path("checks", spec.name), "'parent' " + message);
    };
    const auto circle = needed.contains(spec.name) ? circle_from(needed, spec.name) : Circle{};
    if (spec.parent == spec.name) {
      complain("is the check itself");
    } else if (!needed.contains(spec.parent)) {
      complain("names no check: '" + quotable(written) + "'" + suggest(written.written, names));
    } else if (!circle.empty() && !told.contains(spec.name)) {
      told.insert(circle.begin(), circle.end());
      std::string round;
      for (const auto name : circle) round += std::string(name) + " → ";
      complain("goes round in a circle: " + round + spec.name);
    }
  }
}

}  // namespace vitals::config
