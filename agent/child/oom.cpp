// Reads the kernel's counters of OOM kills (cgroups(7), proc_vmstat(5)), from the stack.
#include "agent/child/oom.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include <vitals/fd.hpp>

namespace vitals::child {
namespace {

constexpr std::string_view counter = "oom_kill";
/// /proc/vmstat has about 200 lines of 30 bytes.
constexpr std::size_t file_max = 16 * 1024;
constexpr std::size_t path_max = 1'024;

/// What fits of a file; empty when it can't be read.
std::string_view read_file(const char* path, std::span<char> buffer) {
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  std::size_t size = 0;
  while (file && size < buffer.size()) {
    const ssize_t got = read(file.get(), buffer.data() + size, buffer.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  return {buffer.data(), size};
}

class Path {
 public:
  Path& operator+=(std::string_view part) {
    if (size_ + part.size() >= text_.size()) {
      fits_ = false;
    } else {
      std::memcpy(text_.data() + size_, part.data(), part.size());
      size_ += part.size();
    }
    return *this;
  }
  [[nodiscard]] const char* text() const { return fits_ ? text_.data() : ""; }

 private:
  std::array<char, path_max> text_{};
  std::size_t size_ = 0;
  bool fits_ = true;
};

/// In a container the path is often that of the host, while the files lie at the root.
std::uint64_t count_in_cgroup(std::span<char> buffer) {
  const MemoryCgroup cgroup = memory_cgroup_in(read_file("/proc/self/cgroup", buffer));
  if (cgroup.path.empty()) return 0;
  const std::string_view root = cgroup.version1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
  const std::string_view name = cgroup.version1 ? "/memory.oom_control" : "/memory.events";
  Path inner;
  inner += root;
  inner += cgroup.path == "/" ? std::string_view() : cgroup.path;
  inner += name;
  if (const auto text = read_file(inner.text(), buffer); !text.empty()) {
    return counter_in(text, counter);
  }
  Path outer;
  outer += root;
  outer += name;
  return counter_in(read_file(outer.text(), buffer), counter);
}

}  // namespace

std::uint64_t counter_in(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      std::uint64_t value = 0;
      std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
      return value;
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return 0;
}

MemoryCgroup memory_cgroup_in(std::string_view text) {
  MemoryCgroup found;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    // "hierarchy:controllers:path"; version 2 is "0::path".
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (controllers == "memory") return {line.substr(second + 1), true};
    if (line.starts_with("0::")) found.path = line.substr(second + 1);
  }
  return found;
}

OomKills count_oom_kills() {
  std::array<char, file_max> buffer;
  OomKills kills;
  kills.machine = counter_in(read_file("/proc/vmstat", buffer), counter);
  kills.cgroup = count_in_cgroup(buffer);
  return kills;
}

}  // namespace vitals::child
