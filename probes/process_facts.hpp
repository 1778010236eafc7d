// What /proc tells about a process: proc_pid_stat(5) and its neighbours.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

/// Of one moment. A pid is used again when its process has gone; pid and start together are not.
struct ProcessFacts {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string comm;  // at most 15 bytes, a program may set it
  char state = '?';
  std::uint64_t start_ticks = 0;  // since boot
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double threads = 0;

  /// Ended, and its parent has not asked how yet.
  [[nodiscard]] bool is_zombie() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

/// Nothing when there is no such process (or no /proc).
[[nodiscard]] std::optional<ProcessFacts> read_process(const std::string& proc, pid_t pid);

/// Takes /proc/PID/stat apart; nothing when it is cut or garbled. Pure.
[[nodiscard]] std::optional<ProcessFacts> parse_process(std::string_view stat);

/// All pids that can be seen, in no order.
[[nodiscard]] std::vector<pid_t> list_processes(const std::string& proc);

enum class Runs { yes, no, hidden };
/// Is `program` (a path, also through links) what the process runs? Where the link to its file
/// can't be read, as for processes of another user, the first word of its command line can say yes
/// and not no (any process chooses its own): hidden then.
[[nodiscard]] Runs runs_file(const std::string& proc, pid_t pid, const std::string& program);

/// Is `name` its comm, or the last part of its first word or of its file?
[[nodiscard]] bool has_name(const std::string& proc, const ProcessFacts& facts,
                            std::string_view name);

/// Nothing where the kernel does not let us look.
[[nodiscard]] std::optional<double> count_fds(const std::string& proc, pid_t pid);
[[nodiscard]] std::optional<double> max_fds(const std::string& proc, pid_t pid);

/// Seconds since the process was created.
[[nodiscard]] double age_of(const ProcessFacts& facts);

}  // namespace vitals
