// Matching server text against what the user expects: a substring or a /regex/. PCRE2 stays in
// regex.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <vitals/result.hpp>

namespace vitals {

/// limit: the search was given up before it had an answer; count it as no match and say so.
enum class Match { yes, no, limit };

/// "", or ", the search was given up: simplify the pattern" for the end of a detail.
[[nodiscard]] std::string_view give_up_note(Match match);

/// A compiled regular expression (Perl syntax, PCRE2, over bytes: "." is one byte, letters of
/// other scripts match as their UTF-8 bytes). Immutable, cheap to copy, usable by several threads.
class Pattern {
 public:
  static constexpr std::size_t text_max = 4'096;

  struct Flags {
    bool ignore_case = false;  // ASCII letters
    bool multi_line = false;   // ^ and $ also at line ends
    bool dot_all = false;      // "." also matches a line end
  };

  /// The error names the offending place and reads after "not a regular expression: ".
  static Result<Pattern> compile(std::string_view text, Flags flags);
  static Result<Pattern> compile(std::string_view text) { return compile(text, Flags()); }

  /// Searches anywhere in `subject`, any bytes. Steps, CPU time, depth and memory are limited, so
  /// no text makes it hang: it takes at most some 70 ms of CPU.
  [[nodiscard]] Match matches(std::string_view subject) const;

 private:
  struct Impl;
  explicit Pattern(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// What a setting such as `expect_body` says: "text" is a substring, "/text/" a regular
/// expression, with the flags i, m and s behind the second slash.
class Matcher {
 public:
  /// Error for a bad regex and for an empty text, ready for Settings::complain.
  static Result<Matcher> parse(std::string_view text);

  [[nodiscard]] Match find_in(std::string_view subject) const;
  /// As the user wrote it, for details: `"ready"`, `/^\+PONG/`.
  [[nodiscard]] const std::string& shown() const { return shown_; }

 private:
  Matcher() = default;
  std::string shown_;
  std::string substring_;                   // used when there is no pattern
  std::shared_ptr<const Pattern> pattern_;  // null: substring
};

}  // namespace vitals
