// Clients of the app, by what the kernel knows of both ends of a connection.
#include "probes/app_connections.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <charconv>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "probes/established.hpp"

namespace vitals {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

/// Where /proc/self/fd may not be read (not dumpable, and not root), descriptors below this are
/// tried.
constexpr int tried_descriptors_max = 4'096;

void add_inode(int fd, std::set<std::uint64_t>& inodes) {
  struct stat status {};
  if (fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) inodes.insert(status.st_ino);
}

std::set<std::uint64_t> own_sockets() {
  std::set<std::uint64_t> inodes;
  const Folder folder(opendir("/proc/self/fd"));
  if (folder == nullptr) {
    for (int fd = 0; fd < tried_descriptors_max; ++fd) add_inode(fd, inodes);
    return inodes;
  }
  while (const dirent* const entry = readdir(folder.get())) {
    const std::string_view name(entry->d_name);
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec == std::errc()) {
      add_inode(fd, inodes);
    }
  }
  return inodes;
}

/// Our own ends of connections to that port, here or elsewhere.
std::set<SocketEnd> own_ends(std::uint16_t port, const Deadline& deadline) {
  const auto own = own_sockets();
  std::set<SocketEnd> ends;
  // Without an answer none is ours: a probe then looks like a client for one look.
  static_cast<void>(
      for_each_established({.remote_port = port}, deadline, [&](const EstablishedSocket& client) {
        if (own.contains(client.inode)) ends.insert(client.local);
      }));
  return ends;
}

}  // namespace

Result<std::size_t> count_clients(std::uint16_t port, const Deadline& deadline) {
  std::vector<SocketEnd> clients;
  const auto asked = for_each_established(
      {.local_port = port, .with_bytes = true}, deadline, [&](const EstablishedSocket& found) {
        const bool silent = found.bytes_received && *found.bytes_received == 0;
        if (!silent) clients.push_back(found.remote);
      });
  if (!asked) {
    const auto known = count_by_proc(port, "/proc");
    if (known) return *known;
    return Error{asked.error().detail + ", and /proc/net/tcp can't be read"};
  }
  if (clients.empty()) return std::size_t{0};
  const auto own = own_ends(port, deadline);
  std::erase_if(clients, [&](const SocketEnd& client) { return own.contains(client); });
  return clients.size();
}

}  // namespace vitals
