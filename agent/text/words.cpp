// Tells words and dates from tokens.
#include <vitals/words.hpp>

#include <algorithm>
#include <cstddef>

namespace vitals {
namespace {

/// App passwords of some providers are sixteen small letters.
constexpr std::size_t word_max = 15;

bool is_small(char c) { return c >= 'a' && c <= 'z'; }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_word(std::string_view text) {
  if (text.empty() || text.size() > word_max) return false;
  const auto rest = text.substr(1);
  const bool small = std::all_of(rest.begin(), rest.end(), is_small);
  if (small) return is_small(text.front()) || is_capital(text.front());
  return std::all_of(text.begin(), text.end(), is_capital);
}

/// RFC 3339, also with less of a time than it asks for.
bool is_date(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-dd";
  if (text.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i]) return false;
  }
  constexpr std::size_t date_max = 35;  // "2026-11-21T10:00:00.123456789+01:00"
  return text.size() <= date_max && text.find_first_not_of("0123456789-:.+TZ ") == text.npos;
}

}  // namespace

bool is_ordinary(std::string_view text) { return is_word(text) || is_date(text); }

}  // namespace vitals
