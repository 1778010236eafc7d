// Which names checks and labels may have: one rule for the config that refuses them and for the
// pages that must not break on one. Pure.
#pragma once

#include <string_view>

namespace vitals {

/// [a-z0-9_-]{1,63}
[[nodiscard]] bool is_check_name(std::string_view name);

/// What is wrong with `name` as a configured label of check_info, and the way out; empty: nothing.
[[nodiscard]] std::string_view label_name_problem(std::string_view name);

}  // namespace vitals
