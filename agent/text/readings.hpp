// What bytes of a text stand for: programs quote, escape and encode what they repeat. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace vitals {

/// Bytes that a stretch of text stands for.
struct Reading {
  std::array<char, 4> bytes{};
  std::size_t size = 0;    // of bytes; 0: a character that means nothing
  std::size_t length = 0;  // of the stretch

  [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

/// All readings of what begins at text[at]: the byte itself, a percent-encoded one (also when the
/// '%' itself was encoded again), '+' for a blank, a backslash escape (JSON, C, Python), an HTML
/// reference, nothing at all for control characters.
struct Readings {
  std::array<Reading, 3> items{};
  std::size_t count = 0;

  [[nodiscard]] const Reading* begin() const { return items.data(); }
  [[nodiscard]] const Reading* end() const { return items.data() + count; }
};
[[nodiscard]] Readings readings_at(std::string_view text, std::size_t at);

/// True when text[at] begins what may stand for another byte.
[[nodiscard]] bool is_escape(char c);

/// Where the longest stretch at text[begin] ends that stands for `value` in some reading; npos when
/// there is none. With `may_be_cut` a beginning of `value` (at least `cut_min` bytes) that reaches
/// the end of the text counts, too; and one of `prefix_min` bytes or more wherever it ends.
struct MatchRules {
  bool may_be_cut = false;
  std::size_t cut_min = 4;
  std::size_t prefix_min = std::string_view::npos;
};
[[nodiscard]] std::size_t match_end(std::string_view text, std::size_t begin,
                                    std::string_view value, MatchRules rules);

}  // namespace vitals
