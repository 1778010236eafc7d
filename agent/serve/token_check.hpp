// Compares what a request shows with the bearer token, whose file is not read for each of them.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/settings.hpp>
#include <vitals/time.hpp>

namespace vitals {

/// How old the content of the token's file may be where `recent` will do.
inline constexpr Duration token_age_max{1'000};

/// What is rare and changes things (control) reads the file anew; what is read often does not.
enum class TokenAge { fresh, recent };

/// Thread-safe. Who waits for nothing never waits here, however slow the disk is.
class TokenCheck {
 public:
  explicit TokenCheck(Text token) : token_(std::move(token)) {}

  /// Is `authorization` the bearer token? Nothing: it must be read first, and `may_read` (blocking
  /// disk I/O) is false. A token that can't be read is nobody's.
  [[nodiscard]] std::optional<bool> matches(std::string_view authorization, TimePoint now,
                                            TokenAge age, bool may_read);
  /// Is there a token that could be shown? Blocking disk I/O.
  [[nodiscard]] bool is_set(TimePoint now);

 private:
  [[nodiscard]] std::optional<std::string> known(TimePoint now);

  const Text token_;
  std::mutex mutex_;  // guards what follows; not held while reading
  std::optional<std::string> value_;
  TimePoint read_at_{};
};

}  // namespace vitals
