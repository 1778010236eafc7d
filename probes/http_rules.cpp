// Judges status, headers and body of an HTTP answer; nlohmann-json reads the body here.
#include "probes/http_rules.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>

namespace vitals::http {
namespace {

constexpr int status_min = 100;
constexpr int status_max = 999;
/// Server values inside a detail. The runner scrubs secrets and only then cuts to what is shown, so
/// this is far above that: a secret must not be cut in two before it is recognised.
constexpr std::size_t quoted_max = 1'024;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::optional<int> status_code(std::string_view text) {
  int code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (text.size() != 3 || error != std::errc() || end != text.data() + text.size()) return {};
  if (code < status_min || code > status_max) return {};
  return code;
}

std::optional<std::pair<int, int>> status_range(std::string_view text) {
  if (text.size() == 3 && text[0] >= '1' && text[0] <= '9' &&
      (text.substr(1) == "xx" || text.substr(1) == "XX")) {
    const int first = (text[0] - '0') * 100;
    return std::pair{first, first + 99};
  }
  const auto dash = text.find('-');
  const auto low = status_code(trimmed(text.substr(0, dash)));
  const auto high =
      dash == std::string_view::npos ? low : status_code(trimmed(text.substr(dash + 1)));
  if (!low || !high || *high < *low) return {};
  return std::pair{*low, *high};
}

std::string in_quotes(std::string_view value) {
  return "\"" + std::string(value.substr(0, quoted_max)) + "\"";
}

std::string expected_text(const std::string& label, const ValueRule& rule) {
  return label + ": expected " + rule.text() + ", ";
}

bool json_equals(const nlohmann::json& value, const ValueRule& expected) {
  if (value.is_string()) return expected.accepts(value.get_ref<const std::string&>());
  const auto wanted = nlohmann::json::parse(expected.text(), nullptr, false);
  // nlohmann compares 1 and 1.0 as equal numbers.
  if (!wanted.is_discarded() && wanted == value) return true;
  const bool scalar = value.is_number() || value.is_boolean();
  return scalar && expected.accepts(value.dump());
}

std::string shown_json(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, quoted_max);
}

std::optional<std::string> json_rule_complaint(const nlohmann::json& document,
                                               const JsonRule& rule) {
  const std::string label = rule.pointer.empty() ? "the JSON document" : "JSON " + rule.pointer;
  const nlohmann::json::json_pointer pointer(rule.pointer);
  if (!document.contains(pointer)) return expected_text(label, rule.expected) + "not there";
  const auto& value = document.at(pointer);
  if (json_equals(value, rule.expected)) return {};
  return expected_text(label, rule.expected) + "got " + shown_json(value);
}

bool starts_with_name(std::string_view text, std::string_view name) {
  return text.size() >= name.size() && same_name(text.substr(0, name.size()), name);
}

/// The "</" that ends a script or style which begins at `open`.
std::size_t closing_tag(std::string_view html, std::size_t open, std::string_view name) {
  auto close = html.find("</", open);
  while (close != std::string_view::npos && !starts_with_name(html.substr(close + 2), name)) {
    close = html.find("</", close + 2);
  }
  return close;
}

/// Where the text goes on after the tag at `open`, "<".
std::size_t after_tag(std::string_view html, std::size_t open) {
  for (const std::string_view silent : {"script", "style"}) {
    if (!starts_with_name(html.substr(open + 1), silent)) continue;
    open = closing_tag(html, open, silent);
    if (open == std::string_view::npos) return html.size();
  }
  const auto end = html.find('>', open);
  return end == std::string_view::npos ? html.size() : end + 1;
}

std::string without_tags(std::string_view html) {
  std::string text;
  for (std::size_t i = 0; i < html.size();) {
    if (html[i] != '<') {
      text += html[i++];
      continue;
    }
    i = after_tag(html, i);
    text += ' ';
  }
  return text;
}

}  // namespace

Result<StatusRanges> StatusRanges::parse(const std::vector<std::string>& parts) {
  StatusRanges ranges;
  for (const auto& part : parts) {
    const auto range = status_range(trimmed(part));
    if (!range) {
      return Error{"'" + part +
                   "' is no status; write \"200\", \"200-299\" or \"2xx\" (100 to 999)"};
    }
    ranges.ranges_.push_back(*range);
  }
  if (ranges.ranges_.empty()) return Error{"no status would ever pass; write [\"200-299\"]"};
  return ranges;
}

bool StatusRanges::contains(int status) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [status](const auto& range) {
    return status >= range.first && status <= range.second;
  });
}

std::string StatusRanges::text() const {
  std::string text;
  for (const auto& [low, high] : ranges_) {
    if (!text.empty()) text += ", ";
    text += std::to_string(low);
    if (high != low) text += "-" + std::to_string(high);
  }
  return text;
}

bool has_body_by_nature(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

Result<ValueRule> ValueRule::parse(std::string_view text) {
  ValueRule rule;
  rule.text_ = text;
  if (text.size() < 3 || text.front() != '/') return rule;
  auto matcher = Matcher::parse(text);
  if (!matcher) return matcher.error();
  // A plain value, such as a path, is shown in quotes.
  if (matcher.value().shown().front() == '/') rule.regex_ = std::move(matcher).value();
  return rule;
}

bool ValueRule::accepts(std::string_view value) const {
  return regex_ ? regex_->find_in(value) == Match::yes : value == text_;
}

std::optional<std::string> header_complaint(std::string_view head,
                                            const std::vector<HeaderRule>& rules) {
  if (rules.empty()) return {};
  const auto lines = header_lines(head);
  for (const auto& rule : rules) {
    std::optional<std::string_view> seen;
    bool accepted = false;
    for (const auto& line : lines) {
      if (!same_name(line.name, rule.name)) continue;
      seen = line.value;
      accepted = accepted || rule.value.accepts(line.value);
    }
    if (accepted) continue;
    const auto complaint = expected_text("header " + rule.name, rule.value);
    if (!seen) return complaint + "not there";
    return complaint +
           (same_name(rule.name, "Set-Cookie") ? "got another" : "got " + in_quotes(*seen));
  }
  return {};
}

Result<JsonRule> parse_json_rule(std::string_view pointer, std::string_view expected) {
  auto value = ValueRule::parse(expected);
  if (!value) return value.error();
  try {
    const nlohmann::json::json_pointer parsed{std::string(pointer)};
  } catch (const nlohmann::json::exception&) {
    return Error{"'" + std::string(pointer) +
                 "' is no JSON pointer; it starts with '/', ~ is written ~0 and / in a name ~1: "
                 "\"/status\", \"/checks/0/ok\""};
  }
  return JsonRule{std::string(pointer), std::move(value).value()};
}

std::optional<std::string> json_complaint(std::string_view body,
                                          const std::vector<JsonRule>& rules) {
  if (rules.empty()) return {};
  bool too_deep = false;
  const auto watch_depth = [&too_deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    too_deep = too_deep || depth > json_depth_max;
    return !too_deep;
  };
  const auto document = nlohmann::json::parse(body.begin(), body.end(), watch_depth, false);
  if (too_deep) {
    return "the body is JSON nested more than " + std::to_string(json_depth_max) + " deep";
  }
  if (document.is_discarded()) {
    const auto text = readable_text(body, false);
    return "the body is not JSON" + (text.empty() ? text : ": " + text);
  }
  for (const auto& rule : rules) {
    try {
      if (auto complaint = json_rule_complaint(document, rule)) return complaint;
    } catch (const nlohmann::json::exception&) {
      // "/list/name": a name where the document has an array.
      return expected_text("JSON " + rule.pointer, rule.expected) + "not there";
    }
  }
  return {};
}

std::string readable_text(std::string_view body, bool cut) {
  if (body.find('\0') != std::string_view::npos) return {};
  if (cut) {
    const auto last = body.find_last_of(" \t\r\n<>\"',;&=");
    body = body.substr(0, last == std::string_view::npos ? 0 : last);
  }
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return {};
  body = body.substr(start);
  return std::string(trimmed(body.front() == '<' ? without_tags(body) : std::string(body)));
}

}  // namespace vitals::http
