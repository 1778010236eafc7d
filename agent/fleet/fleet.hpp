// Asks other Machines whether they see the failure of a shared check that this one sees.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/fleet/ask_peers.hpp"
#include "agent/fleet/hearing.hpp"
#include "agent/schedule/worker.hpp"
#include "agent/verdict/board.hpp"

namespace vitals::fleet {

/// One round of questions: look-up and answers.
inline constexpr Duration round_timeout{2'000};
/// The look-up may take this much of it.
inline constexpr Duration look_up_timeout{1'000};
/// Checks that are asked about in one round, the worst first; more than so many shared critical
/// ones don't fail for reasons of their own.
inline constexpr std::size_t checks_asked_max = 8;

struct FleetSettings {
  std::string peers;  // a name; empty: nobody is asked
  std::uint16_t port = 9'100;
  std::size_t sample = 8;
  std::string own_address;  // FLY_PRIVATE_IP; may be empty

  [[nodiscard]] bool operator==(const FleetSettings&) const = default;
};

/// All addresses of a name, or why there are none; blocks until the deadline.
using LookUp = std::function<Result<std::vector<std::string>>(const std::string& name,
                                                              const Deadline& deadline)>;

/// One thread, once there is anybody to ask; it sleeps until nudged while no shared critical check
/// fails here. It asks from the first failed attempt on, so that the word is there when the check
/// turns to fail; before that nobody heeds it. Gives the board the word of the fleet; has no other
/// effect.
class Fleet {
 public:
  /// `board` outlives it, and nobody else uses the board yet.
  Fleet(StatusBoard& board, LookUp look_up);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// From now on; the first call with peers starts the thread. Called by main alone.
  [[nodiscard]] std::optional<Error> configure(const FleetSettings& settings);
  /// Something may have changed on the board. Any thread; only notifies.
  void nudge();
  void stop();

 private:
  /// A shared critical check that fails here, or whose last attempts did.
  struct Failing {
    std::string check;
    OwnFailure own;
    bool turned = false;  // its status is fail
  };
  /// What has been heard on one failure.
  struct Heard {
    Hearing hearing;
    bool turned = false;
  };
  /// One round of questions on some of the checks.
  struct Questions {
    std::vector<std::string> checks;
    std::vector<std::string> peers;
    TimePoint asked{};
    std::vector<bool> heard;  // by check, then by peer
  };

  void run();
  [[nodiscard]] std::vector<Failing> failing_now(const FleetSettings& settings) const;
  /// Goes by the board as it is now: forgets what was heard on other failures, earlier ones of the
  /// same checks among them, and looks again at what was heard on those that go on.
  void follow(const FleetSettings& settings);
  /// Those on which a round is due.
  [[nodiscard]] std::vector<std::string> to_ask(TimePoint now) const;
  void ask(std::vector<std::string> checks, const FleetSettings& settings);
  [[nodiscard]] std::vector<std::string> choose(const FleetSettings& settings,
                                                const Deadline& deadline);
  /// The addresses of the fleet, from a look-up that is not old.
  void look_up(const FleetSettings& settings, const Deadline& deadline);
  void take_answers(Questions& questions, const std::vector<Reply>& replies);
  /// When to look again; nothing: there is no reason to wait for the others.
  [[nodiscard]] std::optional<TimePoint> look(const Questions& questions) const;
  /// For as long as the answers on `checks` are waited for, at most.
  [[nodiscard]] TimePoint patience_on(const std::vector<std::string>& checks) const;
  [[nodiscard]] TimePoint next_look() const;
  /// Nothing happens when the board has these words already.
  void publish();
  [[nodiscard]] FleetSettings settings_now();

  StatusBoard& board_;
  const LookUp look_up_;
  Worker worker_;

  // The thread's own.
  std::mt19937 random_;
  std::map<std::string, Heard> heard_;  // by check
  std::vector<std::string> addresses_;  // of the last look-up that found any
  std::optional<TimePoint> looked_up_;  // when it did
  std::set<std::string> answered_;      // in the last round

  /// Guards everything below; held for a copy.
  std::mutex mutex_;
  FleetSettings settings_;
};

}  // namespace vitals::fleet
