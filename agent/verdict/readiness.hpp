// Why a Machine with a failing shared critical check is ready or not: for log, document and people.
#pragma once

#include <string>

#include "agent/verdict/judge.hpp"

namespace vitals {

/// What other Machines see of this check: "7 of 8 other Machines that answer pass it", "no other
/// Machine answers"; empty when they are not asked or the check is not theirs to judge.
[[nodiscard]] std::string fleet_phrase(const CheckJudgement& check);

/// The check that takes the Machine out, or that fails although the Machine stays ready, with what
/// the fleet says of it: "db: refused; 7 of 8 other Machines that answer pass it". Empty when no
/// check has a say in it.
[[nodiscard]] std::string readiness_cause(const Snapshot& snapshot, const Judgement& judgement);

}  // namespace vitals
