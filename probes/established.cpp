// Established connections over netlink, and from /proc where netlink is refused.
#include "probes/established.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <span>

#include "probes/kernel_files.hpp"

namespace vitals {
namespace {

constexpr std::size_t answer_max = 32 * 1024;
constexpr std::uint32_t established = 1U << 1U;  // TCP_ESTABLISHED of the kernel's tcp_states.h
/// 150 bytes a connection, in all states: more than a Machine's ports allow.
constexpr std::size_t table_max = 32 * 1024 * 1024;
constexpr std::string_view established_word = "01";  // of /proc/net/tcp

struct Message {
  nlmsghdr header{};
  inet_diag_req_v2 request{};
};

net::Failure refused(int error, std::string_view doing) {
  return {Reason::internal, std::string(doing) + ": " + std::strerror(error)};
}

std::optional<net::Failure> ask(int fd, int family, const SocketQuestion& question) {
  Message message;
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = static_cast<std::uint8_t>(family);
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.idiag_states = established;
  message.request.id.idiag_sport = htons(question.local_port);
  message.request.id.idiag_dport = htons(question.remote_port);
  if (question.with_bytes) message.request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  if (send(fd, &message, sizeof(message), 0) >= 0) return std::nullopt;
  return refused(errno, "sock_diag: send");
}

SocketEnd end_of(int family, const std::uint32_t (&address)[4], std::uint16_t port) {
  constexpr std::uint32_t mapped = 0xFFFF;
  if (family == AF_INET) return {{0, 0, htonl(mapped), address[0]}, ntohs(port)};
  return {{address[0], address[1], address[2], address[3]}, ntohs(port)};
}

/// The attributes behind an inet_diag_msg; kernels before 4.1 have a shorter tcp_info.
std::optional<std::uint64_t> bytes_received(std::span<const char> attributes) {
  while (attributes.size() >= sizeof(rtattr)) {
    rtattr head{};
    std::memcpy(&head, attributes.data(), sizeof(head));
    if (head.rta_len < sizeof(head) || head.rta_len > attributes.size()) return std::nullopt;
    const auto body = attributes.subspan(sizeof(head), head.rta_len - sizeof(head));
    constexpr std::size_t begin = offsetof(tcp_info, tcpi_bytes_received);
    if (head.rta_type == INET_DIAG_INFO && body.size() >= begin + sizeof(std::uint64_t)) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, body.data() + begin, sizeof(bytes));
      return bytes;
    }
    const std::size_t step = RTA_ALIGN(head.rta_len);
    attributes = attributes.subspan(std::min(step, attributes.size()));
  }
  return std::nullopt;
}

std::optional<EstablishedSocket> read_socket(std::span<const char> body) {
  inet_diag_msg message{};
  if (body.size() < sizeof(message)) return std::nullopt;
  std::memcpy(&message, body.data(), sizeof(message));
  EstablishedSocket found;
  const int family = message.idiag_family;
  found.local = end_of(family, message.id.idiag_src, message.id.idiag_sport);
  found.remote = end_of(family, message.id.idiag_dst, message.id.idiag_dport);
  found.inode = message.idiag_inode;
  found.bytes_received = bytes_received(body.subspan(sizeof(message)));
  return found;
}

/// One datagram of the answer; true: it was the last.
net::NetResult<bool> read_part(std::span<const char> datagram,
                               const std::function<void(const EstablishedSocket&)>& look) {
  bool last = false;
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) break;
    const auto body = datagram.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    if (header.nlmsg_type == NLMSG_DONE) last = true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error{};
      std::memcpy(&error, body.data(), std::min(sizeof(error), body.size()));
      return refused(-error.error, "sock_diag");
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
      if (const auto found = read_socket(body)) look(*found);
    }
    const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
    datagram = datagram.subspan(std::min(step, datagram.size()));
  }
  return last;
}

net::NetResult<std::monostate> ask_family(
    int family, const SocketQuestion& question, const Deadline& deadline,
    const std::function<void(const EstablishedSocket&)>& look) {
  const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!fd) return refused(errno, "sock_diag: socket");
  if (const auto failure = ask(fd.get(), family, question)) return *failure;
  std::array<char, answer_max> answer{};
  while (true) {
    if (net::wait_for(fd.get(), POLLIN, deadline) != net::Wait::ready) {
      return net::Failure{Reason::timeout, "sock_diag: no answer from the kernel"};
    }
    const ssize_t length = recv(fd.get(), answer.data(), answer.size(), 0);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length < 0) return refused(errno, "sock_diag: receive");
    const auto last = read_part(std::span(answer).first(static_cast<std::size_t>(length)), look);
    if (!last) return last.error();
    if (last.value()) return std::monostate{};
  }
}

/// "0100007F:1F90": the digits behind the colon.
std::optional<unsigned> port_of(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  unsigned port = 0;
  const auto parsed =
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port, 16);
  if (parsed.ec != std::errc()) return std::nullopt;
  return port;
}

}  // namespace

net::NetResult<std::monostate> for_each_established(
    const SocketQuestion& question, const Deadline& deadline,
    const std::function<void(const EstablishedSocket&)>& look) {
  auto v4 = ask_family(AF_INET, question, deadline, look);
  if (!v4) return v4;
  auto v6 = ask_family(AF_INET6, question, deadline, look);
  if (!v6 && v6.error().reason != Reason::internal) return v6;
  return v4;
}

net::NetResult<std::size_t> count_by_sock_diag(std::uint16_t port, const Deadline& deadline) {
  std::size_t count = 0;
  const auto asked = for_each_established({.local_port = port}, deadline,
                                          [&](const EstablishedSocket&) { ++count; });
  if (!asked) return asked.error();
  return count;
}

std::size_t count_in_table(std::string_view table, std::uint16_t port) {
  constexpr std::size_t local_address = 1;
  constexpr std::size_t state = 3;
  std::size_t count = 0;
  for_each_line(table, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() <= state || words[state] != established_word) return;
    if (port_of(words[local_address]) == port) ++count;
  });
  return count;
}

std::optional<std::size_t> count_by_proc(std::uint16_t port, const std::string& proc) {
  const auto v4 = read_kernel_file(proc + "/net/tcp", table_max);
  if (!v4) return std::nullopt;
  const auto v6 = read_kernel_file(proc + "/net/tcp6", table_max);
  return count_in_table(*v4, port) + (v6 ? count_in_table(*v6, port) : 0);
}

}  // namespace vitals
