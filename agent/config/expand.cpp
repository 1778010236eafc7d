// Puts the values of variables into strings.
#include "agent/config/expand.hpp"

#include <cctype>

#include <vitals/text.hpp>

namespace vitals::config {
namespace {

constexpr int nesting_max = 8;
constexpr std::size_t shown_max = 64;

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool continues_name(char c) { return starts_name(c) || (c >= '0' && c <= '9'); }

class Expander {
 public:
  Expander(std::string_view text, const Environment& environment)
      : rest_(text), environment_(environment) {}

  Expanded run() {
    Expanded result;
    result.text = read(0, false);
    result.problems = std::move(problems_);
    return result;
  }

 private:
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  void give_up(std::string problem) {
    problems_.push_back(std::move(problem));
    rest_ = {};
  }

  /// Up to the end, or for a default up to the brace that closes it.
  std::string read(int depth, bool inside) {
    std::string out;
    while (!rest_.empty() && !(inside && rest_.front() == '}')) {
      if (take("$$")) {
        out += '$';
      } else if (take("${")) {
        out += variable(depth);
      } else {
        out += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    return out;
  }

  std::string name() {
    std::size_t length = 0;
    if (!rest_.empty() && starts_name(rest_.front())) {
      while (length < rest_.size() && continues_name(rest_[length])) ++length;
    }
    const std::string result(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return result;
  }

  std::string variable(int depth) {
    const std::string variable_name = name();
    if (variable_name.empty()) {
      give_up("'${' must be followed by the name of a variable; write $$ for a dollar");
      return {};
    }
    const std::string shown = clean_text(variable_name, shown_max);
    const auto value = environment_(variable_name);
    if (take("}")) {
      if (!value) {
        problems_.push_back("${" + shown + "} is not set; set it, or give a default: ${" + shown +
                            ":-…}");
      }
      return value.value_or("");
    }
    if (!take(":-")) {
      // Not named: it may be a piece of a secret with a "${" in it.
      give_up("'${' must end in '}' or ':-default}'; a dollar is written '$$'");
      return {};
    }
    return with_default(value, shown, depth);
  }

  std::string with_default(const std::optional<std::string>& value, const std::string& shown,
                           int depth) {
    if (depth >= nesting_max) {
      give_up("defaults of variables nest deeper than " + std::to_string(nesting_max));
      return {};
    }
    const auto problems_before = problems_.size();
    std::string fallback = read(depth + 1, true);
    const bool closed = take("}");
    const bool used = !value || value->empty();
    // What is unset inside an unused default is nobody's mistake.
    if (!used && closed) problems_.resize(problems_before);
    if (!closed && problems_.size() == problems_before) {
      give_up("'${" + shown + ":-' has no closing '}'");
    }
    return used ? fallback : *value;
  }

  std::string_view rest_;
  const Environment& environment_;
  std::vector<std::string> problems_;
};

}  // namespace

Expanded expand(std::string_view text, const Environment& environment) {
  if (text.find('$') == std::string_view::npos) return {std::string(text), {}};
  return Expander(text, environment).run();
}

}  // namespace vitals::config
