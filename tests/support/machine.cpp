// Enters and leaves namespaces.
#include "tests/support/machine.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/support/skipped.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

void need(bool done, const std::string& what) {
  if (!done) throw std::runtime_error(what + ": " + std::strerror(errno));
}

void cover(const fs::path& with, const char* place) {
  need(mount(with.c_str(), place, nullptr, MS_BIND, nullptr) == 0, std::string("cover ") + place);
}

/// Why this process may not have namespaces of its own; empty when it may. A thread tries, and
/// takes what it made with it.
std::string forbidden() {
  if (getuid() != 0) return "not root";
  std::string why;
  std::thread([&why] {
    try {
      need(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
      need(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    } catch (const std::exception& error) {
      why = error.what();
    }
  }).join();
  return why;
}

}  // namespace

bool Machine::possible() {
  static const std::string why = forbidden();
  if (!why.empty()) skipped("namespaces are not permitted here: " + why);
  return why.empty();
}

Machine::Machine(const std::map<std::string, std::string>& hosts)
    : network_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)),
      mounts_(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)) {
  std::string lines = "127.0.0.1 localhost\n::1 localhost\n";
  for (const auto& [name, address] : hosts) lines += address + " " + name + "\n";
  const auto hosts_file = folder_.write("hosts", lines);
  const auto resolv_file = folder_.write("resolv.conf", "");
  need(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
  need(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
  cover(hosts_file, "/etc/hosts");
  cover(resolv_file, "/etc/resolv.conf");
  const Finished up = run({{"ip", "link", "set", "lo", "up"}});
  if (up.code != 0) throw std::runtime_error("no loopback: " + up.output);
}

Machine::~Machine() {
  // Mounts first: the other way round would do as well, but both have to be tried.
  const bool back = setns(mounts_.get(), CLONE_NEWNS) == 0;
  if (setns(network_.get(), CLONE_NEWNET) != 0 || !back) std::abort();
}

}  // namespace vitals::test
