// Reads what another Machine's agent answers to GET /health/check/NAME?format=json.
#pragma once

#include <optional>
#include <string_view>

#include <vitals/time.hpp>

namespace vitals::fleet {

/// Ages are told by the other Machine's own clocks; where last_attempt_header is missing, its Date
/// header is its present, and what is known of an attempt is the second of its end.
struct PeerAnswer {
  bool fails = false;
  /// The latest attempt lies at least and at most so long before the answer; nothing: it does not
  /// say.
  struct Age {
    Elapsed least{0};
    Elapsed most{0};
  };
  std::optional<Age> attempt{};
  /// It says that there is none that says anything of the dependency.
  bool none = false;
};

struct RawAnswer {
  int status = 0;
  std::string_view date;  // of the header; may be empty
  std::string_view body;
  std::string_view last_attempt{};  // the same
};

/// Nothing when it is no answer to the question: another status than 200 or 503, no health
/// document, another check, a check that has no status yet, or one whose agent knows nothing itself
/// (stale). The body may hold anything.
[[nodiscard]] std::optional<PeerAnswer> read_peer_answer(const RawAnswer& raw,
                                                         std::string_view check);

}  // namespace vitals::fleet
