// A program on a terminal of its own: what it draws, and what somebody types.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace vitals::test {

/// Runs `argv` (argv[0] a path) on a pseudo-terminal with these variables added to ours. Killed on
/// destruction.
class Terminal {
 public:
  struct Options {
    std::vector<std::pair<std::string, std::string>> environment{};
    unsigned short rows = 24;
    unsigned short columns = 100;
  };
  Terminal(const std::vector<std::string>& argv, const Options& options);
  explicit Terminal(const std::vector<std::string>& argv) : Terminal(argv, Options{}) {}
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  /// All that was drawn so far, escape sequences included.
  [[nodiscard]] std::string output() const;
  /// As from the keyboard: "\x03" is Ctrl-C.
  void type(const std::string& keys) const;
  /// Exit code, or 128 + signal; nothing when it still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

 private:
  void read_all();

  pid_t pid_ = -1;
  int master_ = -1;
  std::optional<int> code_;
  mutable std::mutex mutex_;  // guards output_
  std::string output_;
  std::thread reader_;
};

}  // namespace vitals::test
