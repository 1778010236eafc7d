// Splits and checks listen addresses.
#include "agent/text/listen_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace vitals {
namespace {

constexpr std::size_t port_digits_max = 5;

/// IPv4 as the part of IPv6 that it is mapped to, so that one address has one spelling.
in6_addr mapped(const ListenAddress& address) {
  const std::string text = address.v6 ? address.host : "::ffff:" + address.host;
  in6_addr bytes{};
  inet_pton(AF_INET6, text.c_str(), &bytes);
  return bytes;
}

bool is_v4(const in6_addr& address) { return IN6_IS_ADDR_V4MAPPED(&address); }

/// Every address of `other`'s kind.
bool covers(const in6_addr& one, const in6_addr& other) {
  if (IN6_IS_ADDR_UNSPECIFIED(&one)) return true;
  const in6_addr any_v4 = mapped({"0.0.0.0", 0, false});
  return is_v4(other) && IN6_ARE_ADDR_EQUAL(&one, &any_v4);
}

}  // namespace

bool overlap(const ListenAddress& one, const ListenAddress& other) {
  if (one.port != other.port || one.port == 0) return false;
  const in6_addr a = mapped(one);
  const in6_addr b = mapped(other);
  return IN6_ARE_ADDR_EQUAL(&a, &b) || covers(a, b) || covers(b, a);
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ListenAddress address;
  const auto port = text.substr(colon + 1);
  // Or zeros in front could make it as long as they like.
  if (port.size() > port_digits_max) return std::nullopt;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(port.data(), end, address.port);
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
