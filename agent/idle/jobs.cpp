// Finds adopted processes. Not every kernel lists the children of a process, so all are looked at.
#include "agent/idle/jobs.hpp"

#include <algorithm>

#include "probes/process_facts.hpp"

namespace vitals::idle {

std::vector<std::string> adopted_by(pid_t supervisor, std::span<const pid_t> ours) {
  std::vector<std::string> names;
  for (const pid_t pid : list_processes("/proc")) {
    if (std::find(ours.begin(), ours.end(), pid) != ours.end()) continue;
    const auto process = read_process("/proc", pid);
    if (!process || process->parent != supervisor || process->is_zombie()) continue;
    names.push_back(process->comm);
  }
  return names;
}

}  // namespace vitals::idle
