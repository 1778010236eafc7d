// The stopwatch of the tests: what a busy machine adds is known, what the thread took is not
// hidden.
#include "tests/support/timing.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "tests/support/watched_run.hpp"

namespace vitals::test {
namespace {

/// The calling thread and those it makes run on the first CPU it may use, until the end of the
/// block.
class OneCpu {
 public:
  OneCpu() {
    REQUIRE(sched_getaffinity(0, sizeof(before_), &before_) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &before_)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof(before_), &before_); }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_{};
};

Elapsed cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Elapsed(time.tv_nsec);
}

TEST_CASE("stopwatch: time that another thread had the only CPU is not the thread's own") {
  const OneCpu shared;
  std::atomic<bool> done{false};
  std::thread rival([&] {
    while (!done) {
    }
  });
  const auto before = Clock::now();
  const Stopwatch watch;
  // By its own clock, so that it has had that much however many others there are.
  const Elapsed computed = Duration(100);
  for (const auto begin = cpu_time(); cpu_time() - begin < computed;) continue;
  const Took took = watch.took();
  const Elapsed around = Clock::now() - before;
  done = true;
  rival.join();
  // The queue is read a moment before and after the time is.
  CHECK(around >= computed + took.queued);
  CHECK(took.queued > Duration(20));
  CHECK(took.own() < took.elapsed);
}

TEST_CASE("stopwatch: time that the thread waits for something else is its own") {
  const Stopwatch watch;
  std::condition_variable never;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  never.wait_for(lock, Duration(50), [] { return false; });
  const Took took = watch.took();
  CHECK(took.own() + took.stalled >= Duration(49));
}

/// In a watched run: while its watcher stands still, so does the machine as far as can be seen.
int look_while_watcher_stands_still() {
  constexpr Duration enough{100};
  for (int tries = 0; tries < 50; ++tries) {  // its threads begin at some time
    const Stopwatch watch;
    kill(getppid(), SIGSTOP);
    Took took = watch.took();
    while (took.elapsed < 4 * enough && took.stalled < enough) {
      poll(nullptr, 0, 5);
      took = watch.took();
    }
    kill(getppid(), SIGCONT);
    if (took.stalled >= enough) return took.own() <= took.elapsed - enough ? 0 : 2;
    poll(nullptr, 0, 50);  // on a busy machine they don't begin in the moment before the next stop
  }
  return 1;
}

TEST_CASE("stopwatch: time that the machine stood still is not the thread's own") {
  const pid_t run = fork();
  if (run == 0) _exit(watched_run(look_while_watcher_stands_still));
  REQUIRE(run > 0);
  int status = -1;
  CHECK(waitpid(run, &status, 0) == run);
  CHECK(status == 0);
}

}  // namespace
}  // namespace vitals::test
