// A number nobody can foretell, to begin a sequence of drawn ones with.
#pragma once

#include <cstdint>

namespace vitals {

/// From the kernel. std::random_device asks the CPU first what it can do, and each such question
/// costs a virtual machine an exit: 12 µs here, of which every check had one at the start.
[[nodiscard]] std::uint32_t random_seed();

}  // namespace vitals
