// What the three forms of the health document share; private to agent/serve/report*.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/serve/report.hpp"

namespace vitals {

/// A snapshot judged, and the moment of it: what every function here needs.
struct Picture {
  const Snapshot& snapshot;
  const Judgement& judgement;
  Instant now;
};

/// One check of a picture.
struct CheckView {
  const CheckState& state;
  const CheckJudgement& judgement;

  [[nodiscard]] const CheckSpec& spec() const { return *state.spec; }
  [[nodiscard]] std::string_view name() const { return state.spec->name; }
};
[[nodiscard]] inline CheckView view_of(const Picture& picture, std::size_t index) {
  return {*picture.snapshot.checks[index], picture.judgement.checks[index]};
}

[[nodiscard]] bool fails_critically(const CheckView& check);

/// The checks a view lists, worst first.
[[nodiscard]] std::vector<std::size_t> listed_checks(const Picture& picture,
                                                     const ReportRequest& request);

/// The top-level `output`: why the status is what it is; never empty.
[[nodiscard]] std::string output_sentence(const Picture& picture, const ReportRequest& request);

/// When what the judged status says began (CheckState::since): of a stale check, when it went
/// stale.
[[nodiscard]] Instant since_when(const CheckView& check, Instant now);
/// "28s" from then to now.
[[nodiscard]] std::string lasted(Instant since, Instant now);

/// ✗ ! ? ✓
[[nodiscard]] std::string_view glyph_of(Status status);

/// "2026-11-21T00:20:01Z"
[[nodiscard]] std::string iso_time(WallTime time);
/// "00:19:33Z", with the date when that is another day than today (UTC).
[[nodiscard]] std::string clock_text(WallTime time, Instant now);
/// A monotonic moment on the wall clock, as far as that is known now: the end of a mute.
[[nodiscard]] WallTime wall_time_of(TimePoint moment, Instant now);

/// What people should read about the check: why it has its status, or what the latest attempt
/// complained of while its streak still grows; "no result yet" before the first.
[[nodiscard]] std::string explanation(const CheckView& check);

/// Since the last work; 0 while there is some.
[[nodiscard]] std::chrono::seconds idle_time(const IdleState& idle, Instant now);

/// Milliseconds as shown: two decimals below one, else one.
[[nodiscard]] double shown_milliseconds(Elapsed time);

}  // namespace vitals
