// Runs a test program's cases in a child and clears up behind them, however they end.
#pragma once

#include <chrono>
#include <functional>

namespace vitals::test {

/// Forks: the child runs `cases`, this process waits for it and then ends every process and removes
/// every file, network namespace and cgroup that is left. Returns what main returns: the child's
/// code, or 128 + signal. Something that still runs when the cases ended on their own is a failure
/// of theirs (code 1), and is named; it has `patience` to end, as the children of a killed server
/// do. Ends with its own parent; a run that was killed at once with all of it is cleared away by
/// the next one. Call it from main, before any thread.
int watched_run(const std::function<int()>& cases,
                std::chrono::milliseconds patience = std::chrono::seconds(20));

}  // namespace vitals::test
