// The header's text, written and read.
#include "agent/verdict/last_attempt.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>

#include "agent/verdict/health_state.hpp"

namespace vitals {
namespace {

constexpr std::string_view none_word = "none";
constexpr std::string_view pass_word = "pass";
constexpr std::string_view fail_word = "fail";
constexpr std::string_view began_key = "; began_ms=";
constexpr std::string_view ended_key = "; ended_ms=";
/// Nobody's agent runs for longer, and nothing overflows.
constexpr std::int64_t age_max_ms = 10LL * 365 * 24 * 3'600 * 1'000;

/// The monotonic clock stands still while the Machine does.
Elapsed age_of(const Instant& then, const Instant& now) {
  const auto by_wall = std::chrono::duration_cast<Elapsed>(now.wall - then.wall);
  return std::max({Elapsed::zero(), Elapsed(now.mono - then.mono), by_wall});
}

/// Takes `expected` from the front of `rest`.
bool take(std::string_view& rest, std::string_view expected) {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

std::optional<Elapsed> take_age(std::string_view& rest, std::string_view key) {
  if (!take(rest, key)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || value < 0 || value > age_max_ms) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return Duration(value);
}

}  // namespace

std::string write_last_attempt(const CheckState& check, const CheckJudgement& judgement,
                               const Instant& now) {
  if (check.spec->is_group()) return std::string(judgement.unproven ? none_word : "");
  if (!has_word(check)) return std::string(none_word);
  const auto began = std::chrono::ceil<Duration>(age_of(check.last->started, now));
  const auto ended = std::chrono::floor<Duration>(age_of(check.last->finished, now));
  std::string text(check.failures_in_a_row > 0 ? fail_word : pass_word);
  text.append(began_key).append(std::to_string(began.count()));
  return text.append(ended_key).append(std::to_string(ended.count()));
}

std::optional<LastAttempt> read_last_attempt(std::string_view text) {
  LastAttempt attempt;
  if (text == none_word) return attempt;
  if (take(text, pass_word)) {
    attempt.said = LastAttempt::Said::pass;
  } else if (take(text, fail_word)) {
    attempt.said = LastAttempt::Said::fail;
  } else {
    return std::nullopt;
  }
  const auto began = take_age(text, began_key);
  const auto ended = take_age(text, ended_key);
  if (!began || !ended || !text.empty() || *began < *ended) return std::nullopt;
  attempt.began = *began;
  attempt.ended = *ended;
  return attempt;
}

}  // namespace vitals
