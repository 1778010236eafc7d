// Addresses, name resolution and connecting, all under one deadline. No third-party header.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/probe.hpp>
#include <vitals/result.hpp>

namespace vitals::net {

/// Why a step of an attempt failed, ready to become a ProbeResult.
struct Failure {
  Reason reason = Reason::internal;
  std::string detail;
};
[[nodiscard]] inline ProbeResult to_result(const Failure& failure) {
  return failed(failure.reason, failure.detail);
}

template <typename T>
using NetResult = Result<T, Failure>;

/// Bytes of a Unix socket's path (unix(7)).
inline constexpr std::size_t unix_path_max = 107;

/// Where to connect to: a name or numeric host with a port, or a Unix socket path (host empty).
struct Endpoint {
  std::string host;  // no brackets
  std::uint16_t port = 0;
  std::string unix_path;

  [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
  /// "host:port", "[v6]:port" or "unix:/path".
  [[nodiscard]] std::string text() const;
  /// 127.0.0.0/8, ::1, ::ffff:127.x, localhost, *.localhost, or a Unix socket; also 0.0.0.0 and
  /// ::, which reach this machine when connected to.
  [[nodiscard]] bool on_loopback() const;
};

/// "host:port", "[v6]:port". The error says what is wrong and shows the form.
[[nodiscard]] Result<Endpoint> parse_host_port(std::string_view text);

/// For the label `target`: "tcp://host:port"; a Unix socket is "unix:/path" whatever the scheme.
[[nodiscard]] std::string target_text(std::string_view scheme, const Endpoint& endpoint);

/// A URL in its parts (RFC 3986), percent-decoded where noted.
struct Url {
  std::string scheme;    // lower case
  std::string user;      // decoded
  std::string password;  // decoded
  bool has_user = false;
  bool has_password = false;  // also an empty one: "user:@"
  std::string host;           // decoded, no brackets; a Unix path for the …+unix schemes
  std::uint16_t port = 0;     // 0: none given
  std::string path;           // raw, with leading '/', may be empty
  std::string query;          // raw, without '?'
  std::vector<std::pair<std::string, std::string>> parameters;  // decoded query
};
/// Needs scheme and "://". Host and port may be missing (`unix:///run/redis.sock`); whether that is
/// a mistake is for the kind to say. The error shows no part of the text: it may hold a password.
[[nodiscard]] Result<Url> parse_url(std::string_view text);
/// Bytes for each %XX; a % without two hex digits stays as it is.
[[nodiscard]] std::string percent_decode(std::string_view text);

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] int family() const { return storage.ss_family; }
  /// Numeric host without brackets, for hostaddr and messages.
  [[nodiscard]] std::string host_text() const;
  /// "1.2.3.4:80", "[::1]:80".
  [[nodiscard]] std::string text() const;
};

/// RFC 8305 §4: families alternate, IPv6 first, the order inside each kept.
[[nodiscard]] std::vector<Address> interleaved(std::span<const Address> v6,
                                               std::span<const Address> v4);

/// localhost or *.localhost (RFC 6761), any case, with or without a final dot.
[[nodiscard]] bool is_localhost(std::string_view host);

enum class IpFamily { any, v4, v6 };

enum class Wait { ready, timeout, interrupted };
/// Blocks until `fd` has one of `events` (poll bits; errors and hang-up count as ready), the
/// deadline, or its interrupt.
[[nodiscard]] Wait wait_for(int fd, short events, const Deadline& deadline);

/// Where names are looked up. A resolv.conf may name a server's port as "[127.0.0.1]:5353".
struct ResolverFiles {
  std::string hosts = "/etc/hosts";
  std::string resolv_conf = "/etc/resolv.conf";
};

/// All addresses of a name in RFC 8305 order (families interleaved, IPv6 first). Numeric hosts
/// and localhost (RFC 6761) ask nobody; otherwise /etc/hosts, then the name servers of
/// /etc/resolv.conf as it is now, through c-ares with time-outs cut from the deadline. Failure
/// reason is dns (also for silent name servers); timeout when interrupted or too late to begin. The
/// files are read anew on each call.
[[nodiscard]] NetResult<std::vector<Address>> resolve(const Endpoint& endpoint, IpFamily family,
                                                      const Deadline& deadline,
                                                      const ResolverFiles& files = {});

/// The name servers of resolv.conf as it is now, at most three, in order; 127.0.0.1 when it names
/// none.
[[nodiscard]] std::vector<Address> name_servers(const ResolverFiles& files = {});

/// The address a numeric host stands for (also "fe80::1%eth0"); nothing for a name.
[[nodiscard]] std::optional<Address> numeric_address(std::string_view host, std::uint16_t port);

struct Connected {
  Fd fd;  // non-blocking, close-on-exec, TCP_NODELAY
  Address peer;
};
/// How long after one address the next one is tried: 250 ms (RFC 8305 §8), less where that would
/// not begin with all of them in the first half of what is left of the deadline, 10 ms at least
/// (§5).
[[nodiscard]] Elapsed connection_attempt_delay(std::size_t addresses, Elapsed remaining);

/// Happy eyeballs (RFC 8305): tries all addresses, a new one after that delay or on failure, first
/// connected wins. Failure: the one that says most of refused, reset, unreachable (by a router),
/// connect_timeout (silence), unreachable (no route from here); detail names the address.
[[nodiscard]] NetResult<Connected> connect_any(std::span<const Address> addresses,
                                               const Deadline& deadline);

/// resolve() + connect_any() with their phases noted; a Unix endpoint has the phase connect alone.
[[nodiscard]] NetResult<Connected> open(const Endpoint& endpoint, IpFamily family,
                                        const Deadline& deadline, PhaseTimes& phases,
                                        const ResolverFiles& files = {});

/// Reason and text for an errno of a socket call: "connect: connection refused".
[[nodiscard]] Failure from_errno(int error, std::string_view doing);

/// What a step returns that saw the interrupt: nobody will look at it.
[[nodiscard]] inline Failure interrupted() { return {Reason::timeout, "interrupted"}; }

}  // namespace vitals::net
