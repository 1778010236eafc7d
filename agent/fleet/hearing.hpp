// All that is heard on one failing check, round after round: when to ask, and what it comes to. No
// threads, no network; time comes in as an argument.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <vitals/time.hpp>

#include "agent/fleet/decide.hpp"

namespace vitals::fleet {

/// What was asked for so long ago, a round and what it may take, is no answer in hand any more.
inline constexpr Duration answers_good_for = round_interval + Duration(2'000);

/// Rounds follow one another: open(), hear() for each answer, close(). follow() may come at any
/// time.
class Hearing {
 public:
  explicit Hearing(const OwnFailure& own);

  /// Our failure as it is now; once for each failed attempt at least, and when it is due. Looks at
  /// the answers in hand again: those of the last round that had any, for answers_good_for, and of
  /// the open one as far as they are there.
  void follow(const OwnFailure& own, TimePoint now);

  /// `peers`: how many are asked.
  void open(TimePoint now, std::size_t peers);
  void hear(const std::string& peer, const PeerReport& report);
  void close(TimePoint now);
  [[nodiscard]] bool is_open() const { return open_; }
  /// When the latest round was opened.
  [[nodiscard]] TimePoint asked() const { return asked_; }
  /// The open round may go on until then at most; its other answers come too late to be waited for.
  [[nodiscard]] TimePoint patience() const;

  /// When the next round should begin; may have passed.
  [[nodiscard]] TimePoint next_round() const;
  /// When follow() should be called though no attempt has failed; the end of time: never.
  [[nodiscard]] TimePoint next_look() const;

  [[nodiscard]] const OwnFailure& own() const { return own_; }
  /// All but the name, which is for the caller to fill in.
  [[nodiscard]] const FleetWord& word() const { return opinion_.word(); }

 private:
  struct Known {
    PeerView view;
    int round = 0;      // of its last answer
    TimePoint asked{};  // for that
  };
  /// Of answers asked for in this round or later ones, and not before `asked`.
  [[nodiscard]] std::vector<PeerView> views_since(int round,
                                                  TimePoint asked = TimePoint::min()) const;
  [[nodiscard]] Round sum_up(const std::vector<PeerView>& views, TimePoint now) const;

  OwnFailure own_;
  Opinion opinion_;
  std::map<std::string, Known> peers_;  // by address
  int round_ = 0;
  bool open_ = false;
  std::size_t peers_asked_ = 0;  // in the latest round
  int last_answered_ = 0;        // the last closed round that anybody answered
  bool looked_when_due_ = false;
  TimePoint asked_{};         // start of the latest round
  TimePoint asked_latest_{};  // OwnFailure::latest at that time
  TimePoint news_from_{};
};

}  // namespace vitals::fleet
