// `provider = "openai"`: one word in a check that stands for settings it does not write itself.
#pragma once

#include <span>

#include <vitals/kind.hpp>

#include "agent/config/document.hpp"

namespace vitals::config {

/// The kind that the table names; null: none of these.
[[nodiscard]] const KindSpec* kind_of(const Value& check, std::span<const KindSpec* const> kinds);

/// Writes what the preset of that check stands for into its table, as if the user had; so the kind,
/// --print and the comparison at a reload see it without knowing of presets.
void fill_in_preset(Value& check, std::span<const KindSpec* const> kinds);

}  // namespace vitals::config
