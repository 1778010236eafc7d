// What a Redis server answers and what we ask: plain values, no library, no socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::redis {

/// One reply, copied out of the parser. `text` of an error is the line without its '-'.
struct Reply {
  enum class Type { text, error, integer, nil, array };

  Type type = Type::nil;
  std::string text;
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  [[nodiscard]] bool is_error() const { return type == Type::error; }
};

/// A command and its arguments; binary-safe.
using Command = std::vector<std::string>;

}  // namespace vitals::redis
