// What a probe is: one blocking question under one deadline, answered with a ProbeResult.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/health.hpp>
#include <vitals/time.hpp>

namespace vitals {

struct MetricSpec;

/// One number a probe learned beside its outcome: a sample of a family its kind declares.
struct Measurement {
  /// Points into the static KindSpec of the probe's kind; never null.
  const MetricSpec* metric = nullptr;
  /// Values of metric->labels, same order and count. From closed sets or short server facts
  /// (a version, a role); never from free server text.
  std::vector<std::string> labels;
  double value = 0;
};

/// Durations per phase; absent where the attempt had no such phase (or did not reach it).
class PhaseTimes {
 public:
  void set(Phase phase, Elapsed time) { times_[static_cast<std::size_t>(phase)] = time; }
  [[nodiscard]] std::optional<Elapsed> get(Phase phase) const {
    return times_[static_cast<std::size_t>(phase)];
  }

 private:
  std::array<std::optional<Elapsed>, phase_count> times_{};
};

/// What a check shows as `observedValue` where that is not its response time (connections, disk).
struct Observation {
  double value = 0;
  std::string_view unit;         // static text: "connections", "percent"
  std::string_view measurement;  // static text, the part after "name:" in /health: "utilization"
};

/// The answer of one attempt.
struct ProbeResult {
  Outcome outcome = Outcome::pass;
  Reason reason = Reason::none;
  /// For people: "200", "PONG", "53300 sorry, too many clients already". May hold server text of
  /// any length and bytes; the runner scrubs secrets, drops control characters and cuts it.
  std::string detail;
  /// A sentence that is worth one log line and changes nothing: "INFO is not permitted: …". Logged
  /// once per check and text, however often it is said again; so no numbers in it.
  std::string remark;
  PhaseTimes phases;
  std::vector<Measurement> measurements;
  std::optional<Observation> observed;
  /// Fails at once, past the threshold `fall` (contract §4.4). Rare: the watched process is gone.
  bool decisive = false;
  /// Nothing to say yet: a heartbeat that nobody has fed since the start. Neither pass nor failure;
  /// the status stays as it is and does not go stale. outcome and reason are ignored.
  bool undecided = false;
  /// The answer may be another one this much later, whatever the interval says: a heartbeat knows
  /// to the millisecond when it is overdue. Makes the next attempt earlier, never later.
  std::optional<Elapsed> ask_again_in;
};

inline ProbeResult passed(std::string detail) {
  ProbeResult result;
  result.detail = std::move(detail);
  return result;
}
inline ProbeResult warned(Reason reason, std::string detail) {
  ProbeResult result;
  result.outcome = Outcome::warn;
  result.reason = reason;
  result.detail = std::move(detail);
  return result;
}
inline ProbeResult failed(Reason reason, std::string detail) {
  ProbeResult result;
  result.outcome = Outcome::fail;
  result.reason = reason;
  result.detail = std::move(detail);
  return result;
}
/// Our bug or a setting that cannot work: no evidence about the dependency (contract §4.11). Say
/// the way out in `detail`.
inline ProbeResult internal_error(std::string detail) {
  return failed(Reason::internal, std::move(detail));
}

/// See ProbeResult::undecided.
inline ProbeResult undecided(std::string detail) {
  ProbeResult result;
  result.undecided = true;
  result.detail = std::move(detail);
  return result;
}

/// What the runner hands to a probe for one attempt.
struct Attempt {
  Deadline deadline;
  /// Kept connections must not be used: they predate a suspend, or nobody knows how old they are.
  bool drop_connections = false;
  /// Wall clock for certificate dates; monotonic for ages.
  Instant now = Instant::now();
  /// What of the time since the attempt before was slept through (contract §4.9).
  Sleep slept{};
};

/// One configured question. Lives and is used on the one thread of its check; not thread-safe.
/// run() blocks until the answer is known, at most until the deadline (+ scheduling delay), never
/// throws for anything the dependency does, and logs nothing: its answer is the result.
class Probe {
 public:
  virtual ~Probe() = default;
  Probe() = default;
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  [[nodiscard]] virtual ProbeResult run(const Attempt& attempt) = 0;

  /// Nobody asks for a while (pause_when_idle): closes what it keeps open, so that the dependency
  /// may sleep. Between runs, on the check's thread; must not wait for the dependency.
  virtual void rest() {}
};

}  // namespace vitals
