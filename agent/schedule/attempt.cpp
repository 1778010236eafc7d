// Runs a probe once and turns what it says into a sample.
#include "agent/schedule/attempt.hpp"

#include <cstdio>
#include <exception>

#include <vitals/text.hpp>

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
  judge_speed(result, spec, sample.duration());
  result.detail = clean_text(secrets.scrub(result.detail));
  for (Measurement& measurement : result.measurements) {
    for (std::string& label : measurement.labels) {
      constexpr std::size_t label_value_max = 64;
      label = clean_text(secrets.scrub(label), label_value_max);
    }
  }
  return sample;
}

}  // namespace vitals
