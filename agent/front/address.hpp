// Where the app listens, as the front door connects to it.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include <vitals/result.hpp>

namespace vitals::front {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// "a.b.c.d:port", "[v6]:port", or "localhost:port" for both families in turn. Asks no name server.
/// The error completes the sentence "'upstream' …".
[[nodiscard]] Result<std::vector<Address>> upstream_addresses(const std::string& upstream);

}  // namespace vitals::front
