// Checks from the environment (contract §3.3), as tables like those of a file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <vitals/kind.hpp>

#include "agent/config/config.hpp"
#include "agent/config/document.hpp"
#include "agent/config/mistakes.hpp"

namespace vitals::config {

struct Discovered {
  Value checks;  // what [checks] would hold
  std::vector<std::string> remarks;
};

/// PORT, DATABASE_URL, POSTGRES_URL, REDIS_URL, VALKEY_URL, VITALS_CHECK_<NAME>. An empty variable
/// counts as unset.
[[nodiscard]] Discovered discover_checks(const Environment& environment,
                                         const EnvironmentNames& names,
                                         std::span<const KindSpec* const> kinds,
                                         Mistakes& mistakes);

/// Why an http(s) URL is refused where a Redis URL is wanted.
inline constexpr std::string_view rest_endpoint_sentence =
    "this is the REST endpoint; REDIS_URL is the one with redis:// or rediss://";
[[nodiscard]] bool is_rest_endpoint(std::string_view url);

}  // namespace vitals::config
