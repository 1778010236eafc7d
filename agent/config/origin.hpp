// What a configuration was read from, as bytes that one agent leaves to the next. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/config/config.hpp"

namespace vitals::config {

[[nodiscard]] std::string to_bytes(const ConfigOrigin& origin);
/// Nothing: these are not bytes of to_bytes().
[[nodiscard]] std::optional<ConfigOrigin> origin_from(std::string_view bytes);

}  // namespace vitals::config
