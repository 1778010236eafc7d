// Loads a configuration for its mistakes alone.
#include "tests/support/config_mistakes.hpp"

namespace vitals::test {

std::string mistakes_of(const config::LoadInput& input) {
  const auto loaded = config::load(input);
  std::string all;
  if (loaded) return all;
  for (const auto& line : loaded.error().lines) all += line + "\n";
  return all;
}

}  // namespace vitals::test
