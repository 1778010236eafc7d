// Lets a default of `warn` or `fail` give way to the other one.
#include "agent/config/levels.hpp"

#include <optional>
#include <string_view>

#include "agent/config/presets.hpp"
#include "agent/config/values.hpp"

namespace vitals::config {
namespace {

constexpr std::string_view warn_key = "warn";
constexpr std::string_view fail_key = "fail";
constexpr double whole = 1;

/// Only of a share: what has no default gets none.
std::optional<double> default_of(const KindSpec& kind, std::string_view key) {
  for (const SettingSpec& setting : kind.settings) {
    if (setting.name != key || setting.type != SettingType::number) continue;
    if (const auto value = declared_default(setting)) return value->number;
  }
  return std::nullopt;
}

/// Nothing where it was written wrongly: that is a mistake of its own.
std::optional<double> written(const Value& check, std::string_view key) {
  const Value* const value = check.find(key);
  if (value == nullptr) return std::nullopt;
  const auto number = to_number(*value, {0, whole});
  return number ? std::optional(number.value()) : std::nullopt;
}

Value number_value(std::string_view key, double number, const Place& place) {
  Value value;
  value.type = Value::Type::number;
  value.key = key;
  value.number = number;
  value.place = place;
  return value;
}

}  // namespace

void fill_in_levels(Value& check, std::span<const KindSpec* const> kinds) {
  const KindSpec* const kind = kind_of(check, kinds);
  if (kind == nullptr || (check.find(warn_key) != nullptr && check.find(fail_key) != nullptr)) {
    return;
  }
  const auto usual_warn = default_of(*kind, warn_key);
  const auto usual_fail = default_of(*kind, fail_key);
  if (!usual_warn || !usual_fail) return;
  if (const auto fail = written(check, fail_key); fail && *fail < *usual_warn) {
    check.children.push_back(number_value(warn_key, *fail, check.find(fail_key)->place));
  } else if (const auto warn = written(check, warn_key); warn && *warn > *usual_fail) {
    check.children.push_back(number_value(fail_key, whole, check.find(warn_key)->place));
  }
}

}  // namespace vitals::config
