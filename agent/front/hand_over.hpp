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

/// The door as the agent has it.
struct OpenDoor {
  Page page;
  Fd listener;  // empty: the supervisor has it already
};

/// The first agent listens where [app] front says. Nothing when no front door is configured.
[[nodiscard]] Result<std::optional<OpenDoor>> open_door(const Config& config);

/// An agent that comes back goes on with the door of the one before it, of which it inherited the
/// page, whatever the config says by now. Nothing when there was none.
[[nodiscard]] Result<std::optional<OpenDoor>> take_door_over(Fd inherited);

/// Gives listener and page to the supervisor, which starts the door at once: the page should have
/// its first word by then.
[[nodiscard]] std::optional<Error> hand_over(const Config& config, int link, int listener,
                                             int page);

}  // namespace vitals::front
