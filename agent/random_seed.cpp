// A number nobody can foretell, to begin a sequence of drawn ones with.
#include "agent/random_seed.hpp"

#include <sys/random.h>
#include <sys/types.h>

namespace vitals {

std::uint32_t random_seed() {
  std::uint32_t seed = 0;
  while (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
  }
  return seed;
}

}  // namespace vitals
