// A Redis URL in its parts: redis, rediss, valkey, valkeys, unix. Pure.
#include "probes/redis_url.hpp"

#include <charconv>
#include <optional>
#include <utility>

namespace vitals::redis {
namespace {

constexpr std::uint16_t default_port = 6379;
constexpr int database_max = 1'000'000;
constexpr std::string_view form = "write redis://:password@host:6379/0";

std::optional<int> parse_database(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number < 0 || number > database_max) return std::nullopt;
  return number;
}

std::optional<Error> set_database(Server& server, std::string_view text) {
  const auto number = parse_database(text);
  if (!number) return Error{"not a database number in the URL; write redis://host:6379/0"};
  server.database = *number;
  return std::nullopt;
}

std::optional<Error> read_parameters(Server& server, const net::Url& url, bool& has_password) {
  for (const auto& [name, value] : url.parameters) {
    if (name == "db") {
      if (auto error = set_database(server, value)) return error;
    } else if (name == "password") {
      server.password = value;
      has_password = true;
    } else if (name == "user" || name == "username") {
      server.user = value;
    } else {
      server.ignored.push_back(name);
    }
  }
  return std::nullopt;
}

std::optional<Error> read_place(Server& server, const net::Url& url) {
  if (url.scheme == "unix") {
    server.endpoint.unix_path = url.host + net::percent_decode(url.path);
    server.target = "unix://" + server.endpoint.unix_path;
    const std::string& path = server.endpoint.unix_path;
    if (path.size() > net::unix_path_max) {
      return Error{"a socket path of more than 107 bytes; no kernel takes that"};
    }
    if (path.starts_with('/') && url.host.empty()) return std::nullopt;
    return Error{"no absolute path in the unix URL; write unix:///run/redis.sock?db=0"};
  }
  if (url.host.empty()) return Error{"no host in the Redis URL; " + std::string(form)};
  server.endpoint.host = url.host;
  server.endpoint.port = url.port == 0 ? default_port : url.port;
  server.target = url.scheme + "://" + server.endpoint.text();
  if (url.path.empty() || url.path == "/") return std::nullopt;
  return set_database(server, std::string_view(url.path).substr(1));
}

}  // namespace

Result<Server> parse_server(std::string_view text) {
  auto parsed = net::parse_url(text);
  if (!parsed)
    return Error{"not a Redis URL: " + parsed.error().message + "; " + std::string(form)};
  const net::Url& url = parsed.value();
  if (url.scheme == "http" || url.scheme == "https") {
    return Error{"this is the REST endpoint (" + url.scheme +
                 "://); REDIS_URL is the one with redis:// or rediss://"};
  }
  Server server;
  server.tls = url.scheme == "rediss" || url.scheme == "valkeys";
  if (!server.tls && url.scheme != "redis" && url.scheme != "valkey" && url.scheme != "unix") {
    return Error{"not a scheme for Redis; write redis, rediss, valkey, valkeys or unix"};
  }
  server.user = url.user;
  server.password = url.password;
  if (auto error = read_place(server, url)) return *error;
  bool has_password = url.has_password;
  if (auto error = read_parameters(server, url, has_password)) return *error;
  // More often it is a password that lacks its colon.
  if (!server.user.empty() && !has_password) {
    return Error{"a user without a password; for a password alone " + std::string(form) +
                 ", for a user that needs none redis://user:@host:6379/0"};
  }
  return server;
}

}  // namespace vitals::redis
