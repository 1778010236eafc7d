// Seeds are drawn, not computed.
#include "agent/random_seed.hpp"

#include <doctest/doctest.h>

#include <set>

TEST_CASE("random seed: drawn a hundred times, it is another one each time") {
  // Two may be the same by chance, once in a million runs.
  std::set<std::uint32_t> seeds;
  for (int i = 0; i < 100; ++i) seeds.insert(vitals::random_seed());
  CHECK(seeds.size() >= 99);
}
