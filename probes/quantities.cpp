// Shares and sizes of what can run out, for people.
#include "probes/quantities.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace vitals {

double percent(double share) { return std::round(share * 1'000) / 10; }

std::string shown_percent(double share) {
  return std::to_string(static_cast<long>(std::floor(share * 100))) + "%";
}

std::string shown_bytes(double bytes) {
  constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double step = 1024;
  std::size_t unit = 0;
  while (bytes >= step && unit + 1 < units.size()) {
    bytes /= step;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit > 0 && bytes < 10 ? "%.1f " : "%.0f ", bytes);
  return text.data() + std::string(units[unit]);
}

void complain_about_shares(Settings& settings, double warn, double fail) {
  if (warn <= fail) return;
  settings.complain(settings.has("warn") ? "warn" : "fail",
                    "warn must not be above fail, or it would never warn");
}

}  // namespace vitals
