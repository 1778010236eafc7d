// One attempt of one check: runs the probe and makes its answer fit to be shown. The last net for
// exceptions.
#pragma once

#include <vitals/check.hpp>
#include <vitals/probe.hpp>
#include <vitals/secrets.hpp>

#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// Runs `probe` once (blocks until the deadline at most) and judges its speed: a pass slower than
/// warn_above is warn(slow), and one that came later than overrun_slack after the deadline is
/// fail(timeout). Secrets are scrubbed from detail and label values; the detail is
/// clean_text.
[[nodiscard]] Sample run_attempt(const CheckSpec& spec, Probe& probe, const SecretSet& secrets,
                                 const Attempt& attempt);

}  // namespace vitals
