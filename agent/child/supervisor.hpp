// The parent of the app and of the agent beside it (contract §9): forwards signals, reaps, starts
// again, and ends with the app's code. Single-threaded; parses nothing, asks nobody over a network,
// and allocates nothing once it runs.
#pragma once

namespace vitals::child {

/// Opens /dev/null for those of the descriptors 0 to 2 that are closed: the next socket would be
/// somebody's stderr, and a log line would go to a database or to the app.
void fill_standard_descriptors();

/// `vitals run [OPTION...] -- CMD [ARG...]` as main got it.
struct Wrapped {
  /// Index in argv of CMD; 0: these words are no such command, or nothing stands after `--`.
  int command = 0;
};
[[nodiscard]] Wrapped find_wrapped(int argc, char* const* argv);

/// Supervises until everything is over; returns the exit code.
[[nodiscard]] int supervise(char* const* argv, Wrapped wrapped);

}  // namespace vitals::child
