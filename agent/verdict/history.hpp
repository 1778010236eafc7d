// What happened: the last results of each check and the last changes of status, within bounds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// Kept of each check: attempts without their words, and failures with them.
inline constexpr std::size_t results_kept = 60;
inline constexpr std::size_t failures_kept = 5;
/// Kept of all checks together, and as many of the verdict.
inline constexpr std::size_t transitions_kept = 50;
/// What one check may cost, and all that is kept once, in bytes of heap: 1,000 checks stay below
/// 3 MB. Details are cut to server_text_max before they get here.
inline constexpr std::size_t history_bytes_per_check = 3'000;
inline constexpr std::size_t history_bytes_shared = 64 * 1024;

/// One finished attempt in 24 bytes.
struct PastResult {
  WallTime at{};  // its end
  Elapsed duration{};
  Outcome outcome = Outcome::pass;
  Reason reason = Reason::none;
};

/// A failed attempt, with what it said.
struct PastFailure {
  PastResult result;
  std::string detail;
};

/// A change of status of a check, or of the verdict (then `check` is empty and `detail` names the
/// check that decided).
struct PastTransition {
  WallTime at{};
  std::string check;
  Status from = Status::unknown;
  Status to = Status::unknown;
  Reason reason = Reason::none;
  std::string detail;
  Elapsed lasted{};  // how long `from` had
};

/// Of one check; both lists begin with the newest.
struct CheckHistory {
  std::vector<PastResult> results;
  std::vector<PastFailure> failures;

  /// What 95 of 100 of the kept attempts that passed or warned stay within (nearest rank); nothing
  /// when none did.
  [[nodiscard]] std::optional<Elapsed> p95() const;
};

/// Thread-safe. Lives beside the snapshots, not in them: a snapshot is copied at each fold, and its
/// readers are many; what is kept here changes with each fold and is asked for by people alone. So
/// folding writes in place, and a reader gets a copy of the one check that it asks about.
class History {
 public:
  History();
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  void note_result(std::string_view check, const Sample& sample);
  void note_transition(PastTransition transition);
  /// Forgets a check; its transitions stay.
  void forget(std::string_view check);

  /// Empty for a check without a finished attempt.
  [[nodiscard]] CheckHistory of(std::string_view check) const;
  /// Newest first.
  [[nodiscard]] std::vector<PastTransition> transitions() const;
  [[nodiscard]] std::vector<PastTransition> verdicts() const;

 private:
  struct Past;

  /// Held for one write or the copy of one check, never while something is rendered.
  mutable std::mutex mutex_;
  std::map<std::string, Past, std::less<>> checks_;
  std::vector<PastTransition> transitions_;  // oldest first
  std::vector<PastTransition> verdicts_;     // oldest first
};

}  // namespace vitals
