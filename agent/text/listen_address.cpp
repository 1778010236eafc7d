// Splits and checks listen addresses.
#include "agent/text/listen_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace vitals {

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ListenAddress address;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || last != end) return std::nullopt;
  auto host = text.substr(0, colon);
  address.v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (address.v6) host = host.substr(1, host.size() - 2);
  address.host = !address.v6 && host == "localhost" ? "127.0.0.1" : host;
  // A NUL inside would end the text for inet_pton, and leave more for whoever shows it.
  if (address.host.find('\0') != std::string::npos) return std::nullopt;
  in6_addr bytes{};
  const int family = address.v6 ? AF_INET6 : AF_INET;
  if (inet_pton(family, address.host.c_str(), &bytes) != 1) return std::nullopt;
  return address;
}

}  // namespace vitals
