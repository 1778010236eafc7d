// Asks other Machines whether they see the failure of a shared check that this one sees.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/fleet/decide.hpp"
#include "agent/schedule/thread.hpp"
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
  /// `board` outlives it.
  Fleet(StatusBoard& board, LookUp look_up);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// From now on; the first call with peers starts the thread.
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
  struct Hearing {
    Opinion opinion;
    TimePoint began{};  // OwnFailure::began
    bool turned = false;
  };
  using Views = std::map<std::string, PeerView>;  // by address

  void run();
  [[nodiscard]] std::vector<Failing> failing_now() const;
  /// Forgets what was heard on other failures, earlier ones of the same checks among them.
  void keep_only(const std::vector<Failing>& failing);
  void ask(const std::vector<Failing>& failing, const FleetSettings& settings);
  [[nodiscard]] std::vector<std::string> choose(const FleetSettings& settings,
                                                const Deadline& deadline);
  void hear(const Failing& failing, const std::vector<PeerView>& answers);
  void publish();
  [[nodiscard]] Duration pause() const;

  StatusBoard& board_;
  const LookUp look_up_;
  Fd interrupt_;
  Thread thread_;

  // The thread's own.
  std::mt19937 random_;
  std::map<std::string, Hearing> hearings_;  // by check
  std::vector<std::string> addresses_;       // of the last look-up that found any
  std::set<std::string> answered_;           // in the last round
  std::map<std::string, Views> views_;       // by check; also of those who fell silent

  /// Guards everything below; held for a copy.
  std::mutex mutex_;
  std::condition_variable wake_;
  FleetSettings settings_;
  bool nudged_ = false;
  bool running_ = false;
};

}  // namespace vitals::fleet
