// The one worker thread for answers that grow with the number of checks.
#include "agent/serve/slow_lane.hpp"

#include <utility>

namespace vitals::http {

SlowLane::SlowLane(const Handler& handler, std::function<void()> wake)
    : router_(handler), wake_(std::move(wake)) {}

std::optional<Error> SlowLane::start() {
  auto thread = Thread::start("http-slow", [this] { work(); });
  if (!thread) return thread.error();
  thread_ = std::move(thread).value();
  return std::nullopt;
}

SlowLane::~SlowLane() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

bool SlowLane::push(SlowJob& job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= slow_queue_max) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

std::vector<SlowAnswer> SlowLane::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

void SlowLane::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    SlowJob job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    SlowAnswer answer{job.connection, job.keep_alive, job.started, {}, {}};
    answer.answered =
        router_.answer({job.head, job.body, job.from_loopback, job.keep_alive}, answer.bytes);
    lock.lock();
    answers_.push_back(std::move(answer));
    wake_();
  }
}

}  // namespace vitals::http
