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
  auto thread = Thread::start("front herald", [this] { run(); });
  if (!thread) return thread.error();
  thread_ = std::move(thread).value();
  return std::nullopt;
}

void Herald::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  changed_.notify_all();
  thread_.join();
  page_.fall_silent();
}

void Herald::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Herald::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    say();
    lock.lock();
    changed_.wait_for(lock, herald_beat, [this] { return woken_ || stopping_; });
  }
}

}  // namespace vitals::front
