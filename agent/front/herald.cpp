// The agent's voice at the front door.
#include "agent/front/herald.hpp"

#include <utility>

#include "agent/serve/report.hpp"

namespace vitals::front {

Verdicts verdicts_of(const Snapshot& snapshot, const Judgement& judgement) {
  const auto says = [&](vitals::View view) {
    return report_status(snapshot, judgement, {.view = view});
  };
  return {.health = says(vitals::View::health).status,
          .ready = says(vitals::View::ready).ok,
          .live = says(vitals::View::live).ok,
          .startup = says(vitals::View::startup).ok,
          .draining = judgement.draining};
}

Herald::Herald(Page page, TimePoint agent_started, std::function<Verdicts()> verdicts)
    : page_(std::move(page)), agent_started_(agent_started), verdicts_(std::move(verdicts)) {}

Herald::~Herald() { stop(); }

void Herald::say() { page_.say(verdicts_(), agent_started_, Clock::now()); }

std::optional<Error> Herald::start() {
  return worker_.start("front herald", [this] { run(); });
}

void Herald::stop() {
  worker_.stop();
  page_.fall_silent();
}

void Herald::wake() { worker_.nudge(); }

void Herald::run() {
  while (worker_.running()) {
    say();
    worker_.rest_until(Clock::now() + herald_beat);
  }
}

}  // namespace vitals::front
