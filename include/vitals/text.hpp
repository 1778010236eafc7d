// Making foreign text safe to show: pure functions over strings.
#pragma once

#include <cstddef>
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

}  // namespace vitals
