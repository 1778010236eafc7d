// Holds: somebody says that work is going on, for at most so long (PUT /busy/NAME).
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/time.hpp>

namespace vitals::idle {

inline constexpr Duration hold_default = std::chrono::minutes(10);
inline constexpr Duration hold_max = std::chrono::hours(24);
/// At once; more is refused, for each is a series of the metrics.
inline constexpr std::size_t holds_max = 64;

/// Thread-safe; a hold that has run out is gone for every reader.
class Holds {
 public:
  /// From now on for so long, also when it is held already. False: there are holds_max others.
  bool put(std::string_view name, Duration ttl, TimePoint now);
  /// False: there was nothing to end.
  bool remove(std::string_view name);
  /// Names, in order.
  [[nodiscard]] std::vector<std::string> active(TimePoint now) const;

 private:
  /// Guards the map between the listener, a scrape and the watcher; held for a walk over it.
  mutable std::mutex mutex_;
  std::map<std::string, TimePoint, std::less<>> until_;
};

}  // namespace vitals::idle
