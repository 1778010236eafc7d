// Counts what a probe must give back: descriptors and threads of this process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace vitals::test {

inline std::size_t entries_of(const std::filesystem::path& folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}
/// One more than are open: the listing's own; the same in each call.
inline std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
inline std::size_t running_threads() { return entries_of("/proc/self/task"); }

}  // namespace vitals::test
