// Sentences on readiness, from a judgement.
#include "agent/verdict/readiness.hpp"

#include <string_view>

namespace vitals {
namespace {

std::string count_phrase(int count, int answered, std::string_view what) {
  return std::to_string(count) + " of " + std::to_string(answered) + " other Machine" +
         (answered == 1 ? " that answers " : "s that answer ") + std::string(what);
}

bool has_a_say(const Snapshot& snapshot, const Judgement& judgement, std::size_t i) {
  const CheckJudgement& check = judgement.checks[i];
  const CheckSpec& spec = *snapshot.checks[i]->spec;
  if (!check.counts || spec.impact != Impact::critical || check.status != Status::fail)
    return false;
  return judgement.fail_open || check.gates;
}

}  // namespace

std::string fleet_phrase(const CheckJudgement& check) {
  if (check.fleet == nullptr) return {};
  const FleetWord& word = *check.fleet;
  switch (word.verdict) {
    case FleetVerdict::ours:
      return count_phrase(word.answered - word.failing, word.answered, "pass it");
    case FleetVerdict::shared:
      return count_phrase(word.failing, word.answered, "fail it, too");
    case FleetVerdict::alone:
      return word.answered == 0 ? "no other Machine answers" : "other Machines are being asked";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string readiness_cause(const Snapshot& snapshot, const Judgement& judgement) {
  if (judgement.draining) return "draining";
  for (const std::size_t i : worst_first(snapshot, judgement)) {
    if (!has_a_say(snapshot, judgement, i)) continue;
    const CheckJudgement& check = judgement.checks[i];
    const std::string phrase = fleet_phrase(check);
    return snapshot.checks[i]->spec->name + ": " + std::string(to_label(check.reason)) +
           (phrase.empty() ? "" : "; " + phrase);
  }
  return {};
}

}  // namespace vitals
