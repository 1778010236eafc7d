// Reads meminfo, the memory controllers of both cgroup versions, and PSI.
#include "probes/machine_memory.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vitals {
namespace {

/// Where a controller keeps its numbers (cgroups(7), and the kernel's cgroup-v2 and v1 documents).
struct Controller {
  std::string_view mount;
  std::string_view limit;
  std::string_view usage;
  /// In memory.stat: what the kernel would free, of the group and all below it.
  std::array<std::string_view, 3> reclaimable;
};
constexpr Controller unified{"/fs/cgroup",
                             "/memory.max",
                             "/memory.current",
                             {"inactive_file ", "active_file ", "slab_reclaimable "}};
constexpr Controller legacy{
    "/fs/cgroup/memory",
    "/memory.limit_in_bytes",
    "/memory.usage_in_bytes",
    {"total_inactive_file ", "total_active_file ", "total_slab_reclaimable "}};

/// Nothing when the group has no limit, or no memory controller.
std::optional<MemoryRoom> read_group(const std::string& folder, const Controller& controller) {
  const auto number = [&](std::string_view name) {
    const auto content = read_kernel_file(folder + std::string(name));
    return content ? leading_number(*content) : std::nullopt;  // "max" is no number
  };
  const auto limit = number(controller.limit);
  const auto usage = number(controller.usage);
  if (!limit || *limit == 0 || !usage) return std::nullopt;
  const auto stat = read_kernel_file(folder + "/memory.stat").value_or("");
  double used = static_cast<double>(*usage);
  for (const auto key : controller.reclaimable) {
    used -= static_cast<double>(number_behind(stat, key).value_or(0));
  }
  const auto total = static_cast<double>(*limit);
  return MemoryRoom{total, std::clamp(total - used, 0.0, total), "the cgroup"};
}

/// Every group from ours up to the mount: the limit of each counts. In a container the path may be
/// the host's, of which we see the end alone: the mount itself is our group then.
void add_groups(std::vector<MemoryRoom>& rooms, const std::string& sys, std::string path,
                const Controller& controller) {
  const std::string mount = sys + std::string(controller.mount);
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    if (auto room = read_group(mount + path, controller)) rooms.push_back(*room);
    if (path.empty()) return;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

bool lists(std::string_view controllers, std::string_view name) {
  while (!controllers.empty()) {
    const auto first = controllers.substr(0, controllers.find(','));
    if (first == name) return true;
    controllers.remove_prefix(std::min(first.size() + 1, controllers.size()));
  }
  return false;
}

}  // namespace

std::optional<MemoryRoom> parse_meminfo(std::string_view meminfo) {
  constexpr double kibibyte = 1024;
  const auto total = number_behind(meminfo, "MemTotal:");
  const auto available = number_behind(meminfo, "MemAvailable:");
  if (!total || *total == 0 || !available) return std::nullopt;
  return MemoryRoom{static_cast<double>(*total) * kibibyte,
                    static_cast<double>(*available) * kibibyte, "the machine"};
}

std::vector<MemoryRoom> memory_rooms(const KernelRoots& roots) {
  std::vector<MemoryRoom> rooms;
  const auto meminfo = read_kernel_file(roots.proc + "/meminfo");
  const auto machine = meminfo ? parse_meminfo(*meminfo) : std::nullopt;
  if (!machine) return rooms;
  rooms.push_back(*machine);
  // "0::/path" is v2, "4:memory:/path" is v1 (cgroups(7)).
  const auto groups = read_kernel_file(roots.proc + "/self/cgroup").value_or("");
  for_each_line(groups, [&](std::string_view line) {
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (line.starts_with("0::")) add_groups(rooms, roots.sys, path, unified);
    if (lists(controllers, "memory")) add_groups(rooms, roots.sys, path, legacy);
  });
  return rooms;
}

std::optional<MemoryRoom> tightest(const std::vector<MemoryRoom>& rooms) {
  // v1 says "no limit" with a number near 2^63, which leaves nearly all of it.
  const auto worst = std::max_element(
      rooms.begin(), rooms.end(),
      [](const MemoryRoom& a, const MemoryRoom& b) { return a.used_share() < b.used_share(); });
  return worst == rooms.end() ? std::nullopt : std::optional(*worst);
}

std::vector<Pressure> read_pressure(const KernelRoots& roots) {
  constexpr std::array<std::string_view, 3> resources{"cpu", "memory", "io"};
  constexpr std::string_view total = "total=";
  std::vector<Pressure> all;
  for (const auto resource : resources) {
    const auto text = read_kernel_file(roots.proc + "/pressure/" + std::string(resource));
    for_each_line(text ? std::string_view(*text) : std::string_view(), [&](std::string_view line) {
      const auto words = words_of(line);
      if (words.empty() || (words.front() != "some" && words.front() != "full")) return;
      for (const auto word : words) {
        const auto number =
            word.starts_with(total) ? leading_number(word.substr(total.size())) : std::nullopt;
        if (!number) continue;
        all.push_back({resource, std::string(words.front()), static_cast<double>(*number) / 1e6});
      }
    });
  }
  return all;
}

}  // namespace vitals
