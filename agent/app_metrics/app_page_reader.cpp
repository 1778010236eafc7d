// Reads a metrics page that somebody else wrote, line by line, and believes nothing.
// https://prometheus.io/docs/instrumenting/exposition_formats/, OpenMetrics 1.0.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <unordered_set>

#include <vitals/text.hpp>

#include "agent/app_metrics/app_page.hpp"

namespace vitals {
namespace {

/// More labels than this on one sample are a mistake (Prometheus itself has no limit).
constexpr std::size_t labels_max = 64;
/// Digits of a number that anybody wrote on purpose.
constexpr std::size_t number_max = 40;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

void skip_blanks(std::string_view& rest) {
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
}

bool take(std::string_view& rest, char wanted) {
  if (rest.empty() || rest.front() != wanted) return false;
  rest.remove_prefix(1);
  return true;
}

/// [a-zA-Z_:][a-zA-Z0-9_:]*, without colons for labels; empty when there is none.
std::string_view take_name(std::string_view& rest, bool colons) {
  std::size_t size = 0;
  while (size < rest.size()) {
    const char c = rest[size];
    if (!is_letter(c) && !(colons && c == ':') && !(size > 0 && is_digit(c))) break;
    ++size;
  }
  const auto name = rest.substr(0, size);
  rest.remove_prefix(size);
  return name;
}

std::string_view take_word(std::string_view& rest) {
  const auto size = std::min(rest.find_first_of(" \t"), rest.size());
  const auto word = rest.substr(0, size);
  rest.remove_prefix(size);
  skip_blanks(rest);
  return word;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!character.valid) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

/// A number as both formats spell it; nothing for what only some parsers take (hex, "_").
std::optional<std::string> to_value(std::string_view text) {
  if (text.empty() || text.size() > number_max) return std::nullopt;
  const std::string whole(text);
  char* end = nullptr;
  const double value = std::strtod(whole.c_str(), &end);
  if (end != whole.c_str() + whole.size()) return std::nullopt;
  if (std::isnan(value))
    return whole.find('(') == std::string::npos ? "NaN" : std::optional<std::string>();
  if (whole.find_first_not_of("0123456789+-.eE") == std::string::npos) return whole;
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return std::nullopt;
}

/// Unix time in milliseconds, from milliseconds or (OpenMetrics) seconds.
std::optional<std::string> to_milliseconds(std::string_view text, bool openmetrics) {
  const auto number = to_value(text);
  if (!number) return std::nullopt;
  const double time = std::strtod(number->c_str(), nullptr) * (openmetrics ? 1e3 : 1);
  constexpr double time_max = 1e15;  // the year 33658
  if (!(std::fabs(time) <= time_max)) return std::nullopt;
  return std::to_string(std::llround(time));
}

struct Label {
  std::string_view name;
  std::string_view value;  // escaped, as written
};

/// The value up to its closing quote: only the escapes that both formats have, and UTF-8.
std::optional<std::string_view> take_label_value(std::string_view& rest) {
  if (!take(rest, '"')) return std::nullopt;
  std::size_t size = 0;
  while (size < rest.size() && rest[size] != '"') {
    if (rest[size] != '\\') {
      const auto character = first_character(rest.substr(size));
      if (!character.valid) return std::nullopt;
      size += character.length;
      continue;
    }
    const char escaped = size + 1 < rest.size() ? rest[size + 1] : '\0';
    if (escaped != '\\' && escaped != '"' && escaped != 'n') return std::nullopt;
    size += 2;
  }
  if (size >= rest.size()) return std::nullopt;
  const auto value = rest.substr(0, size);
  rest.remove_prefix(size + 1);
  return value;
}

/// What stands in braces, if anything does; nothing when it is malformed.
std::optional<std::vector<Label>> take_labels(std::string_view& rest) {
  std::vector<Label> labels;
  if (!take(rest, '{')) return labels;
  while (true) {
    skip_blanks(rest);
    if (take(rest, '}')) return labels;
    Label label;
    label.name = take_name(rest, false);
    skip_blanks(rest);
    const bool equals = take(rest, '=');
    skip_blanks(rest);
    const auto value = take_label_value(rest);
    const bool twice = std::any_of(labels.begin(), labels.end(),
                                   [&](const Label& l) { return l.name == label.name; });
    if (label.name.empty() || label.name == "__name__" || !equals || !value || twice ||
        labels.size() == labels_max) {
      return std::nullopt;
    }
    label.value = *value;
    labels.push_back(label);
    skip_blanks(rest);
    if (!take(rest, ',') && (rest.empty() || rest.front() != '}')) return std::nullopt;
  }
}

struct AppSample {
  std::string_view name;
  std::vector<Label> labels;
  std::string value;
  std::string timestamp;  // empty: none

  [[nodiscard]] const Label* label(std::string_view wanted) const {
    for (const Label& each : labels) {
      if (each.name == wanted) return &each;
    }
    return nullptr;
  }
  /// The same for the same series, however its labels are ordered.
  [[nodiscard]] std::size_t hash() const {
    const std::hash<std::string_view> hash_of;
    constexpr std::size_t odd = 0x9E3779B97F4A7C15ULL;
    std::size_t sum = hash_of(name) * odd;
    for (const Label& each : labels) sum += (hash_of(each.name) * odd) ^ hash_of(each.value);
    return sum;
  }
};

std::optional<AppSample> parse_sample(std::string_view line, bool openmetrics) {
  AppSample sample;
  skip_blanks(line);
  sample.name = take_name(line, true);
  skip_blanks(line);
  auto labels = take_labels(line);
  if (sample.name.empty() || !labels) return std::nullopt;
  sample.labels = std::move(*labels);
  skip_blanks(line);
  auto value = to_value(take_word(line));
  if (!value) return std::nullopt;
  sample.value = std::move(*value);
  if (line.empty() || (openmetrics && line.front() == '#')) return sample;
  auto time = to_milliseconds(take_word(line), openmetrics);
  const bool exemplar = openmetrics && !line.empty() && line.front() == '#';
  if (!time || (!line.empty() && !exemplar)) return std::nullopt;
  sample.timestamp = std::move(*time);
  return sample;
}

void append_sample(std::string& out, const AppSample& sample) {
  out.append(sample.name);
  char separator = '{';
  for (const Label& label : sample.labels) {
    out += separator;
    out.append(label.name).append("=\"").append(label.value).append("\"");
    separator = ',';
  }
  if (!sample.labels.empty()) out += '}';
  out.append(" ").append(sample.value);
  if (!sample.timestamp.empty()) out.append(" ").append(sample.timestamp);
  out += '\n';
}

std::string unescaped(std::string_view text, bool quotes) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '\\' && (next == '\\' || next == 'n' || (quotes && next == '"'))) {
      out += next == 'n' ? '\n' : next;
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

class Reader {
 public:
  Reader(bool openmetrics, const std::function<bool(std::string_view)>& is_ours)
      : openmetrics_(openmetrics), is_ours_(is_ours) {}

  AppPage read(std::string_view text) {
    while (!text.empty()) {
      const auto end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      if (line.front() == '#') {
        read_comment(line.substr(1));
      } else {
        read_sample(line);
      }
    }
    return finish();
  }

 private:
  struct Draft {
    AppFamily family;
    bool ours = false;
    bool typed = false;
  };

  void drop(DropCause cause) { ++page_.dropped[static_cast<std::size_t>(cause)]; }

  Draft& draft(std::string_view name) {
    const auto found = index_.find(name);
    if (found != index_.end()) return drafts_[found->second];
    index_.emplace(std::string(name), drafts_.size());
    Draft& made = drafts_.emplace_back();
    made.family.name = name;
    made.ours = is_ours_(name);
    if (made.ours) drop(DropCause::collision);
    return made;
  }

  Draft* find(std::string_view name) {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &drafts_[found->second];
  }

  void read_comment(std::string_view rest) {
    skip_blanks(rest);
    const auto word = take_word(rest);
    if (word != "HELP" && word != "TYPE") return;
    const auto name = take_name(rest, true);
    if (name.empty() || (!rest.empty() && !is_blank(rest.front()))) {
      drop(DropCause::malformed);
      return;
    }
    skip_blanks(rest);
    if (word == "HELP") {
      if (is_utf8(rest)) help_.insert_or_assign(std::string(name), unescaped(rest, openmetrics_));
    } else {
      read_type(name, rest);
    }
  }

  /// OpenMetrics' types become those of the Prometheus format, under the names of their samples.
  void read_type(std::string_view name, std::string_view type) {
    const auto is = [&](std::string_view word) { return type == word; };
    std::string target(name);
    if (openmetrics_ && is("counter")) target += "_total";
    if (openmetrics_ && is("info")) target += "_info";
    if (openmetrics_ && is("gaugehistogram")) return;  // each of its samples becomes untyped
    Draft& made = draft(target);
    if (target != name) short_names_.insert_or_assign(std::string(name), target);
    if (made.typed || !made.family.samples.empty()) {
      drop(DropCause::malformed);
      return;
    }
    made.typed = true;
    made.family.type = is("counter")                                 ? AppFamilyType::counter
                       : is("gauge") || is("info") || is("stateset") ? AppFamilyType::gauge
                       : is("histogram")                             ? AppFamilyType::histogram
                       : is("summary")                               ? AppFamilyType::summary
                                                                     : AppFamilyType::untyped;
  }

  /// The family whose part `name` is: of "x_bucket" the histogram x, if there is one.
  Draft& family_of(std::string_view name) {
    if (Draft* exact = find(name)) return *exact;
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
      if (!name.ends_with(suffix)) continue;
      Draft* const base = find(name.substr(0, name.size() - suffix.size()));
      if (base == nullptr) continue;
      const bool histogram = base->family.type == AppFamilyType::histogram;
      const bool summary = base->family.type == AppFamilyType::summary && suffix != "_bucket";
      if (histogram || summary) return *base;
    }
    return draft(name);
  }

  /// _created tells when a counter began; the Prometheus format has no place for it.
  bool is_created(std::string_view name) {
    constexpr std::string_view suffix = "_created";
    if (!openmetrics_ || !name.ends_with(suffix)) return false;
    const auto base = name.substr(0, name.size() - suffix.size());
    return short_names_.find(base) != short_names_.end() || find(base) != nullptr;
  }

  static bool fits(const AppFamily& family, const AppSample& sample) {
    const auto number_in = [&](std::string_view label) {
      const Label* const found = sample.label(label);
      return found != nullptr && to_value(found->value).has_value();
    };
    const std::string_view part = sample.name.substr(family.name.size());
    switch (family.type) {
      case AppFamilyType::untyped:
      case AppFamilyType::counter:
      case AppFamilyType::gauge:
        return true;
      case AppFamilyType::histogram:
        return !part.empty() && (part != "_bucket" || number_in("le"));
      case AppFamilyType::summary:
        return !part.empty() || number_in("quantile");
    }
    return false;
  }

  void read_sample(std::string_view line) {
    const auto sample = parse_sample(line, openmetrics_);
    if (!sample) {
      drop(DropCause::malformed);
      return;
    }
    if (is_created(sample->name)) return;
    Draft& made = family_of(sample->name);
    if (made.ours) return;
    if (made.family.name != sample->name && is_ours_(sample->name)) {
      drop(DropCause::collision);
    } else if (!fits(made.family, *sample)) {
      drop(DropCause::malformed);
    } else if (!seen_.insert(sample->hash()).second) {
      drop(DropCause::duplicate);
    } else {
      append_sample(made.family.samples, *sample);
      made.family.has_timestamps = made.family.has_timestamps || !sample->timestamp.empty();
    }
  }

  AppPage finish() {
    for (auto& [name, help] : help_) {
      const auto longer = short_names_.find(name);
      Draft* const described = find(longer == short_names_.end() ? name : longer->second);
      if (described != nullptr) described->family.help = std::move(help);
    }
    for (Draft& each : drafts_) {
      if (!each.ours && !each.family.samples.empty()) {
        page_.families.push_back(std::move(each.family));
      }
    }
    return std::move(page_);
  }

  const bool openmetrics_;
  const std::function<bool(std::string_view)>& is_ours_;
  AppPage page_;
  std::vector<Draft> drafts_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::map<std::string, std::string, std::less<>> help_;
  std::map<std::string, std::string, std::less<>> short_names_;  // OpenMetrics: x → x_total
  std::unordered_set<std::size_t> seen_;
};

}  // namespace

AppPage read_app_page(std::string_view text, bool openmetrics,
                      const std::function<bool(std::string_view)>& is_ours) {
  return Reader(openmetrics, is_ours).read(text);
}

}  // namespace vitals
