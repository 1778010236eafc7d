// A Redis URL in its parts: redis, rediss, valkey, valkeys, unix. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vitals/result.hpp>

#include "probes/net.hpp"

namespace vitals::redis {

/// Where a server is and how to log in there.
struct Server {
  net::Endpoint endpoint;
  bool tls = false;
  std::string user;      // empty: the default user
  std::string password;  // empty without a user: no AUTH; with one: it has none (nopass)
  int database = 0;
  /// scheme://host:port or unix:///path; nothing secret in it.
  std::string target;
  /// Names of query parameters that mean nothing here.
  std::vector<std::string> ignored;
};

/// The error says what is wrong and shows the form; it never holds a part of `text` that may be
/// secret. http and https are refused with the reason: they are the REST endpoint of a provider.
[[nodiscard]] Result<Server> parse_server(std::string_view text);

}  // namespace vitals::redis
