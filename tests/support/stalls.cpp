// Threads that sleep and note how late they wake.
#include "tests/support/stalls.hpp"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

namespace vitals::test {
namespace {

using Time = std::chrono::steady_clock;

constexpr std::chrono::milliseconds beat{10};
/// Less than this is how late one is on a machine that is only busy, and is not noted.
constexpr std::chrono::milliseconds slack{20};

std::int64_t nanoseconds(Time::duration time) { return std::chrono::nanoseconds(time).count(); }

/// What one thread has noted. The next moment is written beside the one that counts, so that a
/// reader never waits for a writer that was stopped half-way.
class Note {
 public:
  void write(Time::duration late, Time::time_point due) {
    const std::uint32_t next = version_ + 1;
    Moment& moment = moments_.at(next % moments_.size());
    moment.late = nanoseconds(late);
    moment.due = nanoseconds(due.time_since_epoch());
    version_ = next;
  }
  /// With what it will note when it wakes.
  [[nodiscard]] std::chrono::nanoseconds read() const {
    while (true) {
      const std::uint32_t before = version_;
      const Moment& moment = moments_.at(before % moments_.size());
      const std::int64_t late = moment.late;
      const std::int64_t due = moment.due;
      if (version_ != before) continue;  // its place may have been written to again
      const auto overdue = nanoseconds(Time::now().time_since_epoch()) - due;
      const bool counts = due != 0 && overdue > nanoseconds(slack);
      return std::chrono::nanoseconds(late + (counts ? overdue : 0));
    }
  }

 private:
  struct Moment {
    std::atomic<std::int64_t> late{0};
    std::atomic<std::int64_t> due{0};  // 0: it has not begun
  };
  std::atomic<std::uint32_t> version_{0};
  std::array<Moment, 2> moments_;
};

std::vector<std::size_t> usable_processors() {
  cpu_set_t set;
  std::vector<std::size_t> found;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return found;
  for (std::size_t i = 0; i < CPU_SETSIZE && found.size() < stall_threads_max; ++i) {
    if (CPU_ISSET(i, &set)) found.push_back(i);
  }
  return found;
}

void stay_on(std::size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

struct StallWatch::Shared {
  std::array<Note, stall_threads_max> notes;
};

namespace {

/// Of the innermost run: a test may be a run of its own.
std::atomic<StallWatch::Shared*>& current() {
  static std::atomic<StallWatch::Shared*> one{nullptr};
  return one;
}

}  // namespace

struct StallWatch::Threads {
  std::mutex mutex;
  std::condition_variable over;
  bool stopping = false;  // guarded by mutex
  std::vector<std::thread> threads;

  void look(std::size_t processor, Note& note) {
    stay_on(processor);
    Time::duration late{0};
    Time::time_point due = Time::now() + beat;
    std::unique_lock lock(mutex);
    while (!stopping) {
      note.write(late, due);
      over.wait_until(lock, due, [this] { return stopping; });
      const auto woke = Time::now();
      if (woke > due + slack) late += woke - due;
      due = woke + beat;
    }
  }
};

StallWatch::StallWatch() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  shared_ = new (memory) Shared;
  current() = shared_;
}

void StallWatch::start() {
  threads_ = std::make_unique<Threads>();
  std::size_t i = 0;
  for (const std::size_t processor : usable_processors()) {
    threads_->threads.emplace_back([processor, &note = shared_->notes.at(i++),
                                    all = threads_.get()] { all->look(processor, note); });
  }
}

StallWatch::~StallWatch() {
  if (threads_) {
    {
      const std::lock_guard lock(threads_->mutex);
      threads_->stopping = true;
    }
    threads_->over.notify_all();
    for (auto& thread : threads_->threads) thread.join();
  }
  current() = nullptr;
  munmap(shared_, sizeof(Shared));
}

Stalls stalls_so_far() {
  Stalls stalls{};
  const auto* const shared = current().load();
  for (std::size_t i = 0; shared != nullptr && i < stalls.size(); ++i) {
    stalls.at(i) = shared->notes.at(i).read();
  }
  return stalls;
}

std::chrono::nanoseconds stalled_since(const Stalls& before) {
  const Stalls now = stalls_so_far();
  std::chrono::nanoseconds longest{0};
  for (std::size_t i = 0; i < now.size(); ++i)
    longest = std::max(longest, now.at(i) - before.at(i));
  return longest;
}

}  // namespace vitals::test
