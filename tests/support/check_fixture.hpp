// One live check from a few lines of TOML, as the program itself would make it.
#pragma once

#include <map>
#include <string>

#include <vitals/probe.hpp>

#include "agent/config/config.hpp"

namespace vitals::test {

/// `body` is what stands below [checks.test]: `kind = "redis"\nurl = "redis://…"`. Throws
/// std::runtime_error with all mistakes when it does not load.
ConfiguredCheck make_check(const std::string& body,
                           const std::map<std::string, std::string>& environment = {});

/// One attempt under a deadline of `timeout` from now.
ProbeResult ask(const ConfiguredCheck& check, Duration timeout = Duration(10'000),
                bool drop_connections = false);

/// One attempt that is interrupted from the start: it is over within 100 ms, long before its
/// deadline.
void check_ends_at_interrupt(const ConfiguredCheck& check);

/// The measurement of that name (without "vitals_") and, when given, those label values.
std::optional<double> measured(const ProbeResult& result, std::string_view metric,
                               const std::vector<std::string>& labels = {});

}  // namespace vitals::test
