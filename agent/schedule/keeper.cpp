// The keeper's loop.
#include "agent/schedule/keeper.hpp"

#include <algorithm>
#include <utility>

namespace vitals {

Keeper::Keeper(StatusBoard& board) : board_(board), clock_(Instant::now()) {}

Keeper::~Keeper() { stop(); }

std::optional<Error> Keeper::start(std::function<void()> on_resume) {
  {
    const std::lock_guard lock(mutex_);
    on_resume_ = std::move(on_resume);
    clock_ = ClockWatch(Instant::now());
    running_ = true;
  }
  auto thread = Thread::start("keeper", [this] { run(); });
  if (!thread) return thread.error();
  thread_ = std::move(thread).value();
  return std::nullopt;
}

void Keeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  wake_.notify_all();
  thread_.join();
}

void Keeper::watch(const AttemptId& attempt, Instant started, TimePoint deadline) {
  const TimePoint limit = deadline + overrun_slack;
  bool earlier = false;
  {
    const std::lock_guard lock(mutex_);
    watched_.emplace(attempt.number, Watched{attempt, started, limit});
    earlier = limit < planned_;
  }
  if (earlier) wake_.notify_one();
}

void Keeper::unwatch(const AttemptId& attempt) {
  const std::lock_guard lock(mutex_);
  watched_.erase(attempt.number);
}

void Keeper::look(Instant now) {
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return;
    if (!clock_.stepped(now) && (reader_declared_ || !clock_.late(now.mono))) return;
    reader_declared_ = true;
    // Under the lock: a second thread that looks must not slip past before the tickets are closed.
    declare_resume_locked(now);
  }
  on_resume_();
}

Sleep Keeper::asleep() const {
  const std::lock_guard lock(mutex_);
  return asleep_;
}

void Keeper::run() {
  std::unique_lock lock(mutex_);
  while (running_) {
    const Instant now = Instant::now();
    const bool resumed = clock_.gap(now);
    reader_declared_ = false;
    if (resumed) {
      declare_resume_locked(now);
    } else {
      clock_.look(now);
    }
    const auto overdue = take_overdue_locked(now.mono);
    lock.unlock();
    if (resumed) on_resume_();
    for (const Watched& watched : overdue) {
      board_.overrun(watched.attempt, watched.started, Instant::now());
    }
    board_.tick(Instant::now());
    lock.lock();
    if (!running_) return;
    planned_ = next_wake_locked(Clock::now());
    clock_.expect(planned_);
    wake_.wait_until(lock, planned_);
  }
}

void Keeper::declare_resume_locked(Instant now) {
  const TimePoint ran_until = clock_.last_look();
  asleep_ += clock_.slept(now);
  clock_.look(now);
  watched_.clear();
  board_.resume({ran_until, now}, resume_grace);
}

std::vector<Keeper::Watched> Keeper::take_overdue_locked(TimePoint now) {
  std::vector<Watched> overdue;
  for (auto it = watched_.begin(); it != watched_.end();) {
    if (it->second.limit > now) {
      ++it;
      continue;
    }
    overdue.push_back(it->second);
    it = watched_.erase(it);
  }
  return overdue;
}

TimePoint Keeper::next_wake_locked(TimePoint now) const {
  TimePoint next = now + keeper_tick;
  for (const auto& [number, watched] : watched_) next = std::min(next, watched.limit);
  return next;
}

}  // namespace vitals
