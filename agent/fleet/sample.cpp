// Drawing a sample of the fleet; interfaces through getifaddrs(3).
#include "agent/fleet/sample.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "agent/fleet/decide.hpp"

namespace vitals::fleet {
namespace {

using Interfaces = std::unique_ptr<ifaddrs, decltype(&freeifaddrs)>;

template <typename Binary>
std::string written(int family, const Binary& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* const result = inet_ntop(family, &address, text.data(), text.size());
  return result == nullptr ? "" : result;
}

/// Empty for what is neither IPv4 nor IPv6.
std::string written(const sockaddr* address) {
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    return written(AF_INET, reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  }
  if (address->sa_family == AF_INET6) {
    return written(AF_INET6, reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  }
  return {};
}

}  // namespace

std::vector<std::string> choose_peers(const SampleRequest& request, std::mt19937& random) {
  const std::set<std::string> others = [&] {
    std::set<std::string> result(request.addresses.begin(), request.addresses.end());
    for (const std::string& own : request.own) result.erase(own);
    return result;
  }();
  std::vector<std::string> chosen;
  std::vector<std::string> rest;
  for (const std::string& address : others) {
    (request.answered.contains(address) ? chosen : rest).push_back(address);
  }
  std::shuffle(chosen.begin(), chosen.end(), random);
  std::shuffle(rest.begin(), rest.end(), random);
  chosen.insert(chosen.end(), rest.begin(), rest.end());
  if (chosen.size() > request.size) chosen.resize(request.size);
  return chosen;
}

std::set<std::string> interface_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return {};
  const Interfaces interfaces(first, &freeifaddrs);
  std::set<std::string> addresses;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    const std::string text = written(each->ifa_addr);
    if (!text.empty()) addresses.insert(text);
  }
  return addresses;
}

std::string canonical_address(const std::string& text) {
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return written(AF_INET6, v6);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return written(AF_INET, v4);
  return text;
}

bool is_look_up_due(const std::optional<TimePoint>& last, TimePoint now) {
  return !last || now >= *last + round_interval;
}

}  // namespace vitals::fleet
