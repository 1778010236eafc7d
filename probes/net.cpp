// Addresses, waiting and connecting (happy eyeballs, RFC 8305) under a deadline.
#include "probes/net.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <vitals/text.hpp>

namespace vitals::net {
namespace {

/// RFC 8305 §8 and §5.
constexpr Elapsed attempt_delay_max = Duration(250);
constexpr Elapsed attempt_delay_min = Duration(10);
/// A Unix socket with a full backlog gives no event to wait for.
constexpr Duration unix_retry_delay{10};

const sockaddr* raw(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.storage);
}
const sockaddr_in& ipv4(const Address& address) {
  return reinterpret_cast<const sockaddr_in&>(address.storage);
}
const sockaddr_in6& ipv6(const Address& address) {
  return reinterpret_cast<const sockaddr_in6&>(address.storage);
}

bool is_loopback_v4(in_addr address) { return (ntohl(address.s_addr) >> 24) == 127; }

/// Connecting to the unspecified address reaches this machine, so it counts as loopback.
bool is_loopback(const Address& address) {
  if (address.family() == AF_INET) {
    const auto v4 = ipv4(address).sin_addr;
    return is_loopback_v4(v4) || v4.s_addr == INADDR_ANY;
  }
  const auto& v6 = ipv6(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    in_addr v4{};
    std::memcpy(&v4, v6.s6_addr + 12, sizeof(v4));
    return is_loopback_v4(v4);
  }
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6);
}

timespec to_timespec(Elapsed time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {static_cast<std::time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
}

Elapsed until(TimePoint moment) {
  return std::max(Elapsed::zero(), Elapsed(moment - Clock::now()));
}

std::string text_of(int error) {
  std::string text = std::generic_category().message(error);
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

/// How much an outcome says about the dependency, to pick one of several addresses'.
int weight(const Failure& failure, int error) {
  if (failure.reason == Reason::refused) return 6;
  if (failure.reason == Reason::reset) return 5;
  // A router's answer. "No route from here" is what every IPv6 address gives without IPv6.
  if (error == EHOSTUNREACH) return 4;
  if (failure.reason == Reason::connect_timeout) return 3;
  if (failure.reason == Reason::unreachable) return 2;
  return 1;
}

Failure connect_failure(int error, const std::string& where) {
  auto failure = from_errno(error, "connect to " + where);
  if (error == ETIMEDOUT) failure.reason = Reason::connect_timeout;
  return failure;
}

/// On loopback a port of the ephemeral range that nobody listens on can be met by our own socket
/// (simultaneous open): a connection to itself proves nothing.
bool connected_to_itself(int fd) {
  sockaddr_storage here{};
  sockaddr_storage there{};
  socklen_t here_length = sizeof(here);
  socklen_t there_length = sizeof(there);
  return getsockname(fd, reinterpret_cast<sockaddr*>(&here), &here_length) == 0 &&
         getpeername(fd, reinterpret_cast<sockaddr*>(&there), &there_length) == 0 &&
         here_length == there_length && std::memcmp(&here, &there, here_length) == 0;
}

/// The connections that are on their way, and what became of the others.
class Race {
 public:
  Race(std::span<const Address> addresses, const Deadline& deadline)
      : addresses_(addresses),
        deadline_(deadline),
        delay_(connection_attempt_delay(addresses.size(), deadline.remaining())) {}

  NetResult<Connected> run() {
    while (true) {
      if (may_start()) start();
      if (winner_) return std::move(*winner_);
      if (may_start()) continue;
      if (pending_.empty()) return worst_;
      if (const auto failure = wait()) return *failure;
      if (winner_) return std::move(*winner_);
    }
  }

 private:
  struct Try {
    Fd fd;
    Address address;
  };

  [[nodiscard]] bool may_start() const {
    return next_ < addresses_.size() && (pending_.empty() || Clock::now() >= next_start_);
  }

  void start() {
    const Address& address = addresses_[next_++];
    next_start_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(delay_);
    Fd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return note(errno, address);
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd.get(), raw(address), address.length) == 0) {
      return finish(Try{std::move(fd), address}, 0);
    }
    if (errno != EINPROGRESS) return note(errno, address);
    pending_.push_back(Try{std::move(fd), address});
  }

  /// One wait; a failure when there is nothing more to wait for.
  std::optional<Failure> wait() {
    std::vector<pollfd> polled;
    for (const auto& one : pending_) polled.push_back({one.fd.get(), POLLOUT, 0});
    polled.push_back({deadline_.interrupt_fd(), POLLIN, 0});
    Elapsed limit = deadline_.remaining();
    if (next_ < addresses_.size()) limit = std::min(limit, until(next_start_));
    const timespec timeout = to_timespec(limit);
    if (ppoll(polled.data(), polled.size(), &timeout, nullptr) < 0 && errno != EINTR) {
      return from_errno(errno, "poll");
    }
    if (polled.back().revents != 0) return interrupted();
    collect(polled);
    if (!winner_ && !pending_.empty() && deadline_.expired()) return silent();
    return std::nullopt;
  }

  void collect(const std::vector<pollfd>& polled) {
    std::vector<Try> still;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (polled[i].revents == 0) {
        still.push_back(std::move(pending_[i]));
        continue;
      }
      int error = 0;
      socklen_t length = sizeof(error);
      getsockopt(pending_[i].fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      finish(std::move(pending_[i]), error);
    }
    pending_ = std::move(still);
  }

  void finish(Try one, int error) {
    if (error == 0 && connected_to_itself(one.fd.get())) error = ECONNREFUSED;
    if (error != 0) return note(error, one.address);
    if (!winner_) winner_ = Connected{std::move(one.fd), one.address};
  }

  void note(int error, const Address& address) {
    next_start_ = Clock::now();
    keep(connect_failure(error, address.text()), error);
  }

  void keep(Failure failure, int error) {
    if (weight(failure, error) <= worst_weight_) return;
    worst_weight_ = weight(failure, error);
    worst_ = std::move(failure);
  }

  Failure silent() {
    std::string names;
    for (const auto& one : pending_) names += (names.empty() ? "" : ", ") + one.address.text();
    keep({Reason::connect_timeout, "no answer from " + names}, 0);
    return worst_;
  }

  std::span<const Address> addresses_;
  const Deadline& deadline_;
  Elapsed delay_;
  std::size_t next_ = 0;
  TimePoint next_start_{};
  std::vector<Try> pending_;
  std::optional<Connected> winner_;
  Failure worst_{Reason::dns, "no address to connect to"};
  int worst_weight_ = 0;
};

Failure unix_failure(int error, const std::string& path) {
  const auto doing = "connect to unix:" + path;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {Reason::refused, doing + ": no such socket"};
    case EACCES:
    case EPERM:
      return {Reason::internal,
              doing + ": permission denied; run vitals as a user that may use this socket"};
    case EPROTOTYPE:
      return {Reason::internal, doing + ": not a stream socket"};
    default:
      return from_errno(error, doing);
  }
}

NetResult<Connected> connect_unix(const std::string& path, const Deadline& deadline) {
  Connected result;
  auto& address = reinterpret_cast<sockaddr_un&>(result.peer.storage);
  address.sun_family = AF_UNIX;
  static_assert(unix_path_max < sizeof(address.sun_path));
  if (path.size() > unix_path_max) {
    return Failure{Reason::internal, "unix:" + path + ": path longer than 107 bytes"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  result.peer.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);

  result.fd = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!result.fd) return from_errno(errno, "socket");
  while (connect(result.fd.get(), raw(result.peer), result.peer.length) != 0) {
    if (errno != EAGAIN) return unix_failure(errno, path);
    if (deadline.expired()) {
      return Failure{Reason::connect_timeout, "no answer from unix:" + path + ", backlog full"};
    }
    if (wait_for(-1, 0, deadline.at_most(unix_retry_delay)) == Wait::interrupted) {
      return interrupted();
    }
  }
  return result;
}

}  // namespace

std::string Endpoint::text() const {
  if (is_unix()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Endpoint::on_loopback() const {
  if (is_unix()) return true;
  if (const auto address = numeric_address(host, port)) return is_loopback(*address);
  return is_localhost(host);
}

bool is_localhost(std::string_view host) {
  std::string name = to_lower(host);
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || name.ends_with(".localhost");
}

std::string target_text(std::string_view scheme, const Endpoint& endpoint) {
  return endpoint.is_unix() ? endpoint.text() : std::string(scheme) + "://" + endpoint.text();
}

std::string Address::host_text() const {
  if (family() == AF_UNIX) return reinterpret_cast<const sockaddr_un&>(storage).sun_path;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &ipv4(*this).sin_addr, text.data(), text.size());
    return text.data();
  }
  inet_ntop(AF_INET6, &ipv6(*this).sin6_addr, text.data(), text.size());
  const auto zone = ipv6(*this).sin6_scope_id;
  return zone == 0 ? std::string(text.data()) : text.data() + ("%" + std::to_string(zone));
}

std::string Address::text() const {
  switch (family()) {
    case AF_INET:
      return host_text() + ":" + std::to_string(ntohs(ipv4(*this).sin_port));
    case AF_INET6:
      return "[" + host_text() + "]:" + std::to_string(ntohs(ipv6(*this).sin6_port));
    default:
      return "unix:" + host_text();
  }
}

std::optional<Address> numeric_address(std::string_view host, std::uint16_t port) {
  Address address;
  const std::string plain(host.substr(0, host.find('%')));
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  if (plain.size() == host.size() && inet_pton(AF_INET, plain.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.length = sizeof(v4);
    return address;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET6, plain.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  address.length = sizeof(v6);
  if (plain.size() < host.size()) {
    const std::string zone(host.substr(plain.size() + 1));
    v6.sin6_scope_id = if_nametoindex(zone.c_str());
    if (v6.sin6_scope_id == 0) {
      v6.sin6_scope_id = static_cast<std::uint32_t>(std::strtoul(zone.c_str(), nullptr, 10));
    }
  }
  return address;
}

std::vector<Address> interleaved(std::span<const Address> v6, std::span<const Address> v4) {
  std::vector<Address> ordered;
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) ordered.push_back(v6[i]);
    if (i < v4.size()) ordered.push_back(v4[i]);
  }
  return ordered;
}

Wait wait_for(int fd, short events, const Deadline& deadline) {
  while (true) {
    std::array<pollfd, 2> polled{{{fd, events, 0}, {deadline.interrupt_fd(), POLLIN, 0}}};
    const timespec timeout = to_timespec(deadline.remaining());
    const int count = ppoll(polled.data(), polled.size(), &timeout, nullptr);
    if (count < 0) {
      VITALS_ASSERT(errno == EINTR || errno == ENOMEM);
      if (deadline.expired()) return Wait::timeout;
      continue;
    }
    if (polled[1].revents != 0) return Wait::interrupted;
    if (polled[0].revents != 0) return Wait::ready;
    if (deadline.expired()) return Wait::timeout;
  }
}

Elapsed connection_attempt_delay(std::size_t addresses, Elapsed remaining) {
  if (addresses < 2) return attempt_delay_max;
  const auto apart = remaining / 2 / static_cast<Elapsed::rep>(addresses - 1);
  return std::clamp(apart, attempt_delay_min, attempt_delay_max);
}

NetResult<Connected> connect_any(std::span<const Address> addresses, const Deadline& deadline) {
  return Race(addresses, deadline).run();
}

NetResult<Connected> open(const Endpoint& endpoint, IpFamily family, const Deadline& deadline,
                          PhaseTimes& phases, const ResolverFiles& files) {
  std::vector<Address> addresses;
  auto begin = Clock::now();
  if (!endpoint.is_unix()) {
    auto found = resolve(endpoint, family, deadline, files);
    phases.set(Phase::resolve, Clock::now() - begin);
    if (!found) return found.error();
    addresses = std::move(found).value();
    begin = Clock::now();
  }
  auto connected = endpoint.is_unix() ? connect_unix(endpoint.unix_path, deadline)
                                      : connect_any(addresses, deadline);
  phases.set(Phase::connect, Clock::now() - begin);
  return connected;
}

Failure from_errno(int error, std::string_view doing) {
  const auto because = [&](Reason reason) {
    return Failure{reason, std::string(doing) + ": " + text_of(error)};
  };
  switch (error) {
    case ECONNREFUSED:
      return because(Reason::refused);
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
      return because(Reason::reset);
    case ETIMEDOUT:
      return because(Reason::timeout);
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EACCES:
    case EPERM:
    case EINVAL:  // an address that nobody can be connected to
    case ENOPROTOOPT:
    case EPROTO:
      return because(Reason::unreachable);
    case EMFILE:
    case ENFILE:
      return {Reason::internal, std::string(doing) + ": " + text_of(error) +
                                    "; raise the limit of open files (ulimit -n)"};
    default:
      return because(Reason::internal);
  }
}

}  // namespace vitals::net
