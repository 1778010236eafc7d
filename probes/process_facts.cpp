// Reads processes from /proc.
#include "probes/process_facts.hpp"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <filesystem>
#include <memory>
#include <system_error>

#include "probes/kernel_files.hpp"

namespace vitals {
namespace {

constexpr std::size_t stat_max = 4 * 1024;
/// The first word of a command line has to fit.
constexpr std::size_t first_word_max = 4 * 1024;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

std::string folder_of(const std::string& proc, pid_t pid) {
  return proc + "/" + std::to_string(pid);
}

/// Calls `each` with every name in it but "." and ".."; false when it can't be read.
template <typename Each>
bool for_each_name(const std::string& path, Each each) {
  const Folder folder(opendir(path.c_str()));
  if (!folder) return false;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") each(name);
  }
  return true;
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Empty for kernel threads and zombies.
std::string first_word(const std::string& proc, pid_t pid) {
  const auto line = read_kernel_file(folder_of(proc, pid) + "/cmdline", first_word_max);
  return line ? line->substr(0, line->find('\0')) : "";
}

/// The file it runs, also when that was replaced by a deploy; nothing, and errno, when we may not
/// know.
std::optional<std::string> program_of(const std::string& proc, pid_t pid) {
  constexpr std::string_view replaced = " (deleted)";
  std::array<char, PATH_MAX> target{};
  const auto length =
      readlink((folder_of(proc, pid) + "/exe").c_str(), target.data(), target.size());
  if (length < 0) return std::nullopt;
  std::string_view path(target.data(), static_cast<std::size_t>(length));
  if (path.ends_with(replaced)) path.remove_suffix(replaced.size());
  return std::string(path);
}

double seconds_of(std::uint64_t ticks) {
  static const auto per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(ticks) / per_second;
}

}  // namespace

std::optional<ProcessFacts> parse_process(std::string_view stat) {
  // Field numbers of proc_pid_stat(5), counted from the state behind the name, which may hold
  // blanks and parentheses.
  constexpr std::size_t state = 3;
  constexpr std::size_t ppid = 4;
  constexpr std::size_t utime = 14;
  constexpr std::size_t stime = 15;
  constexpr std::size_t num_threads = 20;
  constexpr std::size_t starttime = 22;
  constexpr std::size_t rss = 24;
  const auto open = stat.find('(');
  const auto close = stat.rfind(')');
  const auto pid = leading_number(stat);
  if (!pid || open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  const auto fields = words_of(stat.substr(close + 1));
  if (fields.size() <= rss - state) return std::nullopt;
  const auto field = [&](std::size_t number) {
    return leading_number(fields[number - state]).value_or(0);
  };
  ProcessFacts facts;
  facts.pid = static_cast<pid_t>(*pid);
  facts.comm = stat.substr(open + 1, close - open - 1);
  facts.state = fields[0].front();
  facts.parent = static_cast<pid_t>(field(ppid));
  facts.start_ticks = field(starttime);
  facts.cpu_seconds = seconds_of(field(utime) + field(stime));
  facts.resident_bytes = static_cast<double>(field(rss)) * static_cast<double>(getpagesize());
  facts.threads = static_cast<double>(field(num_threads));
  return facts;
}

std::optional<ProcessFacts> read_process(const std::string& proc, pid_t pid) {
  const auto stat = read_kernel_file(folder_of(proc, pid) + "/stat", stat_max);
  return stat ? parse_process(*stat) : std::nullopt;
}

std::vector<pid_t> list_processes(const std::string& proc) {
  std::vector<pid_t> pids;
  for_each_name(proc, [&](std::string_view name) {
    const bool number = name.find_first_not_of("0123456789") == std::string_view::npos;
    const auto pid = number ? leading_number(name) : std::nullopt;
    if (pid && *pid <= INT_MAX) pids.push_back(static_cast<pid_t>(*pid));
  });
  return pids;
}

Runs runs_file(const std::string& proc, pid_t pid, const std::string& program) {
  const auto file = program_of(proc, pid);
  if (!file) {
    const bool forbidden = errno == EACCES || errno == EPERM;
    const auto word = first_word(proc, pid);
    if (word == program) return Runs::yes;
    // Kernel threads, which run no file, have no words either.
    return forbidden && !word.empty() ? Runs::hidden : Runs::no;
  }
  if (*file == program) return Runs::yes;
  // The kernel names the file at the end of all links: /bin is a link to /usr/bin nearly
  // everywhere.
  std::error_code error;
  return std::filesystem::canonical(program, error) == *file && !error ? Runs::yes : Runs::no;
}

bool has_name(const std::string& proc, const ProcessFacts& facts, std::string_view name) {
  if (facts.comm == name) return true;
  if (last_part(first_word(proc, facts.pid)) == name) return true;
  const auto file = program_of(proc, facts.pid);
  return file && last_part(*file) == name;
}

std::optional<double> count_fds(const std::string& proc, pid_t pid) {
  double count = 0;
  if (!for_each_name(folder_of(proc, pid) + "/fd", [&](std::string_view) { ++count; })) {
    return std::nullopt;
  }
  return count;
}

std::optional<double> max_fds(const std::string& proc, pid_t pid) {
  const auto limits = read_kernel_file(folder_of(proc, pid) + "/limits");
  const auto number = limits ? number_behind(*limits, "Max open files") : std::nullopt;
  if (!number) return std::nullopt;  // also "unlimited", which has no number
  return static_cast<double>(*number);
}

double age_of(const ProcessFacts& facts) {
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const double now = static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) / 1e9;
  return now - seconds_of(facts.start_ticks);
}

}  // namespace vitals
