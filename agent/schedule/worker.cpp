// The worker's thread and its two descriptors (eventfd(2)).
#include "agent/schedule/worker.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

/// Longer sleeps are several.
constexpr auto sleep_max = std::chrono::hours(1);

void ring(const Fd& bell) {
  // Fails only when the counter is full, and then it is readable anyway.
  static_cast<void>(eventfd_write(bell.get(), 1));
}

void silence(const Fd& bell) {
  eventfd_t ignored = 0;
  static_cast<void>(eventfd_read(bell.get(), &ignored));
}

}  // namespace

Worker::Worker()
    : nudge_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Worker::~Worker() { stop(); }

std::optional<Error> Worker::start(const std::string& name, std::function<void()> body) {
  if (running_) return std::nullopt;
  if (!nudge_ || !stop_) return Error{"no descriptors for the thread '" + name + "'"};
  silence(stop_);
  running_ = true;
  auto thread = Thread::start(name, std::move(body));
  if (!thread) {
    running_ = false;
    return thread.error();
  }
  thread_ = std::move(thread).value();
  return std::nullopt;
}

bool Worker::stop() {
  if (!running_.exchange(false)) return false;
  ring(stop_);
  ring(nudge_);
  thread_.join();
  return true;
}

void Worker::nudge() const { ring(nudge_); }

void Worker::rest_until(TimePoint moment) const {
  const TimePoint now = Clock::now();
  const Elapsed left = moment <= now ? Elapsed::zero() : std::min<Elapsed>(moment - now, sleep_max);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec wait{seconds.count(), (left - seconds).count()};
  pollfd entry{nudge_.get(), POLLIN, 0};
  if (ppoll(&entry, 1, &wait, nullptr) > 0) take_nudge();
}

void Worker::take_nudge() const { silence(nudge_); }

}  // namespace vitals
