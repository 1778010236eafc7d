// TOML as a small tree of our own, with the place of every key; toml++ stays in document.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/result.hpp>

namespace vitals::config {

/// Where somebody wrote something: a line and column of the file (from 1), or a variable.
struct Place {
  int line = 0;
  int column = 0;
  std::string variable;  // not empty: an environment variable, line and column mean nothing
};

/// A value and, inside a table, its key.
struct Value {
  enum class Type { text, integer, number, flag, moment, list, table };

  Type type = Type::table;
  std::string key;      // empty for the document itself and for the items of a list
  Place place;          // of the key; of the value itself in a list
  std::string text;     // of Type::text; expanded once expand_all() has passed
  std::string written;  // as it stood before the expansion: fit to be shown in a message
  bool broken = false;  // its expansion failed, and that is a recorded mistake
  std::int64_t integer = 0;
  double number = 0;
  bool flag = false;
  std::vector<Value> children;  // of lists and tables, in file order

  /// Null when the table has no such key.
  [[nodiscard]] const Value* find(std::string_view name) const;
  [[nodiscard]] bool is_table() const { return type == Type::table; }
};

/// A text value as if somebody had written it there.
[[nodiscard]] Value text_value(std::string key, std::string text, Place place);

/// "an integer", "a table": for messages.
[[nodiscard]] std::string_view describe(Value::Type type);

struct SyntaxError {
  Place place;
  std::string message;
};

/// The first syntax error ends the reading: what follows it can't be trusted.
[[nodiscard]] Result<Value, SyntaxError> parse_document(std::string_view text);

}  // namespace vitals::config
