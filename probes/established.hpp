// Established TCP connections as the kernel knows them, over sock_diag(7) or from /proc.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include <vitals/time.hpp>

#include "probes/net.hpp"

namespace vitals {

/// An address and a port. IPv4 as ::ffff:a.b.c.d, in words of network order: so both ends of one
/// connection look the same, whatever family either was opened with.
struct SocketEnd {
  std::array<std::uint32_t, 4> address{};
  std::uint16_t port = 0;

  [[nodiscard]] bool operator==(const SocketEnd&) const = default;
  [[nodiscard]] bool operator<(const SocketEnd& other) const {
    return std::tie(address, port) < std::tie(other.address, other.port);
  }
};

/// One end of an established connection that lives here.
struct EstablishedSocket {
  SocketEnd local;
  SocketEnd remote;
  std::uint32_t inode = 0;  // 0: nobody has accepted or kept it
  /// Bytes of the peer that have arrived; only where they were asked for and the kernel says.
  std::optional<std::uint64_t> bytes_received{};
};

struct SocketQuestion {
  std::uint16_t local_port = 0;   // 0: any
  std::uint16_t remote_port = 0;  // 0: any
  bool with_bytes = false;
};

/// Calls `look` for each, IPv4 and IPv6; the kernel looks for the ports, so that thousands of other
/// connections cost nothing here. IPv4 clients of a dual-stack listener are IPv6 sockets: each is
/// seen once. Failure: Reason::internal where this kernel (or its sandbox) does not answer such
/// questions.
[[nodiscard]] net::NetResult<std::monostate> for_each_established(
    const SocketQuestion& question, const Deadline& deadline,
    const std::function<void(const EstablishedSocket&)>& look);

/// Those of one local port.
[[nodiscard]] net::NetResult<std::size_t> count_by_sock_diag(std::uint16_t port,
                                                             const Deadline& deadline);

/// Reads `proc`/net/tcp and tcp6 (proc_pid_net(5)); nothing when the first can't be read. A
/// kernel without IPv6 has no tcp6.
[[nodiscard]] std::optional<std::size_t> count_by_proc(std::uint16_t port, const std::string& proc);

/// The established connections of a table as in /proc/net/tcp. Pure.
[[nodiscard]] std::size_t count_in_table(std::string_view table, std::uint16_t port);

}  // namespace vitals
