// The agent's voice at the front door: says the verdicts on the page, twice a second and on each
// change.
#pragma once

#include <functional>
#include <optional>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/front/page.hpp"
#include "agent/schedule/worker.hpp"
#include "agent/verdict/judge.hpp"

namespace vitals::front {

/// Ten of them fit into the time after which the agent counts as silent.
inline constexpr Duration herald_beat{500};

/// As the agent's own endpoints answer.
[[nodiscard]] Verdicts verdicts_of(const Snapshot& snapshot, const Judgement& judgement);

class Herald {
 public:
  /// `verdicts` is called on the herald's thread, and must not block.
  Herald(Page page, TimePoint agent_started, std::function<Verdicts()> verdicts);
  ~Herald();
  Herald(const Herald&) = delete;
  Herald& operator=(const Herald&) = delete;

  /// Once, on the caller's thread: before the door opens, so that nobody finds it without a word.
  void say();
  [[nodiscard]] std::optional<Error> start();
  /// The agent is about to end: the door says so at once.
  void stop();
  /// Something has changed. From any thread.
  void wake();
  [[nodiscard]] int page_fd() const { return page_.fd(); }
  [[nodiscard]] Counts counts() const { return page_.counts(); }

 private:
  void run();

  Page page_;
  const TimePoint agent_started_;
  const std::function<Verdicts()> verdicts_;
  Worker worker_;
};

}  // namespace vitals::front
