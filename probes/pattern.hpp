// What a user writes to recognise text: a plain value, or a /regex/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <vitals/result.hpp>

namespace vitals {

/// A plain text or a Perl-compatible `/regex/` (PCRE2; flags inline: `/(?i)ok/`). Immutable,
/// copyable, thread-safe. Matching takes bounded work whatever the text is: a match that would need
/// more than match_steps_max steps counts as none. Text is bytes in any encoding: `.` is one byte.
class Pattern {
 public:
  static constexpr std::uint32_t match_steps_max = 1'000'000;

  /// The error says where the regex breaks and why.
  static Result<Pattern> parse(std::string_view text);

  /// The value is contained in `text`, or the regex matches somewhere in it.
  [[nodiscard]] bool found_in(std::string_view text) const;
  /// `text` is the value exactly, or the regex matches somewhere in it.
  [[nodiscard]] bool matches(std::string_view text) const;
  /// As the user wrote it.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool is_regex() const { return regex_ != nullptr; }

 private:
  struct Regex;
  Pattern(std::string text, std::shared_ptr<const Regex> regex);

  std::string text_;
  std::shared_ptr<const Regex> regex_;  // null: a plain value
};

}  // namespace vitals
