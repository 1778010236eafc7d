// The socketpair between the supervisor and a helper.
#include "agent/child/link.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vitals::child {

LinkPair make_link() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {};
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {Fd(ends[0]), Fd(ends[1])};
}

namespace {

/// Room for the descriptors beside a message, aligned as the kernel wants it.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int) * passed_descriptors)> bytes;
};

void take_descriptors(msghdr& message, PassedDescriptors* descriptors) {
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return;
  const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  PassedDescriptors taken;
  for (std::size_t i = 0; i < std::min(count, passed_descriptors); ++i) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
    taken[i].reset(fd);
  }
  if (descriptors != nullptr) *descriptors = std::move(taken);
}

}  // namespace

bool send_bytes(int link, const void* data, std::size_t size,
                const std::array<int, passed_descriptors>* descriptors) {
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control{};
  if (descriptors != nullptr) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof *descriptors);
    std::memcpy(CMSG_DATA(header), descriptors->data(), sizeof *descriptors);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(link, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

Received receive_bytes(int link, void* data, std::size_t size, PassedDescriptors* descriptors) {
  while (true) {
    iovec part{data, size};
    Control control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t got = recvmsg(link, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);
    if (got >= 0) take_descriptors(message, descriptors);
    if (got == static_cast<ssize_t>(size)) return Received::message;
    if (got == 0) return Received::closed;
    if (got > 0 || errno == EINTR) continue;
    return errno == EAGAIN ? Received::nothing : Received::closed;
  }
}

bool is_link(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace vitals::child
