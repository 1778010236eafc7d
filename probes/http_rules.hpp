// What an HTTP answer must look like to pass: pure rules over status, headers and body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/result.hpp>

#include "probes/headers.hpp"
#include "probes/regex.hpp"

namespace vitals::http {

/// The status codes that pass: "200", "200-299", "2xx" and any list of those.
class StatusRanges {
 public:
  /// The error names the offending part and shows the form.
  static Result<StatusRanges> parse(const std::vector<std::string>& parts);
  [[nodiscard]] bool contains(int status) const;
  /// "200-299, 401", for details.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::pair<int, int>> ranges_;
};

/// POST, PUT, PATCH: a request without a body says so (RFC 9110 §8.6).
[[nodiscard]] bool has_body_by_nature(std::string_view method);

/// A value that must be there as a whole, or a /regex/ that must match somewhere in it.
class ValueRule {
 public:
  static Result<ValueRule> parse(std::string_view text);
  [[nodiscard]] bool accepts(std::string_view value) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::optional<Matcher> regex_;
};

/// Some header of that name must have a value the rule accepts.
struct HeaderRule {
  std::string name;
  ValueRule value;
};
/// Why the head breaks a rule, or nothing. Cookies of the server are never quoted.
[[nodiscard]] std::optional<std::string> header_complaint(std::string_view head,
                                                          const std::vector<HeaderRule>& rules);

/// The value at a JSON pointer (RFC 6901) must be this: text, number, true, false, null, or any
/// JSON; a /regex/ is matched against text.
struct JsonRule {
  std::string pointer;
  ValueRule expected;
};
/// The error says what is wrong with the pointer.
[[nodiscard]] Result<JsonRule> parse_json_rule(std::string_view pointer, std::string_view expected);
/// Nesting beyond which a document counts as hostile.
inline constexpr int json_depth_max = 64;
/// Why the body breaks a rule (also: not JSON, nested too deep), or nothing.
[[nodiscard]] std::optional<std::string> json_complaint(std::string_view body,
                                                        const std::vector<JsonRule>& rules);

/// The text of a body as a person would read it: tags, scripts and styles of HTML left out, nothing
/// when it is not text. `cut` says that the body goes on: then its last word, maybe half of
/// something, is left out too.
[[nodiscard]] std::string readable_text(std::string_view body, bool cut);

}  // namespace vitals::http
