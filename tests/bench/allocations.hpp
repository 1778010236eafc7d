// How often this process asked for memory: malloc, calloc and realloc, of C and C++ alike.
#pragma once

#include <cstdint>

namespace vitals::bench {

/// Since the start, by all threads and libraries.
[[nodiscard]] std::uint64_t allocations();

}  // namespace vitals::bench
