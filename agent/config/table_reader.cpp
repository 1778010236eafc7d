// The typed readers of one table.
#include "agent/config/table_reader.hpp"

#include <algorithm>

#include <vitals/text.hpp>

namespace vitals::config {
namespace {

constexpr std::size_t key_max = 64;

std::string in_quotes(std::string_view key) { return "'" + clean_text(key, key_max) + "'"; }

}  // namespace

std::optional<std::string> TableReader::text(std::string_view key) {
  return read<std::string>(key, to_text);
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, IntegerRange range) {
  return read<std::int64_t>(key, [&](const Value& value) { return to_integer(value, range); });
}

std::optional<double> TableReader::number(std::string_view key, NumberRange range) {
  return read<double>(key, [&](const Value& value) { return to_number(value, range); });
}

std::optional<bool> TableReader::flag(std::string_view key) { return read<bool>(key, to_flag); }

std::optional<Duration> TableReader::duration(std::string_view key, DurationRange range) {
  return read<Duration>(key, [&](const Value& value) { return to_duration(value, range); });
}

std::optional<std::string> TableReader::choice(std::string_view key, std::string_view choices) {
  return read<std::string>(key, [&](const Value& value) { return to_choice(value, choices); });
}

void TableReader::refuse(std::string_view key, std::string_view message) {
  complain(key, in_quotes(key) + " " + std::string(message));
  wrong_.emplace(key);
}

void TableReader::refuse_missing(std::string_view key) {
  mistakes_.add(table_.place, path_, "missing key " + in_quotes(key));
  wrong_.emplace(key);
}

void TableReader::refuse_unknown(const std::vector<std::string_view>& known) {
  for (const auto& child : table_.children) {
    if (std::find(known.begin(), known.end(), child.key) != known.end()) continue;
    mistakes_.add(child.place, path_,
                  "unknown key " + in_quotes(child.key) + suggest(child.key, known));
  }
}

void TableReader::complain(std::string_view key, std::string_view message) {
  mistakes_.add(place_of(key), path_, message);
}

const Place& TableReader::place_of(std::string_view key) const {
  const Value* value = table_.find(key);
  return value == nullptr ? table_.place : value->place;
}

}  // namespace vitals::config
