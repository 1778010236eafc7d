// Decodes one character of a text in every way it may have been written, and finds values so.
#include "agent/text/readings.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace vitals {
namespace {

constexpr std::size_t none = std::string_view::npos;
/// The longest way to write one character: "&#0000128512;", a surrogate pair in JSON.
constexpr std::size_t escape_max = 13;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::uint32_t> hex_number(std::string_view digits) {
  std::uint32_t number = 0;
  for (const char c : digits) {
    const int value = hex_value(c);
    if (value < 0 || number > 0xFFFFFF) return std::nullopt;
    number = number * 16 + static_cast<std::uint32_t>(value);
  }
  return digits.empty() ? std::nullopt : std::optional(number);
}

std::optional<std::uint32_t> decimal_number(std::string_view digits) {
  std::uint32_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9' || number > 0xFFFFFF) return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return digits.empty() ? std::nullopt : std::optional(number);
}

Reading byte_reading(std::uint32_t byte, std::size_t length) {
  Reading reading;
  reading.bytes[0] = static_cast<char>(byte);
  reading.size = 1;
  reading.length = length;
  return reading;
}

/// A code point in UTF-8.
std::optional<Reading> code_reading(std::uint32_t code, std::size_t length) {
  if (code > 0x10FFFF) return std::nullopt;
  if (code < 0x80) return byte_reading(code, length);
  Reading reading;
  reading.length = length;
  const auto more = [](std::uint32_t bits) { return static_cast<char>(0x80U | (bits & 0x3FU)); };
  if (code < 0x800) {
    reading.bytes = {static_cast<char>(0xC0U | code >> 6U), more(code)};
    reading.size = 2;
  } else if (code < 0x10000) {
    reading.bytes = {static_cast<char>(0xE0U | code >> 12U), more(code >> 6U), more(code)};
    reading.size = 3;
  } else {
    reading.bytes = {static_cast<char>(0xF0U | code >> 18U), more(code >> 12U), more(code >> 6U),
                     more(code)};
    reading.size = 4;
  }
  return reading;
}

std::optional<Reading> percent_reading(std::string_view text) {
  std::size_t digits = 1;
  // "%2540" is "%40" that was encoded again.
  while (text.substr(digits, 2) == "25" && text.size() > digits + 3 &&
         hex_value(text[digits + 2]) >= 0 && hex_value(text[digits + 3]) >= 0) {
    digits += 2;
  }
  if (text.size() < digits + 2) return std::nullopt;
  const auto byte = hex_number(text.substr(digits, 2));
  return byte ? std::optional(byte_reading(*byte, digits + 2)) : std::nullopt;
}

/// "\u00e9", "\ud83d\ude00".
std::optional<Reading> unicode_reading(std::string_view text) {
  constexpr std::size_t length = 6;
  const auto unit_at = [&](std::size_t at) -> std::optional<std::uint32_t> {
    if (text.size() < at + length || text.substr(at, 2) != "\\u") return std::nullopt;
    return hex_number(text.substr(at + 2, 4));
  };
  const auto first = unit_at(0);
  if (!first) return std::nullopt;
  const auto second = unit_at(length);
  const bool pair = *first >= 0xD800 && *first < 0xDC00 && second && *second >= 0xDC00;
  if (!pair) return code_reading(*first, length);
  return code_reading(0x10000 + ((*first & 0x3FFU) << 10U) + (*second & 0x3FFU), 2 * length);
}

std::optional<Reading> backslash_reading(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const char c = text[1];
  if (c == 'u') return unicode_reading(text);
  if (c == 'x') {
    const auto byte = text.size() < 4 ? std::nullopt : hex_number(text.substr(2, 2));
    return byte ? std::optional(byte_reading(*byte, 4)) : std::nullopt;
  }
  constexpr std::string_view letters = "abfnrtv";
  constexpr std::string_view meanings = "\a\b\f\n\r\t\v";
  const auto letter = letters.find(c);
  if (letter != none) return byte_reading(static_cast<unsigned char>(meanings[letter]), 2);
  return byte_reading(static_cast<unsigned char>(c), 2);
}

std::optional<Reading> html_reading(std::string_view text) {
  const auto end = text.substr(0, escape_max).find(';');
  if (end == none || end < 2) return std::nullopt;
  const auto name = text.substr(1, end - 1);
  if (name.front() == '#') {
    const bool hex = name.size() > 1 && (name[1] == 'x' || name[1] == 'X');
    const auto code = hex ? hex_number(name.substr(2)) : decimal_number(name.substr(1));
    return code ? code_reading(*code, end + 1) : std::nullopt;
  }
  constexpr std::array<std::pair<std::string_view, char>, 5> names{
      {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
  for (const auto& [known, c] : names) {
    if (known == name) return byte_reading(static_cast<unsigned char>(c), end + 1);
  }
  return std::nullopt;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

bool is_escape(char c) { return c == '%' || c == '+' || c == '\\' || c == '&'; }

Readings readings_at(std::string_view text, std::size_t at) {
  Readings readings;
  const auto add = [&](const Reading& reading) { readings.items[readings.count++] = reading; };
  const auto rest = text.substr(at);
  const char c = rest.front();
  add(byte_reading(static_cast<unsigned char>(c), 1));
  std::optional<Reading> other;
  if (c == '%') other = percent_reading(rest);
  if (c == '+') other = byte_reading(' ', 1);
  if (c == '\\') other = backslash_reading(rest);
  if (c == '&') other = html_reading(rest);
  // It is dropped before people see the text, and what it kept apart comes together.
  if (is_control(c)) other = Reading{.length = 1};
  if (other) add(*other);
  return readings;
}

std::size_t match_end(std::string_view text, std::size_t begin, std::string_view value,
                      MatchRules rules) {
  // (bytes of the value read, place in the text): several readings may lead to the same place.
  std::set<std::pair<std::size_t, std::size_t>> open;
  std::size_t read = 0;
  std::size_t at = begin;
  std::size_t end = none;
  while (true) {
    if (read == value.size() || read >= rules.prefix_min) {
      end = end == none ? at : std::max(end, at);
    }
    if (read < value.size() && at < text.size()) {
      for (const Reading& reading : readings_at(text, at)) {
        const bool fits = value.substr(read).starts_with(reading.view());
        if (fits && (reading.size > 0 || read > 0)) {
          open.emplace(read + reading.size, at + reading.length);
        }
      }
    }
    const bool half_escape =
        at < text.size() && text.size() - at < escape_max && is_escape(text[at]) && text[at] != '+';
    if (rules.may_be_cut && read >= rules.cut_min && (at == text.size() || half_escape)) {
      return text.size();
    }
    if (open.empty()) return end;
    std::tie(read, at) = *open.begin();
    open.erase(open.begin());
  }
}

}  // namespace vitals
