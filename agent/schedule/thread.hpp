// A joinable thread with a small stack and all signals blocked: main alone receives signals.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <string>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals {

/// Enough for OpenSSL, libpq and libcurl with room to spare; the default of 8 MiB would only be
/// address space, but 1,000 of them are not honest.
inline constexpr std::size_t thread_stack_bytes = 256 * 1024;

/// What our threads ask to run for at a time (sched_setattr(2), Linux 6.12 and later): who asks for
/// less comes sooner after it wakes, with the same share in all. So an app that keeps every CPU
/// busy delays answers and measured latencies less. Not handed to the app: main alone starts
/// processes.
inline constexpr Elapsed thread_slice = std::chrono::microseconds(100);

/// Must be joined or abandoned before it is destroyed (assert). Move-only.
class Thread {
 public:
  Thread() = default;
  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  /// `name` is cut to 15 bytes (prctl(2)). The error says that the system gives no more threads.
  static Result<Thread> start(const std::string& name, std::function<void()> body);

  void join();
  /// Lets it run on unobserved; only for threads that hang in a library while the process ends.
  void abandon();

 private:
  pthread_t handle_{};
  bool started_ = false;
};

}  // namespace vitals
