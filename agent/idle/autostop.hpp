// Watches the Machine, says why it is not idle, and lets it end when it is (contract §10).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/config/config.hpp"
#include "agent/idle/holds.hpp"
#include "agent/idle/idleness.hpp"
#include "agent/idle/machines_api.hpp"
#include "agent/idle/narrator.hpp"
#include "agent/log.hpp"
#include "agent/schedule/worker.hpp"
#include "agent/verdict/board.hpp"

namespace vitals::idle {

/// How often jobs are looked for while nothing else is going on, and once more before the Machine
/// turns idle: that reads all of /proc.
inline constexpr Duration jobs_interval{5'000};

/// What it needs of the rest of the agent; all of it outlives the thread. Functions are called on
/// the thread, without locks held.
struct AutostopParts {
  StatusBoard& board;
  const Holds& holds;
  Log& log;
  /// Never null; a resume is known to it.
  std::function<std::shared_ptr<const Snapshot>()> snapshot;
  /// `port` as in AutostopConfig.
  std::function<Traffic(std::uint16_t port)> traffic;
  std::function<std::vector<std::string>()> jobs;
  std::function<bool()> app_runs;
  /// Idle or not: checks with pause_when_idle rest meanwhile.
  std::function<void(bool idle)> rest;
  /// Asks for the end of all: drain, then exit 0.
  std::function<void()> exit;
  MachineName machine;
};

/// One thread while [autostop] is given; none otherwise.
class Autostop {
 public:
  explicit Autostop(AutostopParts parts);
  ~Autostop();
  Autostop(const Autostop&) = delete;
  Autostop& operator=(const Autostop&) = delete;

  /// From now on; starts or ends the thread. `started`: the agent's start. Called by main alone.
  [[nodiscard]] std::optional<Error> configure(const AutostopConfig& rules, TimePoint started);
  void stop();
  /// How often the Machines API did not do what it was asked for. Any thread.
  [[nodiscard]] std::uint64_t refusals() const { return refusals_; }

 private:
  void run(Watch watch);
  [[nodiscard]] AutostopConfig rules_now();
  void look(Watch& watch, const AutostopConfig& rules);
  [[nodiscard]] Facts facts(const AutostopConfig& rules, const Snapshot& snapshot, TimePoint now);
  [[nodiscard]] const std::vector<std::string>& jobs(const AutostopConfig& rules, TimePoint now);
  void act(Watch& watch, const AutostopConfig& rules);
  void call_api(Watch& watch, const AutostopConfig& rules);
  void publish(const Idleness& idleness, std::vector<std::string> holds);

  AutostopParts parts_;
  std::atomic<std::uint64_t> refusals_{0};
  Worker worker_;

  // Of the thread alone:
  Narrator narrator_;
  bool was_idle_ = false;
  std::optional<TimePoint> quiet_since_;
  std::vector<std::string> jobs_;  // as of jobs_at_
  TimePoint jobs_at_{};

  /// Guards what follows; held for a copy.
  std::mutex mutex_;
  AutostopConfig rules_;
};

}  // namespace vitals::idle
