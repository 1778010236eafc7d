// How the agent, which reads the configuration, gives the front door to the supervisor, which keeps
// it.
#pragma once

#include <optional>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>

#include "agent/config/config.hpp"
#include "agent/front/page.hpp"

namespace vitals::front {

/// The page that the supervisor left in its place for us; empty: there is no door yet. Before
/// anything else opens a descriptor.
[[nodiscard]] Fd inherited_page();

/// The page of the door. The first agent listens where [app] front says, and hands listener and
/// page over; one that comes back finds the page it inherited. Nothing when no front door is
/// configured.
[[nodiscard]] Result<std::optional<Page>> take_door(const Config& config, int link, Fd inherited);

}  // namespace vitals::front
