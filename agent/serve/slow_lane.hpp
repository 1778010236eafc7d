// The one worker thread for answers that grow with the number of checks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/schedule/thread.hpp"
#include "agent/serve/router.hpp"

namespace vitals::http {

/// Requests that wait for the worker; more are told to come back.
inline constexpr std::size_t slow_queue_max = 32;

struct SlowJob {
  std::uint64_t connection = 0;
  RequestHead head;
  std::string body;
  bool from_loopback = false;
  bool keep_alive = true;
  TimePoint started;
};

struct SlowAnswer {
  std::uint64_t connection = 0;
  bool keep_alive = true;
  TimePoint started;
  Answered answered;
  std::string bytes;
};

/// push() and take() are for one thread, the loop's; neither blocks.
class SlowLane {
 public:
  /// `wake` is called on the worker whenever an answer is ready.
  SlowLane(const Handler& handler, std::function<void()> wake);
  /// The error says that the system gives no more threads; nothing is ever answered then.
  [[nodiscard]] std::optional<Error> start();
  /// Finishes the running job, forgets the others.
  ~SlowLane();
  SlowLane(const SlowLane&) = delete;
  SlowLane& operator=(const SlowLane&) = delete;

  /// False: the queue is full and `job` was not taken.
  [[nodiscard]] bool push(SlowJob& job);
  [[nodiscard]] std::vector<SlowAnswer> take();

 private:
  void work();

  Router router_;
  std::function<void()> wake_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<SlowJob> jobs_;
  std::vector<SlowAnswer> answers_;
  bool stopping_ = false;
  Thread thread_;  // last: runs on all of the above
};

}  // namespace vitals::http
