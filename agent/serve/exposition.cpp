// Writes metric families the way Prometheus reads them.
// https://prometheus.io/docs/instrumenting/exposition_formats/ and
// https://github.com/OpenObservability/OpenMetrics (specification 1.0).
#include "agent/serve/exposition.hpp"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

constexpr std::string_view total_suffix = "_total";
/// Integers above this are not exact in a double.
constexpr double exact_integer_max = 9'007'199'254'740'992.0;

void append_integer(std::string& out, std::int64_t value) {
  std::array<char, 24> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

/// Writes `value` with at most `digits` decimals if that is exactly what it is. Nearly all our
/// numbers are nanoseconds or milliseconds, and this costs a tenth of snprintf (std::to_chars for
/// doubles would add 170 KB of tables to the binary).
bool append_decimal(std::string& out, double value, int digits, double scale) {
  const double magnitude = std::fabs(value);
  if (magnitude * scale >= exact_integer_max) return false;
  const auto scaled = static_cast<std::int64_t>(std::llround(magnitude * scale));
  if (static_cast<double>(scaled) / scale != magnitude) return false;
  const auto divisor = static_cast<std::int64_t>(scale);
  if (std::signbit(value)) out += '-';
  append_integer(out, scaled / divisor);
  std::int64_t fraction = scaled % divisor;
  if (fraction == 0) return true;
  std::array<char, 16> decimals{};
  for (int i = digits - 1; i >= 0; --i, fraction /= 10) {
    decimals[static_cast<std::size_t>(i)] = static_cast<char>('0' + fraction % 10);
  }
  auto length = static_cast<std::size_t>(digits);
  while (decimals[length - 1] == '0') --length;
  out += '.';
  out.append(decimals.data(), length);
  return true;
}

/// `quotes`: escape those too.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  const auto special = [quotes](char c) { return c == '\\' || c == '\n' || (quotes && c == '"'); };
  for (auto at = text.begin(); at != text.end();) {
    const auto next = std::find_if(at, text.end(), special);
    out.append(at, next);
    if (next == text.end()) return;
    out += '\\';
    out += *next == '\n' ? 'n' : *next;
    at = next + 1;
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append("=\"");
  append_escaped(out, value, true);
  out += '"';
}

/// "{a="b",le="0.1"}", or nothing without labels. `le` is empty except for buckets.
void append_labels(std::string& out, const ClientMetric& metric, std::string_view le) {
  if (metric.label.empty() && le.empty()) return;
  char separator = '{';
  for (const auto& label : metric.label) {
    out += separator;
    append_label(out, label.name, label.value);
    separator = ',';
  }
  if (!le.empty()) {
    out += separator;
    append_label(out, "le", le);
  }
  out += '}';
}

std::string bucket_bound(double bound, ExpositionFormat format) {
  std::string text;
  append_number(text, bound);
  // OpenMetrics wants a bound to look the same everywhere: "1.0", not "1".
  const bool whole = text.find_first_not_of("-0123456789") == std::string::npos;
  if (format == ExpositionFormat::openmetrics && whole) text += ".0";
  return text;
}

void append_histogram(std::string& out, const MetricFamily& family, const ClientMetric& metric,
                      ExpositionFormat format) {
  for (const auto& bucket : metric.histogram.bucket) {
    out.append(family.name).append("_bucket");
    append_labels(out, metric, bucket_bound(bucket.upper_bound, format));
    out += ' ';
    append_integer(out, static_cast<std::int64_t>(bucket.cumulative_count));
    out += '\n';
  }
  out.append(family.name).append("_sum");
  append_labels(out, metric, {});
  out += ' ';
  append_number(out, metric.histogram.sample_sum);
  out.append("\n").append(family.name).append("_count");
  append_labels(out, metric, {});
  out += ' ';
  append_integer(out, static_cast<std::int64_t>(metric.histogram.sample_count));
  out += '\n';
}

std::string_view type_name(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return "counter";
    case prometheus::MetricType::Gauge:
      return "gauge";
    case prometheus::MetricType::Histogram:
      return "histogram";
    case prometheus::MetricType::Summary:
    case prometheus::MetricType::Untyped:
      break;
  }
  VITALS_ASSERT(!"vitals has counters, gauges and histograms");
  return {};
}

/// In OpenMetrics a counter family is named without the suffix its samples carry.
std::string_view family_name(const MetricFamily& family, ExpositionFormat format) {
  std::string_view name = family.name;
  if (family.type != prometheus::MetricType::Counter) return name;
  VITALS_ASSERT(name.ends_with(total_suffix));
  if (format == ExpositionFormat::openmetrics) name.remove_suffix(total_suffix.size());
  return name;
}

}  // namespace

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  if (value == std::floor(value) && std::fabs(value) < exact_integer_max) {
    append_integer(out, static_cast<std::int64_t>(value));
    return;
  }
  if (append_decimal(out, value, 3, 1e3) || append_decimal(out, value, 6, 1e6) ||
      append_decimal(out, value, 9, 1e9)) {
    return;
  }
  std::array<char, 40> buffer{};
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.17g", value);
  out.append(buffer.data(), static_cast<std::size_t>(length));
}

void Exposition::begin(const MetricFamily& family) {
  const std::string_view name = family_name(family, format_);
  page_.append("# HELP ").append(name).append(" ");
  append_escaped(page_, family.help, format_ == ExpositionFormat::openmetrics);
  page_.append("\n# TYPE ").append(name).append(" ").append(type_name(family.type)).append("\n");
}

void Exposition::sample(const MetricFamily& family, const ClientMetric& metric) {
  if (family.type == prometheus::MetricType::Histogram) {
    append_histogram(page_, family, metric, format_);
    return;
  }
  page_.append(family.name);
  append_labels(page_, metric, {});
  page_ += ' ';
  const bool counter = family.type == prometheus::MetricType::Counter;
  append_number(page_, counter ? metric.counter.value : metric.gauge.value);
  page_ += '\n';
}

std::string Exposition::finish() && {
  if (format_ == ExpositionFormat::openmetrics) page_ += "# EOF\n";
  return std::move(page_);
}

}  // namespace vitals
