// How often a text stands in another one.
#pragma once

#include <cstddef>
#include <string_view>

namespace vitals::test {

/// Overlapping ones count, each.
inline std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace vitals::test
