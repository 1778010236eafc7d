// Whole snapshots with a past, built sample by sample on a told clock, and kinds to go with them.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/serve/metrics.hpp"
#include "agent/verdict/snapshot.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals::test {

/// Kinds that look like the real ones to the agent (names, metrics, aliases) and make no probe.
const KindSpec& fake_http();
const KindSpec& fake_postgres();
const KindSpec& fake_redis();
/// Observes a number of connections instead of a response time.
const KindSpec& fake_connections();

/// What differs from spec(): the rest is its defaults.
struct CheckDraft {
  std::string name;
  const KindSpec* kind = nullptr;
  Impact impact = Impact::critical;
  Scope scope = Scope::shared;
  bool live = false;
  bool startup = false;
  std::string parent{};
  int fall = 3;
};

/// One check and all that happened to it; chain feed() in the order of time.
class Story {
 public:
  /// Created at the second 0.
  explicit Story(const CheckDraft& draft);
  /// An attempt that took `milliseconds` and ended at `seconds`.
  Story& feed(double seconds, double milliseconds, ProbeResult result);
  Story& mute_until(double seconds);
  Story& label(const std::string& name, const std::string& value);
  [[nodiscard]] std::shared_ptr<const CheckState> state() const;

 private:
  std::shared_ptr<CheckSpec> spec_;
  CheckState state_;
};

/// Started at the second 0, latched.
Snapshot snapshot_of(const std::vector<Story>& stories);

/// 2025-12-18T00:20:01Z: the present of the snapshots below.
inline constexpr double present = 20 * 60 + 1;
inline constexpr const char* hostile_text =
    "\"quoted\" back\\slash\nnew line\x1b[31m \xff\xfe \xe2\x82\xac";

/// No attempt has ended: every check is unknown.
Snapshot start_snapshot();
/// app, db, cache and billing pass; connections observes 83 of them.
Snapshot healthy_snapshot();
/// The example of contract §5: db saturated for 28 s, billing slow, app and cache pass.
Snapshot failing_snapshot();
/// db has failed twice of the three times it takes; app and cache pass.
Snapshot unknown_snapshot();

/// The metrics page of a snapshot with fixed values beside it: usage, requests, delays, build.
std::string metrics_page(const Snapshot& snapshot, double seconds, bool openmetrics,
                         const std::set<Exporter>& compat = {},
                         std::span<const OtherReading> others = {},
                         std::optional<front::Counts> front = {},
                         std::vector<std::string> holds = {});

}  // namespace vitals::test
