// Reads the table [fleet].
#pragma once

#include "agent/config/config.hpp"
#include "agent/config/table_reader.hpp"

namespace vitals::config {

/// Every mistake is recorded; what comes back is only of use when there are none.
[[nodiscard]] FleetConfig read_fleet(const Value& table, const Environment& environment,
                                     Mistakes& mistakes);

}  // namespace vitals::config
