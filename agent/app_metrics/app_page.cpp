// Writes the app's families in the format that is asked for.
#include "agent/app_metrics/app_page.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

constexpr std::string_view total_suffix = "_total";

std::string_view type_word(AppFamilyType type, bool openmetrics) {
  switch (type) {
    case AppFamilyType::untyped:
      return openmetrics ? "unknown" : "untyped";
    case AppFamilyType::counter:
      return "counter";
    case AppFamilyType::gauge:
      return "gauge";
    case AppFamilyType::histogram:
      return "histogram";
    case AppFamilyType::summary:
      return "summary";
  }
  VITALS_ASSERT(false);
  return {};
}

void append_help(std::string& out, std::string_view help, bool openmetrics) {
  for (const char c : help) {
    if (c == '\\' || c == '\n' || (c == '"' && openmetrics)) out += '\\';
    out += c == '\n' ? 'n' : c;
  }
}

/// OpenMetrics counts seconds: "1700000000123" becomes "1700000000.123".
void append_seconds(std::string& out, std::string_view milliseconds) {
  std::int64_t value = 0;
  std::from_chars(milliseconds.data(), milliseconds.data() + milliseconds.size(), value);
  constexpr std::int64_t per_second = 1'000;
  const std::int64_t magnitude = value < 0 ? -value : value;
  if (value < 0) out += '-';
  out += std::to_string(magnitude / per_second);
  const std::string fraction = std::to_string(per_second + magnitude % per_second);
  out.append(".").append(fraction, 1);
}

void append_with_seconds(std::string& out, std::string_view samples) {
  while (!samples.empty()) {
    const auto end = samples.find('\n');
    const std::string_view line = samples.substr(0, end);
    samples = samples.substr(end + 1);
    // Label values may hold blanks, what follows them may not hold braces.
    const auto labels_end = line.rfind('}');
    const auto value = line.find(' ', labels_end == std::string_view::npos ? 0 : labels_end);
    const auto time = line.find(' ', value + 1);
    out.append(line.substr(0, time));
    if (time != std::string_view::npos) {
      out += ' ';
      append_seconds(out, line.substr(time + 1));
    }
    out += '\n';
  }
}

/// OpenMetrics names a counter without its suffix, which every counter there has to have; one
/// without, or whose short name is another family's, is told as of no known type.
bool is_openmetrics_counter(const AppPage& page, const AppFamily& family) {
  if (family.type != AppFamilyType::counter || !family.name.ends_with(total_suffix)) return false;
  const auto short_name =
      std::string_view(family.name).substr(0, family.name.size() - total_suffix.size());
  return !short_name.empty() &&
         std::none_of(page.families.begin(), page.families.end(),
                      [&](const AppFamily& other) { return other.name == short_name; });
}

void append_family(std::string& out, const AppPage& page, const AppFamily& family,
                   bool openmetrics) {
  std::string_view name = family.name;
  AppFamilyType type = family.type;
  if (openmetrics && type == AppFamilyType::counter) {
    if (is_openmetrics_counter(page, family)) {
      name.remove_suffix(total_suffix.size());
    } else {
      type = AppFamilyType::untyped;
    }
  }
  if (!family.help.empty()) {
    out.append("# HELP ").append(name).append(" ");
    append_help(out, family.help, openmetrics);
    out += '\n';
  }
  out.append("# TYPE ").append(name).append(" ").append(type_word(type, openmetrics)).append("\n");
  if (openmetrics && family.has_timestamps) {
    append_with_seconds(out, family.samples);
  } else {
    out += family.samples;
  }
}

}  // namespace

void append_app_page(std::string& out, const AppPage& page, bool openmetrics) {
  for (const AppFamily& family : page.families) append_family(out, page, family, openmetrics);
}

}  // namespace vitals
