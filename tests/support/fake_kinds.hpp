// Kinds that need no library: what the configuration is tested with.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>

#include "agent/config/loader.hpp"

namespace vitals::test {

/// "http", "tcp", "postgres" and "redis" with a setting of every type; their probes answer with the
/// settings they were made of.
[[nodiscard]] std::span<const KindSpec* const> fake_kinds();

using Variables = std::map<std::string, std::string>;

/// Loads `text` (none: the environment) as "vitals.toml" with the fake kinds.
[[nodiscard]] Result<config::Loaded, ConfigMistakes> load_text(std::optional<std::string> text,
                                                               const Variables& variables = {});

/// The mistakes, one a line; "" when there are none.
[[nodiscard]] std::string mistakes_of(const std::string& text, const Variables& variables = {});

/// What the probe of that check answers: its settings, one "name=value" line each.
[[nodiscard]] std::string settings_of(const Config& config, std::string_view check);

}  // namespace vitals::test
