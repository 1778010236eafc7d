// Keys that flyctl drops, numbers that it reads in another unit, limits that it clamps to.
#include <algorithm>
#include <array>
#include <cctype>

#include <vitals/text.hpp>

#include "agent/config/quantity.hpp"
#include "agent/lint/fly_keys.hpp"
#include "agent/lint/rules.hpp"

namespace vitals::lint {
namespace {

using config::format_duration;
using config::join_path;

constexpr Duration kill_timeout_max{300'000};
constexpr Duration service_check_min{1'000};
constexpr Duration service_check_max{60'000};
constexpr Duration top_interval_min{2'000};
constexpr Duration top_timeout_max{60'000};

/// Rules of their own say more about these than "unknown".
bool has_own_rule(std::string_view path, std::string_view key) {
  if (key == "container") return path == "experimental";
  return key == "port" && path.ends_with("checks") && path != "checks";
}

void refuse_unknown(const Value& table, const std::string& path, const std::string& shown,
                    Findings& findings) {
  const auto keys = known_keys(path);
  for (const Value& child : table.children) {
    if (child.key.empty()) {  // an item of a list of tables
      if (child.is_table()) refuse_unknown(child, path, shown, findings);
      continue;
    }
    if (keys && std::find(keys->begin(), keys->end(), child.key) == keys->end()) {
      if (has_own_rule(path, child.key)) continue;
      const auto meant = meant_key(path, child.key);
      const std::string guess = meant.empty() ? closest(child.key, *keys) : std::string(meant);
      findings.fly.add(child.place, shown,
                       "unknown key '" + child.key + "'; flyctl drops it without a word; " +
                           (guess.empty() ? "remove it" : "did you mean '" + guess + "'?"));
      continue;
    }
    if (!child.is_table() && child.type != Value::Type::list) continue;
    const bool named = path == "checks";  // [checks.NAME]
    const std::string below =
        path.empty() ? child.key : path + "." + (named ? std::string("*") : child.key);
    refuse_unknown(child, below, join_path(shown, child.key), findings);
  }
}

void unknown_keys(const Files& files, Findings& findings) {
  refuse_unknown(files.fly.document, "", "", findings);
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// What somebody meant who wrote a number without unit: seconds when it is small, milliseconds as
/// the documentation says when it is not, nanoseconds when nothing else makes sense.
std::string with_unit(std::int64_t number) {
  constexpr std::int64_t large = 1'000;
  constexpr std::int64_t huge = 1'000'000'000;
  if (number < large) return std::to_string(number) + "s";
  return format_duration(Duration(number < huge ? number : number / 1'000'000));
}

/// Bare nanoseconds are never meant. Bare milliseconds are, in files that an earlier flyctl wrote,
/// so only what would be clamped is told.
void look_at_unit(const Value& table, std::string_view path, std::string_view key, BareUnit bare,
                  Findings& findings) {
  const Value* value = table.find(key);
  if (value == nullptr) return;
  if (value->type == Value::Type::text && all_digits(value->text)) {
    findings.fly.add(value->place, path,
                     "'" + std::string(key) + "' = \"" + value->text +
                         "\" has no unit; flyctl can't read it; write \"" + value->text + "s\"");
    return;
  }
  if (value->type != Value::Type::integer || bare == BareUnit::seconds) return;
  const std::string number = std::to_string(value->integer);
  const bool nano = bare == BareUnit::nanoseconds;
  if (!nano && value->integer >= service_check_min.count()) return;
  findings.fly.add(value->place, path,
                   "'" + std::string(key) + "' = " + number + " means " + number +
                       (nano ? " nanoseconds" : " milliseconds") +
                       "; a number without unit counts " + (nano ? "nanoseconds" : "milliseconds") +
                       " here; write a unit, as in \"" + with_unit(value->integer) + "\"");
}

void bare_durations(const Files& files, Findings& findings) {
  for (const FlyCheck* check : files.fly.all_checks()) {
    for (const auto* key : {"interval", "timeout", "grace_period"}) {
      look_at_unit(*check->table, check->path, key, check->bare, findings);
    }
  }
  for (const Value* deploy : tables_at(files.fly.document, "deploy")) {
    for (const auto* key : {"wait_timeout", "release_command_timeout"}) {
      look_at_unit(*deploy, "deploy", key, BareUnit::nanoseconds, findings);
    }
  }
  look_at_unit(files.fly.document, "", "kill_timeout", BareUnit::seconds, findings);
}

struct Limit {
  std::string_view key;
  std::optional<Duration> min;
  std::optional<Duration> max;
};

constexpr std::array<Limit, 3> service_limits{{
    {"interval", service_check_min, service_check_max},
    {"timeout", service_check_min, service_check_max},
    {"grace_period", service_check_min, service_check_max},
}};
constexpr std::array<Limit, 2> top_limits{{
    {"interval", top_interval_min, std::nullopt},
    {"timeout", std::nullopt, top_timeout_max},
}};

void look_at_limits(const FlyCheck& check, std::span<const Limit> limits, Findings& findings) {
  for (const Limit& limit : limits) {
    const Value* value = check.table->find(limit.key);
    // Bare numbers have a rule of their own.
    if (value == nullptr || value->type != Value::Type::text) continue;
    const auto duration = duration_at(*check.table, limit.key, check.bare);
    if (!duration) continue;
    const bool low = limit.min && *duration < *limit.min;
    const bool high = limit.max && *duration > *limit.max;
    if (!low && !high) continue;
    const std::string used = format_duration(low ? *limit.min : *limit.max);
    findings.fly.add(value->place, check.path,
                     "'" + std::string(limit.key) + "' is " + format_duration(*duration) +
                         "; Fly takes " + (low ? "at least " : "at most ") + used +
                         " here and uses that without a word; write \"" + used + "\"");
  }
}

void check_limits(const Files& files, Findings& findings) {
  for (const FlyService& service : files.fly.services) {
    for (const FlyCheck& check : service.checks) look_at_limits(check, service_limits, findings);
  }
  for (const FlyCheck& check : files.fly.checks) look_at_limits(check, top_limits, findings);
}

void kill_timeout_limit(const Files& files, Findings& findings) {
  const auto timeout = duration_at(files.fly.document, "kill_timeout", BareUnit::seconds);
  if (!timeout || *timeout <= kill_timeout_max) return;
  findings.fly.add(place_of(files.fly.document, "kill_timeout"), "",
                   "'kill_timeout' is " + format_duration(*timeout) +
                       "; Fly waits 5 minutes at most, then kills; write \"5m\" and stop sooner");
}

void experimental_container(const Files& files, Findings& findings) {
  for (const Value* table : tables_at(files.fly.document, "experimental")) {
    const Value* key = table->find("container");
    if (key == nullptr) continue;
    findings.fly.add(key->place, "experimental",
                     "'container' has no effect here; flyctl reads it at the top level alone, and "
                     "without it the wrong container gets the new image; move it above the first "
                     "table, beside machine_config");
  }
}

void env_prefix(const Files& files, Findings& findings) {
  for (const Value* table : tables_at(files.fly.document, "env")) {
    for (const Value& variable : table->children) {
      if (!variable.key.starts_with("FLY_")) continue;
      findings.fly.add(variable.place, "env",
                       "'" + variable.key +
                           "' begins with FLY_; Fly keeps those names for what it says about the "
                           "Machine; give it another name");
    }
  }
}

constexpr std::array<Rule, 6> rules{{
    {"unknown_key", unknown_keys},
    {"bare_duration", bare_durations},
    {"check_limits", check_limits},
    {"kill_timeout_limit", kill_timeout_limit},
    {"experimental_container", experimental_container},
    {"env_prefix", env_prefix},
}};

}  // namespace

std::span<const Rule> key_rules() { return rules; }

}  // namespace vitals::lint
