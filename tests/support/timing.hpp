// How long something may take where it is measured: sanitizers make it slower, not wrong.
#pragma once

namespace vitals::test {

#if defined(__SANITIZE_THREAD__)
constexpr int slowness = 20;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int slowness = 5;
#else
constexpr int slowness = 1;
#endif

/// The longest that something may take which is promised within `bound`: a duration, or seconds.
template <typename Bound>
constexpr Bound at_most(Bound bound) {
  return bound * slowness;
}

}  // namespace vitals::test
