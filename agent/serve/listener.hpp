// Opens the listening socket that `[server] listen` names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>

namespace vitals::http {

struct Listener {
  Fd fd;  // non-blocking, close-on-exec, listening; accepted sockets inherit TCP_NODELAY
  std::uint16_t port = 0;
};

/// `address` is "a.b.c.d:port", "[v6]:port" or "localhost:port"; "[::]" takes IPv4 clients, too,
/// and falls back to 0.0.0.0 where the kernel has no IPv6. Port 0 picks one. Asks no name server.
/// `setting` is what the error tells people to change.
[[nodiscard]] Result<Listener> open_listener(const std::string& address,
                                             const std::string& setting = "[server] listen");

/// `inherited` as the listener of `address`, when it is one and bound there (a port of 0 fits every
/// port); else nothing, and it is closed.
[[nodiscard]] std::optional<Listener> adopt_listener(const std::string& address, Fd inherited);

/// Where a socket is bound, as open_listener() takes it.
[[nodiscard]] std::string bound_address(const Fd& fd);

}  // namespace vitals::http
