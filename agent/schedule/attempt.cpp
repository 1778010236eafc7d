// Runs a probe once and turns what it says into a sample.
#include "agent/schedule/attempt.hpp"

#include <cstdio>
#include <exception>

#include <vitals/text.hpp>

#include "agent/verdict/health_state.hpp"

namespace vitals {
namespace {

ProbeResult ask(Probe& probe, const Attempt& attempt) {
  try {
    return probe.run(attempt);
  } catch (const std::exception& error) {
    return internal_error(std::string("bug in the probe: ") + error.what());
  }
}

std::string milliseconds(Elapsed time) {
  const double value = std::chrono::duration<double, std::milli>(time).count();
  char text[32];
  std::snprintf(text, sizeof(text), value < 10 ? "%.1fms" : "%.0fms", value);
  return text;
}

/// Scrubbed before cleaning, which would change a secret that has two blanks in it, and after, for
/// characters that are dropped may have kept the pieces of one apart.
std::string shown(std::string_view text, const SecretSet& secrets, std::size_t limit) {
  constexpr auto uncut = std::string_view::npos;
  return clean_text(secrets.scrub(clean_text(secrets.scrub(text), uncut)), limit);
}

/// The keeper has said so already, or is about to; whoever comes first, it is the same answer.
void judge_deadline(ProbeResult& result, TimePoint finished, TimePoint deadline) {
  const bool good = result.undecided || result.outcome != Outcome::fail;
  if (good && finished > deadline + overrun_slack) result = overran();
}

void judge_speed(ProbeResult& result, const CheckSpec& spec, Elapsed duration) {
  if (!spec.warn_above || result.outcome != Outcome::pass || duration <= *spec.warn_above) return;
  result.outcome = Outcome::warn;
  result.reason = Reason::slow;
  result.detail = milliseconds(duration) + " > " + std::to_string(spec.warn_above->count()) + "ms";
}

}  // namespace

Sample run_attempt(const CheckSpec& spec, Probe& probe, const SecretSet& secrets,
                   const Attempt& attempt) {
  Sample sample;
  sample.started = attempt.now;
  sample.result = ask(probe, attempt);
  sample.finished = Instant::now();
  ProbeResult& result = sample.result;
  judge_deadline(result, sample.finished.mono, attempt.deadline.end());
  judge_speed(result, spec, sample.duration());
  result.detail = shown(result.detail, secrets, server_text_max);
  result.remark = shown(result.remark, secrets, server_text_max);
  for (Measurement& measurement : result.measurements) {
    for (std::string& label : measurement.labels) {
      constexpr std::size_t label_value_max = 64;
      // A role that is also somebody's password is still a role.
      if (!is_own_word(label)) label = shown(label, secrets, label_value_max);
    }
  }
  return sample;
}

}  // namespace vitals
