// Cleaning, guessing and shortening of text that people will read.
#include <vitals/text.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view ellipsis = "…";
// Longer words are no names that somebody mistyped.
constexpr std::size_t word_max = 64;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

bool is_blank(std::uint32_t code) {
  return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

/// Bytes that a terminal, a browser or a log reader would act on instead of showing them.
bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0xAD || code == 0x61C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
         (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
}

/// Appends while there is room and remembers where the text can be cut for an ellipsis.
class Clipped {
 public:
  explicit Clipped(std::size_t limit) : limit_(limit) {}

  /// False when the limit is reached.
  bool append(std::string_view piece) {
    if (text_.size() + piece.size() > limit_) return false;
    text_ += piece;
    if (text_.size() + ellipsis.size() <= limit_) cut_ = text_.size();
    return true;
  }

  std::string cut() && {
    text_.resize(cut_);
    while (!text_.empty() && text_.back() == ' ') text_.pop_back();
    if (limit_ >= ellipsis.size()) text_ += ellipsis;
    return std::move(text_);
  }
  std::string whole() && { return std::move(text_); }

 private:
  std::size_t limit_;
  std::size_t cut_ = 0;
  std::string text_;
};

/// Optimal string alignment: Damerau-Levenshtein where no part is edited twice.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + cost});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

Utf8Character first_character(std::string_view text) {
  VITALS_ASSERT(!text.empty());
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = sequence_length(first);
  if (length == 0) return {};
  if (length == 1) return {first, 1, true};
  std::uint32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || !is_continuation(text[i])) return {0, i, false};
    code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
    const bool overlong = (length == 3 && i == 1 && code < 0x20) ||
                          (length == 4 && i == 1 && (code < 0x10 || code > 0x10F));
    const bool surrogate = length == 3 && i == 1 && code >= 0x360 && code <= 0x37F;
    if (overlong || surrogate) return {0, 1, false};
  }
  return {code, length, true};
}

std::string clean_text(std::string_view raw, std::size_t limit) {
  Clipped result(limit);
  bool blank = false;
  bool any = false;
  while (!raw.empty()) {
    const Utf8Character c = first_character(raw);
    const std::string_view piece = c.valid ? raw.substr(0, c.length) : replacement;
    raw.remove_prefix(c.length);
    if (c.valid && is_blank(c.code)) {
      blank = any;
      continue;
    }
    if (c.valid && is_control(c.code)) continue;
    if (blank && !result.append(" ")) return std::move(result).cut();
    if (!result.append(piece)) return std::move(result).cut();
    blank = false;
    any = true;
  }
  return std::move(result).whole();
}

std::string closest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > word_max) return {};
  std::string_view best;
  std::size_t best_distance = word_max;
  for (const auto candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t distance = edit_distance(word, candidate);
    if (distance * 3 <= longer && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::string human_duration(long long seconds) {
  constexpr long long minute = 60;
  constexpr long long hour = 60 * minute;
  constexpr long long day = 24 * hour;
  const long long s = std::max(0LL, seconds);
  char text[48];
  if (s < minute) {
    std::snprintf(text, sizeof text, "%llds", s);
  } else if (s < hour) {
    std::snprintf(text, sizeof text, "%lldm%02llds", s / minute, s % minute);
  } else if (s < day) {
    std::snprintf(text, sizeof text, "%lldh%02lldm", s / hour, s % hour / minute);
  } else {
    std::snprintf(text, sizeof text, "%lldd%02lldh", s / day, s % day / hour);
  }
  return text;
}

}  // namespace vitals
