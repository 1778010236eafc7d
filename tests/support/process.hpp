// Real programs for tests: started on free ports in folders of their own, gone when the test ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/stalls.hpp"

namespace vitals::test {

/// A new folder under the system's temporary folder, world-readable; removed with all in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file in it and returns its path.
  std::filesystem::path write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

/// A TCP port that nobody had a moment ago, over IPv4 or IPv6, and that no other test program gets.
/// Who needs one number in both families takes this one: the kernel picks for each by itself.
std::uint16_t free_port();

struct Command {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH, /usr/sbin, /usr/lib/postgresql
  std::map<std::string, std::string> environment{};  // added to ours
  bool clean_environment = false;                    // only `environment`
  std::optional<std::filesystem::path> directory{};
  /// When we are root: run as this user (postgres refuses root). Ignored otherwise.
  std::string user{};
};

/// A child in a process group of its own, with stdout and stderr in one file; the whole group is
/// killed on destruction, and the child dies with us.
class Process {
 public:
  explicit Process(Command command);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int signal) const;        // the child alone
  void signal_group(int signal) const;  // the child and its children
  [[nodiscard]] bool running();
  /// True between SIGSTOP, once it has arrived, and SIGCONT.
  [[nodiscard]] bool stopped() const;
  /// Exit code, or 128 + signal; nullopt when it still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);
  /// TERM, then KILL after `limit`; returns the code.
  int stop(int signal = SIGTERM, std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// stdout and stderr so far.
  [[nodiscard]] std::string output() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
  std::filesystem::path log_;
};

struct Finished {
  int code = -1;
  std::string output;  // stdout and stderr
};
/// Runs to its end; kills it after `limit` (code 128 + 9).
Finished run(Command command, std::chrono::milliseconds limit = std::chrono::seconds(30));

/// The newest folder of PostgreSQL server programs (/usr/lib/postgresql/NN/bin), "" when PATH has
/// it.
std::filesystem::path postgres_bin();

/// Asks until it is true, every few milliseconds; false after `limit`, in which time that the
/// machine stood still does not count.
template <typename Predicate>
bool eventually(Predicate predicate, std::chrono::milliseconds limit = std::chrono::seconds(30)) {
  const auto begin = std::chrono::steady_clock::now();
  const auto stalls = stalls_so_far();
  while (!predicate()) {
    const auto passed = std::chrono::steady_clock::now() - begin;
    if (passed - stalled_since(stalls) >= limit) return predicate();
    std::this_thread::yield();
    struct timespec pause {
      0, 5'000'000
    };
    nanosleep(&pause, nullptr);
  }
  return true;
}

/// Asks every few milliseconds all through `span`; false at once when it is not true.
template <typename Predicate>
bool stays(Predicate predicate, std::chrono::milliseconds span) {
  return !eventually([&] { return !predicate(); }, span);
}

/// True once something accepts TCP connections there.
bool accepts_tcp(std::uint16_t port);

}  // namespace vitals::test
