// `vitals kinds` and `vitals version`: what is inside, from the declarations themselves.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.hpp"
#include "agent/config/check_reader.hpp"
#include "agent/config/group_reader.hpp"
#include "probes/registry.hpp"
#include "vitals_build_info.hpp"

namespace vitals::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string_view type_name(const SettingSpec& setting) {
  switch (setting.type) {
    case SettingType::text:
    case SettingType::live_text:
      return setting.url ? "URL" : "text";
    case SettingType::integer:
      return "integer";
    case SettingType::number:
      return "number";
    case SettingType::flag:
      return "true|false";
    case SettingType::duration:
      return "duration";
    case SettingType::size:
      return "size";
    case SettingType::choice:
      return setting.choices;
    case SettingType::list:
      return "list";
    case SettingType::table:
      return "table";
  }
  VITALS_ASSERT(false);
  return "";
}

std::string default_of(const SettingSpec& setting) {
  if (setting.required) return "required";
  return setting.fallback.empty() ? "unset" : std::string(setting.fallback);
}

void print_settings(std::span<const SettingSpec> settings) {
  for (const SettingSpec& setting : settings) {
    std::printf("  %-17s %-20s %-14s %s\n", std::string(setting.name).c_str(),
                std::string(type_name(setting)).c_str(), default_of(setting).c_str(),
                std::string(setting.doc).c_str());
  }
}

Json settings_json(std::span<const SettingSpec> settings) {
  Json list = Json::array();
  for (const SettingSpec& setting : settings) {
    list.push_back({{"name", setting.name},
                    {"type", type_name(setting)},
                    {"default", setting.fallback},
                    {"required", setting.required},
                    {"doc", setting.doc}});
  }
  return list;
}

std::string_view scope_text(ScopeRule rule) {
  switch (rule) {
    case ScopeRule::local:
      return "local";
    case ScopeRule::shared:
      return "shared";
    case ScopeRule::local_on_loopback:
      return "local on loopback, else shared";
  }
  VITALS_ASSERT(false);
  return "";
}

std::string_view impact_text(ImpactRule rule) {
  switch (rule) {
    case ImpactRule::critical:
      return "critical";
    case ImpactRule::degraded:
      return "degraded";
    case ImpactRule::critical_when_local:
      return "critical when local, else degraded";
  }
  VITALS_ASSERT(false);
  return "";
}

int print_json() {
  Json document{{"common", settings_json(config::common_settings())},
                {"group", settings_json(config::group_settings())},
                {"kinds", Json::array()}};
  for (const KindSpec* kind : all_kinds()) {
    document["kinds"].push_back({{"name", kind->name},
                                 {"doc", kind->doc},
                                 {"scope", scope_text(kind->scope)},
                                 {"impact", impact_text(kind->impact)},
                                 {"interval_ms", kind->interval.count()},
                                 {"settings", settings_json(kind->settings)}});
    for (const Preset& preset : kind->presets) {
      document["kinds"].back()["providers"].push_back({{"name", preset.name},
                                                       {"url", preset.url},
                                                       {"expect_status", preset.expect_status},
                                                       {"documentation", preset.source}});
    }
  }
  std::printf("%s\n", document.dump(2).c_str());
  return exit_ok;
}

}  // namespace

int kinds(const Arguments& arguments) {
  if (arguments.format == OutputFormat::json) return print_json();
  std::printf("every check\n");
  print_settings(config::common_settings());
  std::printf("\n[groups.NAME]: as many of the members as are needed are well\n");
  print_settings(config::group_settings());
  for (const KindSpec* kind : all_kinds()) {
    std::printf("\n%s: %s\n  scope: %s; impact: %s; interval: %llds\n",
                std::string(kind->name).c_str(), std::string(kind->doc).c_str(),
                std::string(scope_text(kind->scope)).c_str(),
                std::string(impact_text(kind->impact)).c_str(),
                static_cast<long long>(
                    std::chrono::duration_cast<std::chrono::seconds>(kind->interval).count()));
    print_settings(kind->settings);
    for (const Preset& preset : kind->presets) {
      std::printf("  provider = %-18s %s answers %s\n",
                  ('"' + std::string(preset.name) + '"').c_str(), std::string(preset.url).c_str(),
                  std::string(preset.expect_status).c_str());
    }
  }
  return exit_ok;
}

int version(const Arguments& arguments) {
  const std::string number(build_info::version());
  const std::string revision(build_info::revision());
  if (arguments.format == OutputFormat::json) {
    Json document{{"version", number}, {"revision", revision}};
    for (const build_info::Library& library : build_info::libraries()) {
      document["libraries"][std::string(library.name)] = library.version;
    }
    std::printf("%s\n", document.dump(2).c_str());
    return exit_ok;
  }
  std::printf("vitals %s, revision %s\n", number.c_str(), revision.c_str());
  for (const build_info::Library& library : build_info::libraries()) {
    std::printf("  %s %s\n", std::string(library.name).c_str(),
                std::string(library.version).c_str());
  }
  return exit_ok;
}

}  // namespace vitals::cli
