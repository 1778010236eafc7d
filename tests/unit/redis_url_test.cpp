// What a Redis URL may look like, and what is said of one that does not.
#include "probes/redis_url.hpp"

#include <doctest/doctest.h>

using vitals::redis::parse_server;
using vitals::redis::Server;

namespace {

Server parsed(std::string_view url) {
  auto server = parse_server(url);
  REQUIRE_MESSAGE(server.ok(), (server.ok() ? "" : server.error().message));
  return server.value();
}

std::string mistake(std::string_view url) {
  const auto server = parse_server(url);
  REQUIRE_FALSE(server.ok());
  return server.error().message;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("redis url: host, port, user, password and database are read") {
  const Server server = parsed("redis://ann:s%40cret@cache.internal:6380/3");
  CHECK(server.endpoint.host == "cache.internal");
  CHECK(server.endpoint.port == 6380);
  CHECK(server.user == "ann");
  CHECK(server.password == "s@cret");
  CHECK(server.database == 3);
  CHECK_FALSE(server.tls);
  CHECK(server.target == "redis://cache.internal:6380");
}

TEST_CASE("redis url: a password alone has no user, and port and database have defaults") {
  const Server server = parsed("redis://:secret@cache");
  CHECK(server.user.empty());
  CHECK(server.password == "secret");
  CHECK(server.endpoint.port == 6379);
  CHECK(server.database == 0);
}

TEST_CASE("redis url: a user may have an empty password, and it has to be written") {
  for (const auto* url : {"redis://ann:@cache", "redis://cache?user=ann&password=",
                          "unix:///run/redis.sock?user=ann&password="}) {
    CAPTURE(url);
    CHECK(parsed(url).user == "ann");
    CHECK(parsed(url).password.empty());
  }
  CHECK(has(mistake("redis://ann@cache"), "redis://user:@host"));
  CHECK(has(mistake("redis://cache?user=ann"), "user without a password"));
}

TEST_CASE("redis url: the schemes with an s are TLS, valkey is redis") {
  CHECK(parsed("rediss://cache").tls);
  CHECK(parsed("valkeys://cache").tls);
  CHECK_FALSE(parsed("valkey://cache").tls);
  CHECK(parsed("rediss://cache").target == "rediss://cache:6379");
}

TEST_CASE("redis url: an IPv6 host keeps its brackets in the target only") {
  const Server server = parsed("redis://[fdaa::3]:6379/");
  CHECK(server.endpoint.host == "fdaa::3");
  CHECK(server.target == "redis://[fdaa::3]:6379");
}

TEST_CASE("redis url: a unix path takes database, user and password from the query") {
  const Server server = parsed("unix:///run/my%20redis.sock?db=2&user=ann&password=p%26w");
  CHECK(server.endpoint.unix_path == "/run/my redis.sock");
  CHECK(server.database == 2);
  CHECK(server.user == "ann");
  CHECK(server.password == "p&w");
  CHECK(server.target == "unix:///run/my redis.sock");
}

TEST_CASE("redis url: a socket path that no kernel takes is a mistake") {
  CHECK(parsed("unix:///" + std::string(106, 'x')).endpoint.unix_path.size() == 107);
  CHECK(has(mistake("unix:///" + std::string(107, 'x')), "107 bytes"));
}

TEST_CASE("redis url: parameters of other clients are listed, not obeyed") {
  const Server server = parsed("rediss://cache?ssl_cert_reqs=none&db=1");
  CHECK(server.database == 1);
  REQUIRE(server.ignored.size() == 1);
  CHECK(server.ignored[0] == "ssl_cert_reqs");
}

TEST_CASE("redis url: the REST endpoint is refused with the reason") {
  for (const auto* url : {"https://eu1-cat.upstash.io", "http://127.0.0.1:8079"}) {
    CHECK(has(mistake(url), "REST endpoint"));
    CHECK(has(mistake(url), "rediss://"));
  }
}

TEST_CASE("redis url: a mistake says what is wrong and never shows the password") {
  const std::pair<const char*, const char*> rows[] = {
      {"redis://:hunter22@", "no host"},
      {"redis://:hunter22@host/x", "not a database number"},
      {"redis://:hunter22@host/-1", "not a database number"},
      {"redis://:hunter22@host/0/1", "not a database number"},
      {"redis://host?db=99999999999&password=hunter22", "not a database number"},
      {"postgres://u:hunter22@host", "scheme"},
      {"hunter22", "not a Redis URL"},
      {"redis://:hunter#22@host", "%23"},
      {"unix://?password=hunter22", "no absolute path"},
      {"unix://relative/hunter22.sock", "no absolute path"},
      {"redis://hunter22@host", "user without a password"},
  };
  for (const auto& [url, part] : rows) {
    CAPTURE(url);
    CHECK(has(mistake(url), part));
    CHECK_FALSE(has(mistake(url), "hunter22"));
  }
}
