// The token as last read, for a second.
#include "agent/serve/token_check.hpp"

#include <utility>

#include "agent/serve/permissions.hpp"

namespace vitals {

std::optional<std::string> TokenCheck::known(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (now > read_at_ + token_age_max) value_.reset();
  return value_;
}

std::optional<bool> TokenCheck::matches(std::string_view authorization, TimePoint now, TokenAge age,
                                        bool may_read) {
  if (age == TokenAge::recent) {
    if (const auto token = known(now)) return bearer_matches(authorization, *token);
  }
  if (!may_read) return std::nullopt;
  auto read = token_.read();
  const std::string token = read ? std::move(read).value() : std::string();
  const std::lock_guard lock(mutex_);
  value_ = token;
  read_at_ = now;
  return bearer_matches(authorization, token);
}

bool TokenCheck::is_set(TimePoint now) {
  static_cast<void>(matches({}, now, TokenAge::recent, true));
  return !known(now).value_or("").empty();
}

}  // namespace vitals
