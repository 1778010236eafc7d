// The one channel for what can fail for outside reasons.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include <vitals/assert.hpp>

namespace vitals {

/// Says what went wrong and, where one exists, the way out. For people; never a secret.
struct Error {
  std::string message;
};

/// Either a value or an error. Reading the wrong side is a bug (assert).
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    VITALS_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    VITALS_ASSERT(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    VITALS_ASSERT(ok());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] const E& error() const {
    VITALS_ASSERT(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, E> state_;
};

}  // namespace vitals
