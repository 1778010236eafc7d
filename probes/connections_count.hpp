// Counting established TCP connections to a local port, as the kernel knows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "probes/net.hpp"

namespace vitals {

/// Asks over sock_diag(7), one question for each address family; the kernel looks for the port, so
/// that thousands of other connections cost nothing here. Failure: Reason::internal where this
/// kernel (or its sandbox) does not answer such questions.
[[nodiscard]] net::NetResult<std::size_t> count_by_sock_diag(std::uint16_t port,
                                                             const Deadline& deadline);

/// Reads `proc`/net/tcp and tcp6 (proc_pid_net(5)); nothing when the first can't be read. A
/// kernel without IPv6 has no tcp6.
[[nodiscard]] std::optional<std::size_t> count_by_proc(std::uint16_t port, const std::string& proc);

/// The established connections of a table as in /proc/net/tcp. Pure.
[[nodiscard]] std::size_t count_in_table(std::string_view table, std::uint16_t port);

}  // namespace vitals
