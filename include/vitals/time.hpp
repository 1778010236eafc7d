// Time as the whole program measures it: one monotonic clock, one deadline per attempt.
#pragma once

#include <algorithm>
#include <chrono>

namespace vitals {

/// Monotonic; all intervals, deadlines and ages are measured with it (contract §4.1).
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
/// For display and Prometheus timestamps only; it may step at any moment.
using WallTime = std::chrono::system_clock::time_point;
/// What a person configures: whole milliseconds.
using Duration = std::chrono::milliseconds;
/// What we measure.
using Elapsed = std::chrono::nanoseconds;

/// One moment on both clocks, read together.
struct Instant {
  TimePoint mono{};
  WallTime wall{};

  static Instant now() { return {Clock::now(), std::chrono::system_clock::now()}; }
};

/// Time that went by while the Machine was suspended or this process stopped, on both clocks: the
/// monotonic one may stand still in a suspend.
struct Sleep {
  Elapsed mono{};
  Elapsed wall{};

  Sleep& operator+=(const Sleep& other) {
    mono += other.mono;
    wall += other.wall;
    return *this;
  }
  friend Sleep operator-(const Sleep& a, const Sleep& b) {
    return {a.mono - b.mono, a.wall - b.wall};
  }
  friend bool operator==(const Sleep&, const Sleep&) = default;
};

/// The one limit of an attempt: DNS, connect, TLS, login, question and answer share it.
///
/// Every wait of a probe takes its limit from remaining() and also watches interrupt_fd(): that
/// descriptor becomes readable when the attempt is not wanted any more (resume, reload, stop).
/// Whoever sees it readable returns at once, with any result: an interrupted attempt is thrown
/// away. The descriptor is never read by a probe. Copyable, immutable.
class Deadline {
 public:
  /// `interrupt_fd` of -1: can't be interrupted.
  explicit Deadline(TimePoint end, int interrupt_fd = -1)
      : end_(end), interrupt_fd_(interrupt_fd) {}

  static Deadline after(Duration limit, int interrupt_fd = -1) {
    return Deadline(Clock::now() + limit, interrupt_fd);
  }

  [[nodiscard]] TimePoint end() const { return end_; }
  [[nodiscard]] int interrupt_fd() const { return interrupt_fd_; }
  /// Never negative.
  [[nodiscard]] Elapsed remaining() const {
    return std::max(Elapsed::zero(), Elapsed(end_ - Clock::now()));
  }
  /// For poll(2) and libraries that count milliseconds: rounded up, so that a wait does not end
  /// early and spin; 0 only when the time is up.
  [[nodiscard]] int remaining_ms() const {
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(remaining()).count());
  }
  [[nodiscard]] bool expired() const { return Clock::now() >= end_; }
  /// The earlier of this deadline and `limit` from now; same interrupt.
  [[nodiscard]] Deadline at_most(Duration limit) const {
    return Deadline(std::min(end_, Clock::now() + limit), interrupt_fd_);
  }

 private:
  TimePoint end_;
  int interrupt_fd_;
};

}  // namespace vitals
