// Making foreign text safe to show: pure functions over strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Server text inside answers is cut to this many bytes (contract §5).
inline constexpr std::size_t server_text_max = 160;

/// Valid UTF-8 (bad bytes become U+FFFD), control characters (C0, DEL, C1, and the bidirectional
/// and line-separator characters that a terminal or browser acts on) dropped, runs of white space
/// folded to one blank, at most `limit` bytes, cut at a character boundary with "…" when cut.
[[nodiscard]] std::string clean_text(std::string_view raw, std::size_t limit = server_text_max);

/// The closest of `candidates` for a "did you mean", or empty when none is close (at most a third
/// of the letters differ; Damerau-Levenshtein).
[[nodiscard]] std::string closest(std::string_view word,
                                  const std::vector<std::string_view>& candidates);

/// "28s", "3m20s", "5h02m", "2d04h": for people. Negative counts as 0.
[[nodiscard]] std::string human_duration(long long seconds);

/// ASCII letters in lower case; every other byte stays. No locale has a say.
[[nodiscard]] constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] inline std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = to_lower(c);
  return result;
}
/// Equal but for the case of ASCII letters: names of headers, hosts, schemes.
[[nodiscard]] constexpr bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

/// One character of UTF-8 (RFC 3629: nothing overlong, no surrogates, nothing above U+10FFFF).
struct Utf8Character {
  std::uint32_t code = 0;
  std::size_t length = 1;  // bytes it takes; of a bad sequence those that belong together
  bool valid = false;
};
/// The first character of `text`, which is not empty. A bad sequence costs the bytes that belong to
/// it (Unicode §3.9, U+FFFD substitution of maximal subparts).
[[nodiscard]] Utf8Character first_character(std::string_view text);

}  // namespace vitals
