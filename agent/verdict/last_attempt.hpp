// What the answer to /health/check/NAME says of the check's latest attempt in a header, for agents
// of other Machines: the document has whole seconds, and none where details are hidden.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vitals/time.hpp>

#include "agent/verdict/judge.hpp"

namespace vitals {

inline constexpr std::string_view last_attempt_header = "Vitals-Last-Attempt";

struct LastAttempt {
  /// `none`: there is no result that says anything of the dependency, or none since the Machine was
  /// away. `fail`: the latest attempts failed.
  enum class Said { none, pass, fail };
  Said said = Said::none;
  /// So long ago, to the millisecond: at most, and at least.
  Elapsed began{0};
  Elapsed ended{0};
};

/// "pass; began_ms=1203; ended_ms=1199", "fail; …" or "none". A group has no attempts: "none" while
/// it is unproven, else empty. Names nothing and gives no reason: it may be said where details are
/// hidden. `judgement`: of this check now.
[[nodiscard]] std::string write_last_attempt(const CheckState& check,
                                             const CheckJudgement& judgement, const Instant& now);

/// Nothing when it is nothing that write_last_attempt() writes. The text may be anything.
[[nodiscard]] std::optional<LastAttempt> read_last_attempt(std::string_view text);

}  // namespace vitals
