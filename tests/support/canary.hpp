// Secrets that can be found again: canaries, the forms a server may give them back in, and the
// search for what is left of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitals::test {

// What encoders make of bytes; written here once more so that no test trusts the code it tests.
std::string percent_encoded(std::string_view bytes, bool upper = true);
std::string form_encoded(std::string_view bytes);  // a blank is '+'
std::string base64_encoded(std::string_view bytes, bool url = false);
std::string json_escaped(std::string_view text, bool slashes = false);
std::string html_escaped(std::string_view text);
/// A basic string of TOML; what expands variables finds none in it.
std::string toml_string(std::string_view text);

/// Canaries of one test. Each has a part of letters and digits at either end, found nowhere else,
/// and between them all that encoders treat differently.
class Canaries {
 public:
  /// A new one. `place` are letters and digits.
  std::string make(const std::string& place);
  /// One of printable ASCII without blanks, as tokens are.
  std::string make_token(const std::string& place);
  /// One without special characters, for places that can't have them.
  std::string make_tame(const std::string& place);

  /// What of any canary is in `text`: one line each, "" when there is nothing. Looks for both ends
  /// of every canary as they are and in base64 at every alignment and alphabet: no form that the
  /// encoders above make is without one of them.
  [[nodiscard]] std::string found_in(std::string_view text) const;

 private:
  struct Form {
    std::string text;
    std::string meaning;
  };
  std::string make(const std::string& place, std::string_view between);
  void remember(const std::string& end, const std::string& place);
  std::vector<Form> forms_;
};

}  // namespace vitals::test
