// One configured check: what the config says of it, after defaults.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vitals/kind.hpp>

namespace vitals {

inline constexpr std::size_t checks_max = 1'000;
inline constexpr Duration interval_min{500};

/// Immutable after loading; shared by scheduler, board and readers as shared_ptr<const CheckSpec>.
struct CheckSpec {
  std::string name;  // [a-z0-9_-]{1,63}
  const KindSpec* kind = nullptr;
  std::string target;
  Duration interval{10'000};
  Duration retry_interval{2'000};
  Duration timeout{5'000};
  int fall = 3;
  int rise = 2;
  double jitter = 0.1;
  Impact impact = Impact::degraded;
  Scope scope = Scope::shared;
  bool live = false;
  bool startup = false;
  std::optional<Duration> warn_above;
  /// Not asked while the Machine is idle (contract §10).
  bool pause_when_idle = false;
  std::string parent;  // empty: none
  std::vector<std::pair<std::string, std::string>> labels;
  /// Of a group alone: the checks it is made of, and how many of them have to be well. A group has
  /// no probe: its status follows from theirs.
  std::vector<std::string> members;
  int need = 0;
  /// MadeProbe::silence_max.
  std::optional<Duration> silence_max;
  /// Everything the user wrote about it and the defaults in force, as canonical text: two specs
  /// with equal fingerprints are the same check, and keep state over a reload. Holds secrets;
  /// never shown.
  std::string fingerprint;
  /// The same for people, as `validate --print` shows it: TOML lines without secrets.
  std::string settings_text;

  [[nodiscard]] bool is_group() const { return !members.empty(); }
  /// A result older than this is no evidence any more (contract §4.5).
  [[nodiscard]] Duration stale_after() const { return 3 * interval + timeout; }
  /// From the moment a dependency dies to status fail, at worst (contract §4).
  [[nodiscard]] Duration worst_case_detection() const {
    if (silence_max) return *silence_max;
    return interval +
           Duration(static_cast<Duration::rep>(static_cast<double>(interval.count()) * jitter)) +
           timeout + (fall - 1) * std::max(retry_interval, timeout);
  }
};

}  // namespace vitals
