// Established connections over netlink, and from /proc where netlink is refused.
#include "probes/connections_count.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "probes/kernel_files.hpp"

namespace vitals {
namespace {

constexpr std::size_t answer_max = 32 * 1024;
/// 150 bytes a connection, in all states: more than a Machine's ports allow.
constexpr std::size_t table_max = 32 * 1024 * 1024;
constexpr std::string_view established = "01";  // of /proc/net/tcp

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 request{};
};

net::Failure refused(int error, std::string_view doing) {
  return {Reason::internal, std::string(doing) + ": " + std::strerror(error)};
}

std::optional<net::Failure> ask(int fd, int family, std::uint16_t port) {
  Question question;
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = static_cast<std::uint8_t>(family);
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_states = 1U << TCP_ESTABLISHED;
  question.request.id.idiag_sport = htons(port);
  if (send(fd, &question, sizeof(question), 0) >= 0) return std::nullopt;
  return refused(errno, "sock_diag: send");
}

struct Part {
  std::size_t count = 0;
  bool last = false;
};

/// One datagram of the answer.
net::NetResult<Part> read_part(std::span<const char> datagram) {
  Part part;
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) break;
    if (header.nlmsg_type == NLMSG_DONE) part.last = true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error{};
      const auto body = datagram.subspan(sizeof(header));
      std::memcpy(&error, body.data(), std::min(sizeof(error), body.size()));
      return refused(-error.error, "sock_diag");
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY) ++part.count;
    const std::size_t step = NLMSG_ALIGN(header.nlmsg_len);
    datagram = datagram.subspan(std::min(step, datagram.size()));
  }
  return part;
}

net::NetResult<std::size_t> count_family(int family, std::uint16_t port, const Deadline& deadline) {
  const Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!fd) return refused(errno, "sock_diag: socket");
  if (const auto failure = ask(fd.get(), family, port)) return *failure;
  std::array<char, answer_max> answer{};
  std::size_t count = 0;
  while (true) {
    if (net::wait_for(fd.get(), POLLIN, deadline) != net::Wait::ready) {
      return net::Failure{Reason::timeout, "sock_diag: no answer from the kernel"};
    }
    const ssize_t length = recv(fd.get(), answer.data(), answer.size(), 0);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length < 0) return refused(errno, "sock_diag: receive");
    const auto part = read_part(std::span(answer).first(static_cast<std::size_t>(length)));
    if (!part) return part.error();
    count += part.value().count;
    if (part.value().last) return count;
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

net::NetResult<std::size_t> count_by_sock_diag(std::uint16_t port, const Deadline& deadline) {
  auto v4 = count_family(AF_INET, port, deadline);
  if (!v4) return v4;
  // IPv4 clients of a dual-stack listener are IPv6 sockets: each is counted once.
  auto v6 = count_family(AF_INET6, port, deadline);
  if (!v6 && v6.error().reason != Reason::internal) return v6;
  return v4.value() + (v6 ? v6.value() : 0);
}

std::size_t count_in_table(std::string_view table, std::uint16_t port) {
  constexpr std::size_t local_address = 1;
  constexpr std::size_t state = 3;
  std::size_t count = 0;
  for_each_line(table, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() <= state || words[state] != established) return;
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
