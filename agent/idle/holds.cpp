// A map of names to the moment until which they hold.
#include "agent/idle/holds.hpp"

namespace vitals::idle {

bool Holds::put(std::string_view name, Duration ttl, TimePoint now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(until_, [&](const auto& hold) { return hold.second <= now; });
  const auto found = until_.find(name);
  if (found != until_.end()) {
    found->second = now + ttl;
    return true;
  }
  if (until_.size() >= holds_max) return false;
  until_.emplace(name, now + ttl);
  return true;
}

bool Holds::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = until_.find(name);
  if (found == until_.end()) return false;
  until_.erase(found);
  return true;
}

std::vector<std::string> Holds::active(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, until] : until_) {
    if (until > now) names.push_back(name);
  }
  return names;
}

}  // namespace vitals::idle
