// Takes the host out of a URL, strictly.
#include "agent/cli/agent_url.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

namespace vitals::cli {

bool leads_to_loopback(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const auto start = scheme + 3;
  const auto authority = url.substr(start, url.find_first_of("/?#", start) - start);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && !authority.ends_with(']');
  // http://127.0.0.1:80@example.com leads to example.com.
  const auto port = has_port ? authority.substr(colon + 1) : std::string_view();
  if (port.find_first_not_of("0123456789") != std::string_view::npos) return false;
  const std::string host(has_port ? authority.substr(0, colon) : authority);
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
  return host == "localhost" || host == "[::1]";
}

}  // namespace vitals::cli
