// Orders mistakes and gives them their one form.
#include "agent/config/mistakes.hpp"

#include <algorithm>
#include <cctype>
#include <tuple>

#include <vitals/text.hpp>

namespace vitals::config {
namespace {

constexpr std::size_t message_max = 400;
constexpr std::size_t key_max = 64;

bool is_bare(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
}

}  // namespace

std::string join_path(std::string_view path, std::string_view key) {
  std::string shown = clean_text(key, key_max);
  if (!is_bare(shown)) shown = "\"" + shown + "\"";
  return path.empty() ? shown : std::string(path) + "." + shown;
}

std::string Mistakes::place_text(const Place& place, std::string_view path) const {
  if (!place.variable.empty()) return "environment: " + clean_text(place.variable, key_max) + ": ";
  const std::string text =
      source_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": ";
  return path.empty() ? text : text + std::string(path) + ": ";
}

void Mistakes::add(const Place& place, std::string_view path, std::string_view message) {
  std::string text = place_text(place, path) + clean_text(message, message_max);
  if (!told_.insert(text).second) return;
  mistakes_.push_back({place.line, place.column, !place.variable.empty(), std::move(text)});
}

ConfigMistakes Mistakes::lines() const {
  auto sorted = mistakes_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Mistake& a, const Mistake& b) {
    return std::tuple(a.variable, a.line, a.column) < std::tuple(b.variable, b.line, b.column);
  });
  ConfigMistakes result;
  for (auto& mistake : sorted) result.lines.push_back(std::move(mistake.text));
  return result;
}

}  // namespace vitals::config
