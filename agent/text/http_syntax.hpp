// The words that HTTP/1.1 messages are made of (RFC 9110 §5.6): shared by whoever reads heads.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace vitals::http {

namespace detail {

constexpr bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int i = 0; i < 128; ++i)
    table[static_cast<std::size_t>(i)] = is_token_char(static_cast<char>(i));
  return table;
}

}  // namespace detail

/// By byte: may it stand in a method or a field name?
inline constexpr std::array<bool, 256> token_table = detail::make_token_table();

[[nodiscard]] inline bool is_token_char(char c) {
  return token_table[static_cast<unsigned char>(c)];
}

[[nodiscard]] inline bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

/// Tab, visible ASCII and obs-text; a bare CR is a control character, too.
[[nodiscard]] inline bool is_field_char(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u == '\t' || (u >= ' ' && u != 0x7f);
}

[[nodiscard]] inline bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_field_char);
}

/// Without the blanks and tabs around it.
[[nodiscard]] inline std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Calls `visit` with each element of a comma-separated list, trimmed.
template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    visit(trim_blanks(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

}  // namespace vitals::http
