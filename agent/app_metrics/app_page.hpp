// The app's own metrics page, taken apart so far that it can stand on ours: both text formats in,
// both out, and nothing that would cost the whole scrape.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Why something of the app's page is missing on ours: label of app_metrics_dropped_total.
enum class DropCause {
  collision,  // a family with a name of ours
  duplicate,  // a series that was there before
  malformed,  // a line that no scraper would take
  too_large,  // from here on: the whole page
  timeout,
  unreachable,
  status,
  stale,  // the last good page was too old to be shown any longer
};
inline constexpr std::size_t drop_cause_count = 8;
inline constexpr std::array<std::string_view, drop_cause_count> drop_cause_labels{
    "collision", "duplicate",   "malformed", "too_large",
    "timeout",   "unreachable", "status",    "stale"};
using DropCounts = std::array<std::uint64_t, drop_cause_count>;

enum class AppFamilyType { untyped, counter, gauge, histogram, summary };

/// Samples in canonical form: "name{a="b"} 1" or "name 1 1700000000000", one a line.
struct AppFamily {
  std::string name;  // of a counter with "_total", as in the Prometheus format
  AppFamilyType type = AppFamilyType::untyped;
  std::string help;  // unescaped
  std::string samples;
  bool has_timestamps = false;
};

/// Immutable once read.
struct AppPage {
  std::vector<AppFamily> families;  // each with samples
  DropCounts dropped{};             // of this page, by cause
};

/// `is_ours(name)`: a family of that name is ours already. `openmetrics`: by its content type;
/// exemplars, units and _created samples are left out. Never fails: what can't be used is counted.
[[nodiscard]] AppPage read_app_page(std::string_view text, bool openmetrics,
                                    const std::function<bool(std::string_view)>& is_ours);

/// The page in either format, without "# EOF".
void append_app_page(std::string& out, const AppPage& page, bool openmetrics);

}  // namespace vitals
