// Opens the listening socket that `[server] listen` names.
#include "agent/serve/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/text/listen_address.hpp"

namespace vitals::http {
namespace {

/// Clients the kernel keeps for us while we are not at accept (capped by net.core.somaxconn).
constexpr int backlog = 4'096;

struct Target {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::uint16_t port = 0;
  bool any_v6 = false;
};

Target make_v4(in_addr host, std::uint16_t port) {
  Target target;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&target.storage);
  v4->sin_family = AF_INET;
  v4->sin_addr = host;
  v4->sin_port = htons(port);
  target.length = sizeof(sockaddr_in);
  target.port = port;
  return target;
}

Target make_v6(in6_addr host, std::uint16_t port) {
  Target target;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&target.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_addr = host;
  v6->sin6_port = htons(port);
  target.length = sizeof(sockaddr_in6);
  target.port = port;
  target.any_v6 = IN6_IS_ADDR_UNSPECIFIED(&host);
  return target;
}

std::optional<Target> parse(const std::string& text) {
  const auto address = parse_listen_address(text);
  if (!address) return std::nullopt;
  in6_addr v6{};
  if (address->v6 && inet_pton(AF_INET6, address->host.c_str(), &v6) == 1) {
    return make_v6(v6, address->port);
  }
  in_addr v4{};
  inet_pton(AF_INET, address->host.c_str(), &v4);
  return make_v4(v4, address->port);
}

/// Nothing on success; errno otherwise.
int open_socket(const Target& target, Fd& fd) {
  fd = Fd(socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  const int on = 1;
  const int off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (target.any_v6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&target.storage), target.length) != 0 ||
      ::listen(fd.get(), backlog) != 0) {
    return errno;
  }
  return 0;
}

std::uint16_t bound_port(const Fd& fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return ntohs(storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

std::string explain(int error, std::uint16_t port, const std::string& setting) {
  const auto number = std::to_string(port);
  switch (error) {
    case EADDRINUSE:
      return "address already in use; another vitals or program has port " + number +
             ": stop it or set " + setting;
    case EACCES:
      return "permission denied; a port below 1024 needs root: set " + setting;
    case EADDRNOTAVAIL:
      return "this machine has no such address; write \"[::]:" + number + "\" in " + setting;
    default:
      return std::string(strerror(error)) + "; set " + setting;
  }
}

bool is_listening(const Fd& fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  return fd && getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 &&
         listening != 0;
}

/// Address and port; 0 in `target` stands for every port, "[::]" for its fallback, too.
bool is_bound_to(const Fd& fd, const Target& target) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return false;
  if (target.port != 0 && bound_port(fd) != target.port) return false;
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  if (storage.ss_family == AF_INET && target.any_v6) return v4->sin_addr.s_addr == INADDR_ANY;
  if (storage.ss_family != target.storage.ss_family) return false;
  if (storage.ss_family == AF_INET) {
    const auto* const wanted = reinterpret_cast<const sockaddr_in*>(&target.storage);
    return v4->sin_addr.s_addr == wanted->sin_addr.s_addr;
  }
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  const auto* const wanted = reinterpret_cast<const sockaddr_in6*>(&target.storage);
  return IN6_ARE_ADDR_EQUAL(&v6->sin6_addr, &wanted->sin6_addr);
}

}  // namespace

std::optional<Listener> adopt_listener(const std::string& address, Fd inherited) {
  const auto target = parse(address);
  if (!target || !is_listening(inherited) || !is_bound_to(inherited, *target)) return std::nullopt;
  const auto port = bound_port(inherited);
  return Listener{std::move(inherited), port};
}

std::string bound_address(const Fd& fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  const bool is_v6 = storage.ss_family == AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (is_v6) {
    inet_ntop(AF_INET6, &v6->sin6_addr, host.data(), host.size());
  } else {
    inet_ntop(AF_INET, &v4->sin_addr, host.data(), host.size());
  }
  const std::string text = is_v6 ? "[" + std::string(host.data()) + "]" : std::string(host.data());
  return text + ":" + std::to_string(bound_port(fd));
}

Result<Listener> open_listener(const std::string& address, const std::string& setting) {
  const auto target = parse(address);
  if (!target) {
    return Error{"cannot listen on '" + address +
                 "': not a numeric address with a port; write \"[::]:9100\" or "
                 "\"127.0.0.1:9100\" in " +
                 setting};
  }
  Listener listener;
  int error = open_socket(*target, listener.fd);
  if (target->any_v6 && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL)) {
    error = open_socket(make_v4({htonl(INADDR_ANY)}, target->port), listener.fd);
  }
  if (error != 0)
    return Error{"cannot listen on " + address + ": " + explain(error, target->port, setting)};
  listener.port = bound_port(listener.fd);
  return listener;
}

}  // namespace vitals::http
