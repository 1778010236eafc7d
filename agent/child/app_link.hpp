// The agent's end of the link: what the supervisor tells of the app goes to board, log and metrics,
// the watchdog's advice goes back.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>

#include "agent/child/link.hpp"
#include "agent/child/watchdog.hpp"
#include "agent/config/config.hpp"
#include "agent/log.hpp"
#include "agent/schedule/thread.hpp"
#include "agent/verdict/board.hpp"

namespace vitals::child {

/// What the supervisor needs of a configuration. Blocking disk I/O (/etc/passwd). The error says
/// what of [app] can't work here.
[[nodiscard]] Result<SupervisorSettings> supervisor_settings(const Config& config);

/// Tells the supervisor that we listen, with the settings from now on. The app's first start waits
/// for it.
void tell_ready(int link, const SupervisorSettings& settings);

/// Hands our listener to the supervisor, which keeps it for the agent after us.
void hand_listener_over(int link, int listener);

/// Hands what the configuration in force was read from to the supervisor, for the agent after us.
void hand_config_over(int link, const std::string& bytes);
/// What the agent before us handed over; nothing: there was none.
[[nodiscard]] std::optional<std::string> inherited_config();

/// The log lines about what changed. `first`: this agent was just
/// started and knows nothing of what came before.
[[nodiscard]] std::vector<LogLine> describe_change(const AppState& before, const AppState& after,
                                                   bool first);

/// One thread. Board and log outlive it.
class AppLink {
 public:
  AppLink(Fd link, StatusBoard& board, Log& log);
  ~AppLink();
  AppLink(const AppLink&) = delete;
  AppLink& operator=(const AppLink&) = delete;

  /// Takes the state that the supervisor sent when it started us, then goes on by a thread. Before
  /// the first answer: an agent that comes back tells the truth from the beginning.
  [[nodiscard]] std::optional<Error> start();
  /// Reads what the supervisor still said, then joins.
  void stop();
  /// What the watchdog goes by, and how long the app has to stop. Thread-safe.
  void configure(const AppConfig& app);

  /// Startup is over: the supervisor tells it to an agent after us. Thread-safe.
  void note_ready();
  /// The Machine is idle: asks the supervisor to end everything with 0. Thread-safe.
  void retire();

  [[nodiscard]] int descriptor() const { return link_.get(); }
  /// The latest state of the app. Thread-safe.
  [[nodiscard]] AppState state() const;

 private:
  void run();
  /// False: the supervisor is gone.
  bool read_messages();
  void take(const AppState& state);
  void look_after_app();
  void outlive_supervisor();

  const Fd link_;
  Fd wake_;
  StatusBoard& board_;
  Log& log_;
  Thread thread_;
  // Of the thread alone:
  Watchdog watchdog_;
  TimePoint app_seen_{};
  bool first_ = true;

  /// Guards what follows; held for a copy.
  mutable std::mutex mutex_;
  AppState state_;
  AppConfig app_;
  bool stopping_ = false;
};

}  // namespace vitals::child
