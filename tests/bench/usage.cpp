// Reads CPU clocks and /proc.
#include "tests/bench/usage.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <stdexcept>

#include "tests/bench/bench.hpp"

namespace vitals::bench {
namespace {

constexpr double kibibyte = 1'024;

/// The value of "key   : value" in a file of /proc; "" when it is not there.
std::string field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const auto colon = line.find(':');
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    if (colon != std::string::npos && begin != std::string::npos) return line.substr(begin);
  }
  return {};
}

}  // namespace

Elapsed cpu_time(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    throw std::runtime_error("it ended while it was measured");
  }
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

Memory memory_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const std::string path = folder + "/status";
  Memory memory;
  memory.resident = std::strtod(field(path, "VmRSS").c_str(), nullptr) * kibibyte;
  memory.anonymous = std::strtod(field(path, "RssAnon").c_str(), nullptr) * kibibyte;
  const std::string sum = field(folder + "/smaps_rollup", "Pss");
  memory.proportional = std::strtod(sum.c_str(), nullptr) * kibibyte;
  if (memory.resident <= 0) throw std::runtime_error("it ended while it was measured");
  return memory;
}

std::string machine() {
  utsname system{};
  uname(&system);
  double load = 0;
  getloadavg(&load, 1);
  const auto model = field("/proc/cpuinfo", "model name");
  return std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " × " +
         (model.empty() ? std::string(system.machine) : model) + ", Linux " + system.release +
         ", load " + with_unit(load, "") + " before";
}

}  // namespace vitals::bench
