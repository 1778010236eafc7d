// All kinds, by name: the only thing the agent knows of probes.
#pragma once

#include <span>

#include <vitals/kind.hpp>

namespace vitals {

/// Every kind in the order of kinds.hpp. Static; valid for the whole program.
[[nodiscard]] std::span<const KindSpec* const> all_kinds();

/// Once per process, before the first probe runs and before threads start: initialises the
/// libraries that ask for that. Cheap enough to come after the listener is up (about 1 ms).
void initialise_probe_libraries();

}  // namespace vitals
