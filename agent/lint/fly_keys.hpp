// Which keys a fly.toml may have. Facts about flyctl, as of August 2026.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::lint {

/// The keys of a table; nothing where any key may stand ([env], headers). `path` is dotted, with
/// "*" for names that people choose: "checks.*".
[[nodiscard]] std::optional<std::vector<std::string_view>> known_keys(std::string_view path);

/// What people write for another key, where spelling is no help; empty when nothing is known.
[[nodiscard]] std::string_view meant_key(std::string_view path, std::string_view key);

}  // namespace vitals::lint
