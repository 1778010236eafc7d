// The socketpair between the supervisor and a helper.
#include "agent/child/link.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

namespace vitals::child {

LinkPair make_link() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {};
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {Fd(ends[0]), Fd(ends[1])};
}

bool send_bytes(int link, const void* data, std::size_t size) {
  ssize_t sent = 0;
  do {
    sent = send(link, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

Received receive_bytes(int link, void* data, std::size_t size) {
  while (true) {
    const ssize_t got = recv(link, data, size, MSG_TRUNC);
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
