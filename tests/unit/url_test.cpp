// URLs and addresses as people write them, right and wrong.
#include <doctest/doctest.h>

#include <string>

#include "probes/net.hpp"

namespace vitals::net {
namespace {

Url good(std::string_view text) {
  CAPTURE(text);
  auto url = parse_url(text);
  REQUIRE(url.ok());
  return std::move(url).value();
}

std::string complaint(std::string_view text) {
  CAPTURE(text);
  const auto url = parse_url(text);
  REQUIRE(!url.ok());
  return url.error().message;
}

}  // namespace

TEST_SUITE("url") {
  TEST_CASE("url: all parts of a full URL are taken apart and decoded") {
    const auto url =
        good("Postgres://us%65r:p%40ss%3Aw:rd@DB.Example:5432/my%20db?sslmode=require&a=%26b&c#x");
    CHECK(url.scheme == "postgres");
    CHECK(url.has_user);
    CHECK(url.user == "user");
    CHECK(url.password == "p@ss:w:rd");
    CHECK(url.host == "db.example");
    CHECK(url.port == 5432);
    CHECK(url.path == "/my%20db");
    CHECK(url.query == "sslmode=require&a=%26b&c");
    REQUIRE(url.parameters.size() == 3);
    CHECK(url.parameters[0] == std::pair<std::string, std::string>("sslmode", "require"));
    CHECK(url.parameters[1] == std::pair<std::string, std::string>("a", "&b"));
    CHECK(url.parameters[2] == std::pair<std::string, std::string>("c", ""));
  }

  TEST_CASE("url: what may be missing is missing") {
    const auto url = good("http://host");
    CHECK(!url.has_user);
    CHECK(url.port == 0);
    CHECK(url.path.empty());
    CHECK(url.query.empty());
    CHECK(good("http://host:/x").port == 0);
    CHECK(good("http://host?q=1").path.empty());
    CHECK(good("http://host?q=1").host == "host");
    CHECK(good("http://host?a=b@c/d").host == "host");
    CHECK(good("redis://:secret@host").user.empty());
    CHECK(good("redis://:secret@host").password == "secret");
    CHECK(good("redis://@host").has_user);
  }

  TEST_CASE("url: IPv6 hosts stand in brackets and come out without them") {
    CHECK(good("http://[::1]:8080/x").host == "::1");
    CHECK(good("http://[::1]:8080/x").port == 8080);
    CHECK(good("http://[FDAA::3]").host == "fdaa::3");
    CHECK(good("http://[fe80::1%25eth0]:80/").host == "fe80::1%eth0");
    CHECK(complaint("http://[::1/x").find("']'") != std::string::npos);
    CHECK(complaint("http://[1.2.3.4]/").find("IPv6") != std::string::npos);
    CHECK(complaint("http://[::1]8080/").find("after ']'") != std::string::npos);
    CHECK(complaint("http://::1:80/").find("brackets: [::1]:80") != std::string::npos);
  }

  TEST_CASE("url: Unix sockets come as a path or as an encoded host") {
    const auto http = good("http+unix://%2Frun%2FApp.sock/health?x=1");
    CHECK(http.host == "/run/App.sock");
    CHECK(http.path == "/health");
    const auto redis = good("unix:///run/redis.sock?db=0");
    CHECK(redis.host.empty());
    CHECK(redis.path == "/run/redis.sock");
    CHECK(redis.parameters.at(0) == std::pair<std::string, std::string>("db", "0"));
  }

  TEST_CASE("url: an unencoded @ in a password is forgiven, the last one counts") {
    const auto url = good("redis://u:p@ss@host:1");
    CHECK(url.password == "p@ss");
    CHECK(url.host == "host");
  }

  TEST_CASE("url: an unencoded # in a password is named, a fragment is not") {
    for (const char* text : {"redis://:hunter#2@host:1", "http://us#er:hunter2@host/", "x://#@"}) {
      CAPTURE(text);
      CHECK(complaint(text) == "a '#' before the '@'; in a user or password it is written as %23");
    }
    CHECK(good("http://host/path#me@home").path == "/path");
    CHECK(good("http://host?a=b#me@home").query == "a=b");
    CHECK(good("http://host#top").host == "host");
    CHECK(good("http://u:p@host#top").password == "p");
  }

  TEST_CASE("url: mistakes say what is wrong and never show the text") {
    CHECK(complaint("").find("scheme://host") != std::string::npos);
    CHECK(complaint("host:80").find("scheme") != std::string::npos);
    CHECK(complaint("1http://host").find("scheme") != std::string::npos);
    CHECK(complaint("http://ho st/").find("blanks") != std::string::npos);
    CHECK(complaint("http://host/\n").find("blanks or control") != std::string::npos);
    CHECK(complaint("http://h%00st/").find("control characters") != std::string::npos);
    CHECK(complaint("http://u:%00@host/").find("NUL") != std::string::npos);
    for (const char* port : {"0", "65536", "x", "80x", "-1", "+80", "080808080808"}) {
      CHECK(complaint("http://host:" + std::string(port) + "/").find("1 to 65535") !=
            std::string::npos);
    }
    for (const char* text : {"redis://u:hunter#2@host:1", "redis://u:hunter/2@host", "x hunter2"}) {
      CHECK(complaint(text).find("hunter") == std::string::npos);
    }
  }

  TEST_CASE("url: percent-decoding leaves what is no code as it is") {
    CHECK(percent_decode("%41%6a%6A") == "Ajj");
    CHECK(percent_decode("100%") == "100%");
    CHECK(percent_decode("%4") == "%4");
    CHECK(percent_decode("%zz%4g") == "%zz%4g");
    CHECK(percent_decode("%%41") == "%A");
    CHECK(percent_decode("a+b") == "a+b");
  }

  TEST_CASE("host:port: names, IPv4 and bracketed IPv6 are read") {
    CHECK(parse_host_port("db.internal:5432").value().host == "db.internal");
    CHECK(parse_host_port("db.internal:5432").value().port == 5432);
    CHECK(parse_host_port("[fdaa::3]:53").value().host == "fdaa::3");
    CHECK(parse_host_port("[fdaa::3]:53").value().text() == "[fdaa::3]:53");
    CHECK(parse_host_port("127.0.0.1:1").value().text() == "127.0.0.1:1");
  }

  TEST_CASE("host:port: mistakes show the form") {
    for (const char* text : {"", "host", "host:", ":80", "host:0", "host:99999", "host:http",
                             "host:80/x", "[::1]", "ho st:80"}) {
      CAPTURE(text);
      const auto parsed = parse_host_port(text);
      REQUIRE(!parsed.ok());
      CHECK(parsed.error().message.find("host:port") != std::string::npos);
    }
    CHECK(parse_host_port("::1:80").error().message.find("[::1]:80") != std::string::npos);
    CHECK(!parse_host_port("[::g]:80").ok());
  }
}

}  // namespace vitals::net
