// The one worker thread for answers that grow with the number of checks.
#include "agent/serve/slow_lane.hpp"

#include <pthread.h>

#include <csignal>
#include <utility>

namespace vitals::http {

std::thread start_thread(const char* name, std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

SlowLane::SlowLane(const Handler& handler, std::function<void()> wake)
    : router_(handler), wake_(std::move(wake)) {
  thread_ = start_thread("http-slow", [this] { work(); });
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
    answer.answered = router_.answer(
        {job.head, std::move(job.body), job.from_loopback, job.keep_alive}, answer.bytes);
    lock.lock();
    answers_.push_back(std::move(answer));
    wake_();
  }
}

}  // namespace vitals::http
