// Where the listener shall listen, as text: one reading for the config that refuses it and for the
// listener that binds it. Pure.
#pragma once

#include <cstddef>
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

/// Bytes of the longest text that is one.
inline constexpr std::size_t listen_address_max = 53;

/// "a.b.c.d:port", "[v6]:port" or "localhost:port"; nothing for everything else: no name server is
/// asked before the listener is there.
[[nodiscard]] std::optional<ListenAddress> parse_listen_address(std::string_view text);

/// Two listeners there would take each other's port, and whoever connects to one may reach the
/// other: "[::]" is every address of both families, "0.0.0.0" every one of IPv4. Port 0 is
/// nobody's.
[[nodiscard]] bool overlap(const ListenAddress& one, const ListenAddress& other);

}  // namespace vitals
