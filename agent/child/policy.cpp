// Back-off and budget of restarts.
#include "agent/child/policy.hpp"

#include <sys/wait.h>

#include <algorithm>

namespace vitals::child {
namespace {

constexpr Duration helper_lived{10'000};
constexpr Duration helper_delay_min{100};
constexpr Duration helper_delay_usual{1'000};
constexpr Duration helper_delay_max{30'000};
constexpr std::uint32_t helper_deaths_usual = 10;

/// first · 2^times, at most `limit`.
Duration doubled(Duration first, std::uint32_t times, Duration limit) {
  constexpr std::uint32_t times_max = 16;  // enough to pass every limit here
  return std::min(limit, first * (1U << std::min(times, times_max)));
}

}  // namespace

RestartBudget::Decision RestartBudget::next(TimePoint now, Elapsed lifetime) {
  if (lifetime >= restart_window) in_a_row_ = 0;
  TimePoint& oldest = restarts_[granted_ % restarts_max];
  if (granted_ >= restarts_max && now - oldest < restart_window) return {};
  oldest = now;
  ++granted_;
  return {true, doubled(restart_delay_min, in_a_row_++, restart_delay_max)};
}

Duration HelperBackoff::next(Elapsed lifetime) {
  if (lifetime >= helper_lived) in_a_row_ = 0;
  const std::uint32_t deaths = in_a_row_++;
  if (deaths == 0) return Duration(0);
  if (deaths <= helper_deaths_usual) {
    return doubled(helper_delay_min, deaths - 1, helper_delay_usual);
  }
  return doubled(helper_delay_usual, deaths - helper_deaths_usual, helper_delay_max);
}

int exit_code_of(int wait_status) {
  constexpr int signal_base = 128;
  return WIFSIGNALED(wait_status) ? signal_base + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace vitals::child
