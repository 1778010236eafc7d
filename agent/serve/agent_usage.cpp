// What the agent itself uses: CPU, memory, descriptors, threads.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <string_view>

#include <vitals/fd.hpp>

#include "agent/serve/metrics.hpp"
#include "probes/process_facts.hpp"

namespace vitals {
namespace {

/// /proc/self/status is about 1.5 KiB.
constexpr std::size_t proc_file_max = 8 * 1024;
/// Descriptors asked about per poll(2).
constexpr std::size_t poll_batch_max = 256;

std::string read_proc(const char* path) {
  std::string content(proc_file_max, '\0');
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t length = file ? read(file.get(), content.data(), content.size()) : 0;
  content.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return content;
}

double leading_number(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return 0;
  std::uint64_t number = 0;
  std::from_chars(text.data() + first, text.data() + text.size(), number);
  return static_cast<double>(number);
}

/// The number behind "Name:" in /proc/self/status (proc_pid_status(5)).
double status_value(std::string_view status, std::string_view key) {
  const auto at = status.find(key);
  return at == std::string_view::npos ? 0 : leading_number(status.substr(at + key.size()));
}

/// /proc/self/fd can't be listed by a non-root process that is not dumpable, which we are to
/// protect our secrets. poll(2) marks descriptors that are not open, and asks nothing else here.
double count_open_fds(std::size_t table_size) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto batch = static_cast<std::size_t>(std::min<rlim_t>(poll_batch_max, limit.rlim_cur));
  std::array<pollfd, poll_batch_max> fds{};
  std::size_t open_fds = 0;
  for (std::size_t first = 0; first < table_size && batch > 0; first += batch) {
    const std::size_t size = std::min(batch, table_size - first);
    for (std::size_t i = 0; i < size; ++i) fds[i] = {static_cast<int>(first + i), 0, 0};
    if (poll(fds.data(), size, 0) < 0) break;
    open_fds += static_cast<std::size_t>(
        std::count_if(fds.begin(), fds.begin() + static_cast<std::ptrdiff_t>(size),
                      [](const pollfd& fd) { return (fd.revents & POLLNVAL) == 0; }));
  }
  return static_cast<double>(open_fds);
}

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Unix time of the process's creation, to the hundredth of a second that the kernel keeps.
double read_start_time() {
  const auto facts = read_process("/proc", getpid());
  if (!facts) return 0;
  const double start = seconds(CLOCK_REALTIME) - age_of(*facts);
  return static_cast<double>(static_cast<std::int64_t>(start * 100)) / 100;
}

}  // namespace

AgentUsage read_agent_usage() {
  // Once: computed again it would wander with every step of the wall clock.
  static const double start_time = read_start_time();
  const std::string status = read_proc("/proc/self/status");
  AgentUsage usage;
  usage.cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID);
  usage.resident_bytes = status_value(status, "\nVmRSS:") * 1024;
  usage.open_fds = count_open_fds(static_cast<std::size_t>(status_value(status, "\nFDSize:")));
  usage.threads = status_value(status, "\nThreads:");
  usage.start_time_seconds = start_time;
  return usage;
}

}  // namespace vitals
