// Where a Postgres is and how to log in: connection URIs and key=value strings as libpq takes them.
// No third-party header.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/result.hpp>

#include "probes/net.hpp"

namespace vitals::postgres {

inline constexpr std::uint16_t default_port = 5432;
inline constexpr std::size_t hosts_max = 16;

/// libpq's target_session_attrs.
enum class SessionAttrs { any, read_write, read_only, primary, standby, prefer_standby };

/// The value of target_session_attrs; prefer_standby is ours to play, libpq is told "standby".
[[nodiscard]] std::string_view to_keyword(SessionAttrs attrs);

/// One of the hosts of a URL.
struct Server {
  std::string
      host;  // a name, a numeric address, or the directory of a Unix socket ("/run/…", "@…")
  std::string hostaddr;  // numeric; empty: `host` is resolved
  std::uint16_t port = default_port;

  [[nodiscard]] bool is_unix() const;
  /// What to resolve and to show: hostaddr, else host; the socket's path for a Unix socket.
  [[nodiscard]] net::Endpoint endpoint() const;
};

/// A URL understood. Everything libpq would otherwise take from its environment is settled here.
struct Target {
  std::vector<Server> servers;  // at least one
  std::string user;             // never empty: without one in the URL the system's, as libpq does
  std::string password;
  std::string database;  // never empty: the user's name is libpq's default
  SessionAttrs attrs = SessionAttrs::any;
  bool shuffle = false;  // load_balance_hosts=random
  /// sslmode and the like, ready for libpq.
  std::vector<std::pair<std::string, std::string>> keywords;
  /// Names of parameters that do nothing here (ORMs add them).
  std::vector<std::string> ignored;
};

/// The name that passwd(5) text has for `uid`; empty when it has none.
[[nodiscard]] std::string user_in(std::string_view passwd, std::uint32_t uid);

/// user_in() of /etc/passwd for the effective uid. Reads the file itself: a static binary has no
/// NSS.
[[nodiscard]] std::string system_user();

/// Accepts postgres:// and postgresql:// (also postgresql+driver://) and libpq's key=value form.
/// `default_user` is asked when it names no user. The error says what is wrong and the way out; it
/// quotes nothing that may be part of a password.
[[nodiscard]] Result<Target> parse_url(std::string_view text,
                                       std::string (*default_user)() = system_user);

/// What must never be shown of it: passwords, and what `options` sets for an app.
[[nodiscard]] std::vector<std::string> secrets_of(const Target& target);

}  // namespace vitals::postgres
