// Shares and sizes of what can run out, as disk and memory read and show them.
#pragma once

#include <string>

#include <vitals/settings.hpp>

namespace vitals {

/// Of a share from 0 to 1, with one decimal.
[[nodiscard]] double percent(double share);
/// "81%"; rounded down, so that a full 100% is one.
[[nodiscard]] std::string shown_percent(double share);
/// "512 B", "23 MiB", "1.9 GiB".
[[nodiscard]] std::string shown_bytes(double bytes);

/// A `warn` above `fail` would never be seen.
void complain_about_shares(Settings& settings, double warn, double fail);

}  // namespace vitals
