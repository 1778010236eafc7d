// Where the listener shall listen, as text: one reading for the config that refuses it and for the
// listener that binds it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitals {

struct ListenAddress {
  std::string host;  // numeric, without brackets
  std::uint16_t port = 0;
  bool v6 = false;
};

/// "a.b.c.d:port", "[v6]:port" or "localhost:port"; nothing for everything else: no name server is
/// asked before the listener is there.
[[nodiscard]] std::optional<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace vitals
