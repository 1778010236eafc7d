// Reads the keys of one table with their types, and records what is wrong with them.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/mistakes.hpp"
#include "agent/config/values.hpp"

namespace vitals::config {

/// Every reading function returns nothing when the key is not there, or wrong and complained of.
/// `table` and `mistakes` must outlive it.
class TableReader {
 public:
  TableReader(const Value& table, std::string path, Mistakes& mistakes)
      : table_(table), path_(std::move(path)), mistakes_(mistakes) {}

  [[nodiscard]] const Value& table() const { return table_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool has(std::string_view key) const { return table_.find(key) != nullptr; }
  /// A mistake with the value of `key` is recorded already; another would only repeat it.
  [[nodiscard]] bool wrong(std::string_view key) const { return wrong_.contains(key); }

  /// A reader of one of its tables.
  [[nodiscard]] TableReader nested(const Value& child) const {
    return TableReader(child, join_path(path_, child.key), mistakes_);
  }

  template <typename T>
  std::optional<T> read(std::string_view key,
                        const std::function<Result<T>(const Value&)>& convert) {
    const Value* value = table_.find(key);
    if (value == nullptr || wrong(key)) return std::nullopt;
    if (is_broken(*value)) {
      wrong_.emplace(key);
      return std::nullopt;
    }
    auto converted = convert(*value);
    if (converted) return std::move(converted).value();
    refuse(key, converted.error().message);
    return std::nullopt;
  }

  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, IntegerRange range);
  std::optional<double> number(std::string_view key, NumberRange range);
  std::optional<bool> flag(std::string_view key);
  std::optional<Duration> duration(std::string_view key, DurationRange range);
  std::optional<std::string> choice(std::string_view key, std::string_view choices);

  /// "'key' message" at the place of the key (of the table when it is not there); marks it wrong.
  void refuse(std::string_view key, std::string_view message);
  /// "missing key 'key'" at the table.
  void refuse_missing(std::string_view key);
  void refuse_unknown(const std::vector<std::string_view>& known);

  /// A mistake in its own words; does not mark anything.
  void complain(std::string_view key, std::string_view message);

 private:
  [[nodiscard]] const Place& place_of(std::string_view key) const;

  const Value& table_;
  std::string path_;
  Mistakes& mistakes_;
  std::set<std::string, std::less<>> wrong_;
};

}  // namespace vitals::config
