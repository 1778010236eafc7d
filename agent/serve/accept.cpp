// Which format a client wants: ?format= and the Accept header with its q-values (RFC 9110 §12.5.1).
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include <vitals/text.hpp>

#include "agent/serve/endpoints.hpp"
#include "agent/text/http_syntax.hpp"

namespace vitals {
namespace {

/// Cuts `text` at the first `separator` and returns what stood before it, trimmed.
std::string_view next_part(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  const auto part = http::trim_blanks(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

/// "0.8" as thousandths; nothing for what is no qvalue.
std::optional<int> parse_quality(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int thousandths = text[0] == '1' ? 1'000 : 0;
  int weight = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return std::nullopt;
    thousandths += (c - '0') * weight;
    weight /= 10;
  }
  if (thousandths > 1'000) return std::nullopt;
  return thousandths;
}

/// One element of Accept: "text/*;q=0.5".
struct Range {
  std::string type;  // lower case, with subtype
  std::string version;
  int quality = 1'000;
};

std::optional<Range> parse_range(std::string_view element) {
  Range range;
  range.type = to_lower(next_part(element, ';'));
  if (range.type == "*") range.type = "*/*";  // old Java clients
  if (range.type.find('/') == std::string::npos) return std::nullopt;
  while (!element.empty()) {
    auto parameter = next_part(element, ';');
    const auto name = to_lower(next_part(parameter, '='));
    const auto value = http::trim_blanks(parameter);
    if (name == "version") range.version = value;
    if (name != "q") continue;
    const auto quality = parse_quality(value);
    if (!quality) return std::nullopt;
    range.quality = *quality;
  }
  return range;
}

/// Malformed elements are skipped: an Accept header is advice, never a reason to refuse.
std::vector<Range> parse_accept(std::string_view accept) {
  std::vector<Range> ranges;
  while (!accept.empty()) {
    const auto element = next_part(accept, ',');
    if (auto range = parse_range(element)) ranges.push_back(std::move(*range));
  }
  return ranges;
}

/// How well a media type fits; compared member by member.
struct Fit {
  int quality = 0;
  int precision = 0;  // 3: named, 2: text/*, 1: */*, 0: not mentioned
  int earliness = 0;

  [[nodiscard]] friend bool operator<(const Fit& a, const Fit& b) {
    return std::tie(a.quality, a.precision, a.earliness) <
           std::tie(b.quality, b.precision, b.earliness);
  }
};

int precision_of(const std::string& range, std::string_view type) {
  if (range == type) return 3;
  if (range == "*/*") return 1;
  const auto slash = type.find('/');
  return range.size() == slash + 2 && range.ends_with("/*") &&
                 type.starts_with(range.substr(0, slash))
             ? 2
             : 0;
}

// The most precise range that matches a type decides its quality, whatever the others say.
Fit fit_of(const std::vector<Range>& ranges, std::string_view type) {
  Fit best;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const int precision = precision_of(ranges[i].type, type);
    const Fit fit{ranges[i].quality, precision, -static_cast<int>(i)};
    if (precision > best.precision ||
        (precision == best.precision && precision > 0 && best < fit)) {
      best = fit;
    }
  }
  return best;
}

struct Offer {
  std::string_view type;
  Format format;
};

/// In our order of preference, for ties.
constexpr std::array<Offer, 4> offers{{{"application/health+json", Format::json},
                                       {"application/json", Format::json},
                                       {"text/plain", Format::text},
                                       {"text/html", Format::html}}};

Format named_format(std::string_view name) {
  if (name == "text") return Format::text;
  if (name == "line") return Format::line;
  if (name == "html") return Format::html;
  return Format::json;
}

bool is_our_openmetrics(const Range& range) {
  return range.type == "application/openmetrics-text" &&
         (range.version.empty() || range.version == "1.0.0");
}

}  // namespace

Format choose_format(std::string_view query_format, std::string_view accept) {
  if (!query_format.empty()) return named_format(query_format);
  if (accept.empty() || accept == "*/*") return Format::json;
  const auto ranges = parse_accept(accept);
  Format chosen = Format::json;
  Fit best;
  for (const auto& offer : offers) {
    const Fit fit = fit_of(ranges, offer.type);
    if (fit.quality == 0 || !(best < fit)) continue;
    best = fit;
    chosen = offer.format;
  }
  return chosen;
}

bool prefers_openmetrics(std::string_view accept) {
  if (accept.empty()) return false;
  const auto ranges = parse_accept(accept);
  Fit ours;  // only by name: a client that takes anything gets the format that all can read
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (!is_our_openmetrics(ranges[i])) continue;
    ours = std::max(ours, Fit{ranges[i].quality, 3, -static_cast<int>(i)});
  }
  return ours.quality > 0 && fit_of(ranges, "text/plain") < ours;
}

}  // namespace vitals
