// A process whose wall clock the test can step, while everybody else's stays.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <vitals/fd.hpp>

namespace vitals::test {

/// Time namespaces virtualise the monotonic clocks alone, and those only before a process starts,
/// so this stands in for a resume's step: the process gets no vDSO, and each clock_gettime of the
/// wall clock that it and its threads make is answered by us (seccomp user notification). Needs
/// root. Ended with TERM on destruction.
class SteppedProcess {
 public:
  /// Empty when the kernel permits all this here; else why not.
  static std::string forbidden();

  SteppedProcess(std::vector<std::string> argv, std::map<std::string, std::string> environment);
  ~SteppedProcess();
  SteppedProcess(const SteppedProcess&) = delete;
  SteppedProcess& operator=(const SteppedProcess&) = delete;

  /// Its wall clock jumps by so much.
  void step(std::chrono::seconds by) { offset_ += by.count(); }
  /// How often it has asked us for the time.
  [[nodiscard]] long asked() const { return asked_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void take_over(int told);
  void await_stop() const;
  void answer();

  pid_t pid_ = -1;
  Fd listener_;
  std::atomic<std::int64_t> offset_{0};
  std::atomic<long> asked_{0};
  std::thread thread_;
};

}  // namespace vitals::test
