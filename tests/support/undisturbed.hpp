// A measurement in which the machine had no part.
#pragma once

#include "tests/support/stalls.hpp"

namespace vitals::test {

/// What `measure` returns of a time in which the machine did not stand still: where tenths of a
/// second decide what happens, a stall decides it otherwise, and proves nothing. It is called again
/// until then, whatever it returned.
template <typename Measure>
auto undisturbed(Measure measure) {
  constexpr int tries_max = 50;
  for (int tries = 1;; ++tries) {
    const Stalls before = stalls_so_far();
    auto result = measure();
    if (tries == tries_max || stalled_since(before).count() == 0) return result;
  }
}

}  // namespace vitals::test
