// All kinds, by name, and the resolver they use: the only things the agent knows of probes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <vitals/kind.hpp>
#include <vitals/result.hpp>

namespace vitals {

/// Every kind in the order of kinds.hpp. Static; valid for the whole program.
[[nodiscard]] std::span<const KindSpec* const> all_kinds();

/// Once per process, before the first probe runs and before threads start: initialises the
/// libraries that ask for that. Cheap enough to come after the listener is up (about 1 ms).
void initialise_probe_libraries();

/// All addresses of a host, numeric, each once, through the same resolver as the probes'
/// (/etc/hosts, then the name servers of /etc/resolv.conf as they are now). Blocks until the
/// deadline; the error says why there are none. Any thread, after initialise_probe_libraries().
[[nodiscard]] Result<std::vector<std::string>> addresses_of(const std::string& host,
                                                            const Deadline& deadline);

/// What `vitals_memory_available_bytes` and the pressure families say of this Machine now, with or
/// without a check of kind memory. Reads /proc and /sys (a fifth of a millisecond); what the kernel
/// does not tell is left out. Any thread.
[[nodiscard]] std::vector<Measurement> measure_machine();

}  // namespace vitals
