// Clients of the app where no front door counts them: who has said something on its port, and is
// none of ours.
#pragma once

#include <cstddef>
#include <cstdint>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals {

/// Established connections to the local port through which the client has sent something, other
/// than those that this process made. Where the kernel does not answer sock_diag, all established
/// ones of /proc/net/tcp. The error says why neither can be read.
[[nodiscard]] Result<std::size_t> count_clients(std::uint16_t port, const Deadline& deadline);

}  // namespace vitals
