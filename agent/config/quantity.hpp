// Durations and sizes as people write them: "1.5s", "64KiB". Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals::config {

/// The error of parse_duration() for what is a duration, and longer than can be counted.
inline constexpr std::string_view endless_duration = "is longer than anybody can wait";

/// "500ms", "10s", "2m", "1h", "14d", "1.5s", "1h30m". The error is the end of a sentence that
/// begins with the name of the setting.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

/// The shortest form that parse_duration() reads back: "10s", "1500ms", "2m".
[[nodiscard]] std::string format_duration(Duration duration);

/// Bytes of "64KiB", "10MB", "512", "1.5MiB": powers of 1,024 with an i, of 1,000 without.
[[nodiscard]] Result<std::int64_t> parse_size(std::string_view text);

}  // namespace vitals::config
