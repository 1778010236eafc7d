// Text that says something to everybody, and is a secret only where its name says so. Pure.
#pragma once

#include <string_view>

namespace vitals {

/// Whether `text` is a word ("database", "Unavailable", "PRODUCTION") or a date
/// ("2026-11-21T10:00:00Z"): half of all server texts hold such a one. Longer runs of letters are
/// no words, and neither is what mixes its letters.
[[nodiscard]] bool is_ordinary(std::string_view text);

}  // namespace vitals
