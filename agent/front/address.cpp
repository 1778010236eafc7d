// Where the app listens, as the front door connects to it.
#include "agent/front/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "agent/text/listen_address.hpp"

namespace vitals::front {
namespace {

Address v4_address(in_addr host, std::uint16_t port) {
  Address address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  v4->sin_family = AF_INET;
  v4->sin_addr = host;
  v4->sin_port = htons(port);
  address.length = sizeof(sockaddr_in);
  return address;
}

Address v6_address(in6_addr host, std::uint16_t port) {
  Address address;
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_addr = host;
  v6->sin6_port = htons(port);
  address.length = sizeof(sockaddr_in6);
  return address;
}

}  // namespace

Result<std::vector<Address>> upstream_addresses(const std::string& upstream) {
  const auto parsed = parse_listen_address(upstream);
  if (!parsed || parsed->port == 0) {
    return Error{
        "must be an address and a port of this Machine, such as \"127.0.0.1:3000\" or "
        "\"localhost:3000\""};
  }
  // Node listens on either, depending on its version.
  if (upstream.starts_with("localhost:")) {
    return std::vector{v4_address({htonl(INADDR_LOOPBACK)}, parsed->port),
                       v6_address(in6addr_loopback, parsed->port)};
  }
  in6_addr v6{};
  if (parsed->v6 && inet_pton(AF_INET6, parsed->host.c_str(), &v6) == 1) {
    return std::vector{v6_address(v6, parsed->port)};
  }
  in_addr v4{};
  inet_pton(AF_INET, parsed->host.c_str(), &v4);
  return std::vector{v4_address(v4, parsed->port)};
}

}  // namespace vitals::front
