// `warn` and `fail` of one share: a default that the other, written one leaves no room for.
#pragma once

#include <span>

#include <vitals/kind.hpp>

#include "agent/config/document.hpp"

namespace vitals::config {

/// With one of `warn` and `fail` written beyond the default of the other, writes that other one as
/// if the user had: `warn` is then `fail` (it never warns), `fail` is then 1 (nothing is left). So
/// no default makes a single setting wrong, and --print shows what is in force.
void fill_in_levels(Value& check, std::span<const KindSpec* const> kinds);

}  // namespace vitals::config
