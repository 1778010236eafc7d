// Connection strings: what is taken from them, what is ignored, and what is refused.
#include "probes/postgres_url.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace vitals;
using namespace vitals::postgres;

namespace {

std::string keyword(const Target& target, std::string_view key) {
  const auto found = std::find_if(target.keywords.begin(), target.keywords.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == target.keywords.end() ? "" : found->second;
}

std::string error_of(std::string_view text) {
  const auto target = parse_url(text);
  return target ? "" : target.error().message;
}

}  // namespace

TEST_SUITE("postgres") {
  TEST_CASE("postgres url: a URI gives host, port, user, password and database") {
    for (const char* text :
         {"postgres://u:p%40ss@db.test:6543/app", "postgresql://u:p%40ss@db.test:6543/app",
          "postgresql+asyncpg://u:p@ss@db.test:6543/app", "POSTGRES://u:p%40ss@db.test:6543/app",
          "postgres://u:p%40ss@db.test:6543/app?",
          "host=db.test port=6543 user=u password='p@ss' dbname = app",
          "postgres://db.test:6543/app?user=u&password=p%40ss"}) {
      CAPTURE(text);
      const auto target = parse_url(text);
      REQUIRE(target.ok());
      CHECK(target.value().servers.size() == 1);
      CHECK(target.value().servers[0].endpoint().text() == "db.test:6543");
      CHECK(target.value().user == "u");
      CHECK(target.value().password == "p@ss");
      CHECK(target.value().database == "app");
      CHECK(secrets_of(target.value()) == std::vector<std::string>{"p@ss"});
    }
  }

  TEST_CASE("postgres url: defaults are port 5432 and a database named after the user") {
    const auto target = parse_url("postgres://u@h");
    REQUIRE(target.ok());
    CHECK(target.value().servers[0].port == 5432);
    CHECK(target.value().database == "u");
    CHECK(target.value().attrs == SessionAttrs::any);
    CHECK(secrets_of(target.value()).empty());
    CHECK(target.value().keywords.empty());
  }

  TEST_CASE("postgres url: several hosts, with one port or one each, IPv6 in brackets") {
    const auto target = parse_url("postgres://u:p@a:1,[::1]:2,c/d?target_session_attrs=read-write");
    REQUIRE(target.ok());
    const auto& servers = target.value().servers;
    REQUIRE(servers.size() == 3);
    CHECK(servers[0].endpoint().text() == "a:1");
    CHECK(servers[1].endpoint().text() == "[::1]:2");
    CHECK(servers[2].endpoint().text() == "c:5432");
    CHECK(target.value().attrs == SessionAttrs::read_write);
    const auto shared_port = parse_url("host=a,b port=7 user=u load_balance_hosts=random");
    REQUIRE(shared_port.ok());
    CHECK(shared_port.value().servers[1].endpoint().text() == "b:7");
    CHECK(shared_port.value().shuffle);
  }

  TEST_CASE("postgres url: hostaddr is where to connect, host what to verify") {
    const auto target = parse_url("host=db.test hostaddr=10.0.0.1 user=u");
    REQUIRE(target.ok());
    CHECK(target.value().servers[0].host == "db.test");
    CHECK(target.value().servers[0].endpoint().text() == "10.0.0.1:5432");
  }

  TEST_CASE("postgres url: a folder is a Unix socket") {
    for (const char* text : {"postgres://u@%2Frun%2Fpg:77/d", "host=/run/pg port=77 user=u",
                             "postgres:///d?host=/run/pg&port=77&user=u"}) {
      CAPTURE(text);
      const auto target = parse_url(text);
      REQUIRE(target.ok());
      CHECK(target.value().servers[0].is_unix());
      CHECK(target.value().servers[0].endpoint().unix_path == "/run/pg/.s.PGSQL.77");
    }
  }

  TEST_CASE(
      "postgres url: what libpq knows passes, what is settled here does not, the rest is told") {
    const auto target = parse_url(
        "postgres://u:p@h/d?sslmode=require&channel_binding=require&options=-c%20geqo%3Doff"
        "&connect_timeout=3&application_name=x&pgbouncer=true&schema=public&connection_limit=1");
    REQUIRE(target.ok());
    CHECK(keyword(target.value(), "sslmode") == "require");
    CHECK(keyword(target.value(), "channel_binding") == "require");
    CHECK(keyword(target.value(), "options") == "-c geqo=off");
    CHECK(target.value().keywords.size() == 3);
    CHECK(target.value().ignored ==
          std::vector<std::string>{"connection_limit", "pgbouncer", "schema"});
  }

  TEST_CASE("postgres url: the ssl spellings of drivers mean sslmode") {
    const auto mode = [](const std::string& query) {
      const auto target = parse_url("postgres://u@h/d?" + query);
      return target ? keyword(target.value(), "sslmode") : target.error().message;
    };
    CHECK(mode("ssl=true") == "require");
    CHECK(mode("ssl=true&sslmode=disable") == "disable");
    CHECK(mode("sslmode=no-verify") == "require");
    CHECK(mode("sslmode=") == "");
  }

  TEST_CASE("postgres url: verification without a root certificate trusts the system") {
    const auto full = parse_url("postgres://u@h/d?sslmode=verify-full");
    REQUIRE(full.ok());
    CHECK(keyword(full.value(), "sslrootcert") == "system");
    const auto system = parse_url("postgres://u@h/d?sslrootcert=system");
    REQUIRE(system.ok());
    CHECK(keyword(system.value(), "sslmode") == "verify-full");
    CHECK(error_of("postgres://u@h/d?sslmode=verify-ca").find("sslrootcert") != std::string::npos);
    CHECK(error_of("postgres://u@h/d?sslrootcert=system&sslmode=require").find("verify-full") !=
          std::string::npos);
  }

  TEST_CASE("postgres url: mistakes are named with the way out, and quote no secret") {
    struct Row {
      const char* text;
      const char* says;
    };
    for (const auto& [text, says] : {
             Row{"", "not a Postgres URL"},
             Row{"Canary", "not a Postgres URL"},
             Row{"redis://u:Canary@h", "not a Postgres URL"},
             Row{"Canary=", "no host"},
             Row{"postgres://", "no host"},
             Row{"postgres://u:Can/ary@h/d", "%2F"},
             Row{"postgres://u:Canary@h:Canary/d", "port"},
             Row{"postgres://u:Canary@h:0/d", "port"},
             Row{"postgres://u:Canary@h:65536/d", "port"},
             Row{"postgres://u:Canary@a,,b/d", "empty host"},
             Row{"postgres://u:Canary@h/d?sslmode=Canary", "verify-full"},
             Row{"postgres://u:Canary@h/d?target_session_attrs=Canary", "prefer-standby"},
             Row{"postgres://u:Canary@h/d?service=Canary", "'service'"},
             Row{"postgres://u:Canary@h/d?requirepeer=Canary", "'requirepeer' does not work here"},
             Row{"postgres://u:Canary@h/d?passfile=Canary", "{ file = "},
             Row{"postgres://u:Canary@h/d?hostaddr=Canary", "numeric"},
             Row{"postgres://u:Ca%00nary@h/d", "zero byte"},
             Row{"host=h user=u password='Canary", "does not end"},
             Row{"host=h user=u Canary", "not a Postgres URL"},
             Row{"host=a,b port=1,2,3 user=u", "'port' and 'host'"},
             Row{"host=a,b hostaddr=127.0.0.1 user=u", "hostaddr"},
             Row{"host=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a user=u", "16"},
         }) {
      CAPTURE(text);
      const auto error = error_of(text);
      CHECK(error.find(says) != std::string::npos);
      CHECK(error.find("anary") == std::string::npos);
    }
  }

  TEST_CASE(
      "postgres url: without a user it is the system's, as for libpq; of no name is a mistake") {
    const auto app = [] { return std::string("app"); };
    const auto nobody = [] { return std::string(); };
    for (const char* text : {"postgres://h", "postgres://:pw@h/", "host=h password=pw"}) {
      CAPTURE(text);
      const auto target = parse_url(text, app);
      REQUIRE(target.ok());
      CHECK(target.value().user == "app");
      CHECK(target.value().database == "app");
      const auto refused = parse_url(text, nobody);
      REQUIRE_FALSE(refused.ok());
      CHECK(refused.error().message.find("no user") != std::string::npos);
    }
    CHECK(parse_url("postgres://u@h/d", nobody).value().user == "u");
    constexpr std::string_view passwd =
        "root:x:0:0::/root:/bin/sh\n\nbroken:x\napp:x:1000:1000:App:/app:/bin/sh\nlast:x:10:1";
    CHECK(user_in(passwd, 0) == "root");
    CHECK(user_in(passwd, 1000) == "app");
    CHECK(user_in(passwd, 10) == "last");
    CHECK(user_in(passwd, 100).empty());
    CHECK(user_in("", 0).empty());
  }

  TEST_CASE("postgres url: what an app's own parameter is set to may be a key, and is a secret") {
    const auto hidden = [](std::string_view text) {
      const auto target = parse_url(text);
      REQUIRE(target.ok());
      return secrets_of(target.value());
    };
    using Strings = std::vector<std::string>;
    for (const char* text :
         {"host=h user=u options=-capp.k=Canary77", "host=h user=u options='-c app.k=Canary77'",
          "host=h user=u options='-c search_path=somewhere --app.k=Canary77 '",
          "postgres://u@h/d?options=-c%20app.k%3DCanary77"}) {
      CAPTURE(text);
      CHECK(hidden(text) == Strings{"Canary77"});
    }
    CHECK(hidden("host=h user=u options='-c app.k=a\\\\ Canary'") == Strings{"a Canary"});
    CHECK(hidden("host=h user=u options='-c app.key=k3y5 -c app.x=on -c app.y'") ==
          Strings{"k3y5"});
    CHECK(hidden("host=h user=u options='-c statement_timeout=31536000 -c'").empty());
  }

  TEST_CASE("postgres url: an unreadable parameter name is not shown") {
    const auto target = parse_url("postgres://u:p@h/d?pa%20ss%27=1");
    REQUIRE(target.ok());
    CHECK(target.value().ignored == std::vector<std::string>{"(unreadable)"});
  }
}
