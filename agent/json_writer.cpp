// JSON as text: indentation, commas and escaping.
#include "agent/json_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

namespace vitals {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

/// Stands for itself in a JSON string.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void append_control(std::string& out, unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u00";
  out += digits[byte >> 4U];
  out += digits[byte & 0xFU];
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto plain =
        static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto byte = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte < 0x20 || byte == 0x7F) {
      append_control(out, byte);
    } else if (const auto character = first_character(text); character.valid) {
      out.append(text.substr(0, character.length));
      length = character.length;
    } else {
      out += replacement;
    }
    text.remove_prefix(length);
  }
  out += '"';
}

void JsonWriter::text(std::string_view key, std::string_view value) {
  start_value(key);
  append_json_string(out_, value);
}

void JsonWriter::integer(std::string_view key, std::int64_t value) {
  start_value(key);
  out_ += std::to_string(value);
}

void JsonWriter::number(std::string_view key, double value) {
  if (!std::isfinite(value)) return;
  start_value(key);
  std::array<char, 340> buffer{};  // DBL_MAX has 309 digits before the point
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.2f", value);
  std::string_view digits(buffer.data(), static_cast<std::size_t>(length));
  while (digits.ends_with('0')) digits.remove_suffix(1);
  if (digits.ends_with('.')) digits.remove_suffix(1);
  out_ += digits == "-0" ? "0" : digits;
}

void JsonWriter::flag(std::string_view key, bool value) {
  start_value(key);
  out_ += value ? "true" : "false";
}

std::string JsonWriter::finish() && {
  VITALS_ASSERT(depth_ == 0);
  out_ += '\n';
  return std::move(out_);
}

void JsonWriter::open(std::string_view key, char bracket) {
  start_value(key);
  out_ += bracket;
  ++depth_;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  VITALS_ASSERT(depth_ > 0);
  --depth_;
  if (!first_) start_line();  // an empty pair stays together
  out_ += bracket;
  first_ = false;
}

void JsonWriter::start_value(std::string_view key) {
  if (depth_ > 0) {
    if (!first_) out_ += ',';
    start_line();
  }
  first_ = false;
  if (key.empty()) return;
  append_json_string(out_, key);
  out_ += ": ";
}

void JsonWriter::start_line() {
  out_ += '\n';
  out_.append(2 * depth_, ' ');
}

}  // namespace vitals
