// [groups.NAME]: checks made of checks, and what becomes of their members.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config/check_reader.hpp"

namespace vitals::config {

/// Reads every group. Members lose their own voice: their impact becomes info, and they are asked
/// for no startup of their own unless they say so. Every mistake is recorded; what comes back is
/// only of use when there are none.
[[nodiscard]] std::vector<std::shared_ptr<const CheckSpec>> read_groups(
    const Value& groups, std::vector<ReadCheck>& checks, Mistakes& mistakes);

/// The keys of a group, as `vitals kinds` shows them.
[[nodiscard]] std::span<const SettingSpec> group_settings();

}  // namespace vitals::config
