// Fills in what a preset stands for.
#include "agent/config/presets.hpp"

#include <algorithm>
#include <string>

namespace vitals::config {
namespace {

constexpr std::string_view provider_key = "provider";

Value list_value(std::string_view key, std::string_view items, const Place& place) {
  constexpr std::string_view divider = ", ";
  Value list;
  list.type = Value::Type::list;
  list.key = key;
  list.place = place;
  while (!items.empty()) {
    const auto item = items.substr(0, items.find(divider));
    list.children.push_back(text_value({}, std::string(item), place));
    items.remove_prefix(std::min(items.size(), item.size() + divider.size()));
  }
  return list;
}

}  // namespace

const KindSpec* kind_of(const Value& check, std::span<const KindSpec* const> kinds) {
  const Value* const name = check.find("kind");
  if (name == nullptr) return nullptr;
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const KindSpec* kind) { return kind->name == name->text; });
  return found == kinds.end() ? nullptr : *found;
}

void fill_in_preset(Value& check, std::span<const KindSpec* const> kinds) {
  const KindSpec* const kind = kind_of(check, kinds);
  const Value* const provider = check.find(provider_key);
  if (kind == nullptr || provider == nullptr || kind->presets.empty()) return;
  const auto found =
      std::find_if(kind->presets.begin(), kind->presets.end(),
                   [&](const Preset& preset) { return preset.name == provider->text; });
  // One that is not known is a mistake of its own; that the URL is missing then would only repeat
  // it.
  const Preset& preset = found == kind->presets.end() ? kind->presets.front() : *found;
  const Place place = provider->place;
  if (check.find("url") == nullptr) {
    check.children.push_back(text_value("url", std::string(preset.url), place));
  }
  if (check.find("expect_status") == nullptr) {
    check.children.push_back(list_value("expect_status", preset.expect_status, place));
  }
}

}  // namespace vitals::config
