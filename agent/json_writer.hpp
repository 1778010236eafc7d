// Writes JSON as text: valid for any bytes it is given, keys in the order of the calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vitals {

/// Appends `text` as a JSON string with its quotes (RFC 8259). Bytes that are not UTF-8 become
/// U+FFFD; control characters are escaped.
void append_json_string(std::string& out, std::string_view text);

/// A document in the making, two-space indented. Calls must nest as the JSON does; inside arrays
/// the key is empty. Documents of fixed shape need no tree: nlohmann's costs four times the CPU.
class JsonWriter {
 public:
  void begin_object(std::string_view key = {}) { open(key, '{'); }
  void end_object() { close('}'); }
  void begin_array(std::string_view key = {}) { open(key, '['); }
  void end_array() { close(']'); }
  void text(std::string_view key, std::string_view value);
  void integer(std::string_view key, std::int64_t value);
  /// At most two decimals. Left out when it is not finite: JSON has no such number.
  void number(std::string_view key, double value);
  void flag(std::string_view key, bool value);

  /// The document with a newline at its end.
  [[nodiscard]] std::string finish() &&;

 private:
  void open(std::string_view key, char bracket);
  void close(char bracket);
  void start_value(std::string_view key);
  void start_line();

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

}  // namespace vitals
