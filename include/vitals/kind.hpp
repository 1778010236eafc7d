// What a kind declares about itself: settings, metrics, defaults, and how to make a probe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <vitals/health.hpp>
#include <vitals/probe.hpp>
#include <vitals/settings.hpp>

namespace vitals {

enum class SettingType {
  text,
  live_text,
  integer,
  number,
  flag,
  duration,
  size,
  choice,
  list,
  table
};

/// One row of `vitals kinds`, of the README's reference and of the parser's list of known keys.
struct SettingSpec {
  std::string_view name;
  SettingType type = SettingType::text;
  /// As a person would write it in TOML without quotes: "GET", "64KiB", "true"; "" = none.
  std::string_view fallback{};
  std::string_view doc{};  // one line, says the unit
  bool required = false;
  /// For choice: "any|primary|replica".
  std::string_view choices{};
  /// The value, or each value of the table, is a secret: `***` in --print, scrubbed everywhere.
  bool secret = false;
  /// Of a secret setting: whether a value, as an exception, is none ("PING").
  bool (*harmless)(std::string_view value) = nullptr;
  /// Text with a URL in it: --print hides password and query values only.
  bool url = false;
  /// Table: numbers and booleans stand for their TOML text; else each value must be a string.
  bool scalars = false;
};

enum class MetricType { gauge, counter };

/// A family of exporters people already have rules for (contract §6, `compat`).
enum class Exporter { none, blackbox, redis_exporter, postgres_exporter };

/// A metric family of a kind. Every sample has `owner_label` first, then `labels`.
struct MetricSpec {
  std::string_view name;  // without "vitals_": "check_http_status_code"
  MetricType type = MetricType::gauge;
  std::string_view help;
  std::span<const std::string_view> labels{};
  /// The same sample under a well-known name when `compat` lists `exporter`.
  std::string_view alias{};
  Exporter exporter = Exporter::none;
  /// Its value is the name of the check. Empty for facts of the Machine, that several checks may
  /// measure (a file system, memory): of samples with equal labels the latest alone is shown.
  std::string_view owner_label = "check";
};

inline constexpr std::string_view response_time = "responseTime";

enum class ScopeRule { local, shared, local_on_loopback };
enum class ImpactRule { critical, degraded, critical_when_local };

/// A live probe and what only its settings know.
struct MadeProbe {
  /// Null only when a complaint was recorded.
  std::unique_ptr<Probe> probe;
  /// For the label `target`: scheme://host:port; no user, path or query.
  std::string target;
  /// The target is loopback, "localhost" or a Unix socket.
  bool on_loopback = false;
  /// Set by kinds that others call in to (POST /heartbeat/NAME): notes the call. Thread-safe, does
  /// not block; lives at least as long as the probe.
  std::function<void(Instant now)> signal;
  /// It may stay unknown for ever without a fault (a heartbeat that nobody has to feed): not waited
  /// for at startup, unless the check itself says so.
  bool may_stay_unknown = false;
  /// Of kinds that know when somebody else last gave a sign of life: how long after it they fail,
  /// at worst, whatever the interval, the timeout and `fall` are.
  std::optional<Duration> silence_max;
};

/// One word that stands for settings: `provider = "openai"`. What the check writes itself wins.
struct Preset {
  std::string_view name;
  /// The values as SettingSpec::fallback has them; of a list each on its own, divided by ", ".
  std::string_view url;
  std::string_view expect_status;
  /// The public documentation they rest on.
  std::string_view source;
};

/// Static, immutable; one per kind, listed in probes/kinds.hpp.
struct KindSpec {
  std::string_view name;
  /// componentType of the health+json document: "datastore", "component", "system".
  std::string_view component_type;
  std::string_view doc;  // one line
  std::span<const SettingSpec> settings;
  std::span<const MetricSpec> metrics;
  ScopeRule scope = ScopeRule::shared;
  ImpactRule impact = ImpactRule::degraded;
  Duration interval{10'000};
  /// False: an unknown status does not count (heartbeat: a restart must not cry wolf).
  bool counts_while_unknown = true;
  /// Observation::measurement of its results; the time an attempt took where it observes nothing.
  std::string_view measurement = response_time;
  /// URL schemes that name this kind in VITALS_CHECK_<NAME>=URL; the setting that takes the URL.
  std::span<const std::string_view> schemes{};
  std::string_view url_setting{};
  /// "redis_up", "pg_up": 0/1 of the last attempt under `compat`; none when empty.
  std::string_view up_alias{};
  Exporter up_exporter = Exporter::none;
  /// What the setting `provider` may name.
  std::span<const Preset> presets{};
  /// Reads every setting it knows straight through; mistakes go to Settings.
  MadeProbe (*make)(Settings& settings) = nullptr;
};

}  // namespace vitals
