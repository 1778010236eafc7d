// Makes cgroups below the mounts that systemd and container runtimes use.
#include "tests/support/memory_group.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "tests/support/process.hpp"
#include "tests/support/skipped.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

/// Names of cgroup-v1/memory and cgroup-v2.
struct Version {
  const char* mount;
  const char* limit;
  const char* peak;
};
constexpr std::array<Version, 2> versions{{
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
    {"/sys/fs/cgroup", "memory.max", "memory.peak"},
}};

bool write_limit(const fs::path& folder, const Version& version, std::uint64_t bytes) {
  std::fstream file(folder / version.limit, std::ios::in | std::ios::out);  // never makes it
  file << bytes << std::flush;
  return file.good();
}

/// The folder of a new group; nothing when the kernel does not let us.
std::optional<fs::path> make_group(std::uint64_t bytes) {
  for (const Version& version : versions) {
    const auto folder = fs::path(version.mount) / ("vitals-test-" + std::to_string(getpid()));
    if (mkdir(folder.c_str(), S_IRWXU) != 0) continue;
    if (write_limit(folder, version, bytes)) return folder;
    rmdir(folder.c_str());
  }
  return std::nullopt;
}

}  // namespace

bool MemoryGroup::possible() {
  const auto folder = make_group(std::uint64_t{1} << 30U);
  if (folder) {
    rmdir(folder->c_str());
  } else {
    skipped("no cgroup with a memory limit can be made here");
  }
  return folder.has_value();
}

MemoryGroup::MemoryGroup(std::uint64_t bytes) {
  const auto folder = make_group(bytes);
  if (!folder) throw std::runtime_error("no cgroup with a memory limit can be made here");
  folder_ = *folder;
}

MemoryGroup::~MemoryGroup() {
  // Processes that were killed a moment ago are still leaving it.
  eventually([&] { return rmdir(folder_.c_str()) == 0; });
}

std::vector<std::string> MemoryGroup::wrapper() const {
  return {"sh", "-c", R"(echo $$ >"$0/cgroup.procs" && exec "$@")", folder_.string()};
}

std::uint64_t MemoryGroup::peak() const {
  std::uint64_t bytes = 0;
  for (const Version& version : versions) {
    std::ifstream file(folder_ / version.peak);
    if (file >> bytes) break;
  }
  return bytes;
}

}  // namespace vitals::test
