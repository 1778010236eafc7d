// Jobs: processes that nobody but the supervisor looks after any more, and that still run.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace vitals::idle {

/// Names (comm) of the running children of `supervisor` other than `ours`: what the app or a job of
/// it started and left behind was adopted by the supervisor. Reads all of /proc: for looks that
/// found no other work.
[[nodiscard]] std::vector<std::string> adopted_by(pid_t supervisor, std::span<const pid_t> ours);

}  // namespace vitals::idle
