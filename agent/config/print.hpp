// The effective settings of one check as TOML, without secrets.
#pragma once

#include <string>

#include <vitals/check.hpp>
#include <vitals/secrets.hpp>

#include "agent/config/document.hpp"

namespace vitals::config {

/// What was written in `table` and the defaults in force, one "key = value" line each; `***` for
/// every secret. Only for a check without mistakes.
[[nodiscard]] std::string print_settings(const CheckSpec& spec, const SecretSet& secrets,
                                         const Value& table);
/// The same of a group, its members among them.
[[nodiscard]] std::string print_group_settings(const CheckSpec& group);

}  // namespace vitals::config
