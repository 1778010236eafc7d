// Checks made of the environment alone (contract §3.3).
#include <doctest/doctest.h>

#include "tests/support/fake_kinds.hpp"

namespace vitals {
namespace {

using test::load_text;
using test::settings_of;
using test::Variables;

/// "name kind target" of each check.
std::vector<std::string> found(const Variables& variables) {
  const auto loaded = load_text(std::nullopt, variables);
  if (!loaded) FAIL(loaded.error().lines.front());
  std::vector<std::string> checks;
  for (const auto& check : loaded.value().config.checks) {
    checks.push_back(check.spec->name + " " + std::string(check.spec->kind->name) + " " +
                     check.spec->target);
  }
  return checks;
}

std::vector<std::string> mistakes(const Variables& variables) {
  const auto loaded = load_text(std::nullopt, variables);
  return loaded ? std::vector<std::string>{} : loaded.error().lines;
}

using Lines = std::vector<std::string>;

TEST_CASE("environment: nothing set is nothing to check") {
  CHECK(found({}).empty());
  CHECK(found({{"PORT", ""}, {"DATABASE_URL", ""}, {"REDIS_URL", ""}, {"VITALS_CHECK_X", ""}})
            .empty());
}

TEST_CASE("environment: PORT is a tcp check of localhost, or http when a path is given") {
  CHECK(found({{"PORT", "8080"}}) == Lines{"app tcp tcp://localhost:8080"});
  CHECK(found({{"PORT", "3000"}, {"VITALS_APP_PATH", "/healthz"}}) ==
        Lines{"app http http://localhost:3000"});
  const auto loaded = load_text(std::nullopt, {{"PORT", "3000"}, {"VITALS_APP_PATH", "/healthz"}});
  CHECK(settings_of(loaded.value().config, "app").find("url=http://localhost:3000/healthz\n") !=
        std::string::npos);
  CHECK(loaded.value().config.checks[0].spec->impact == Impact::critical);
  CHECK(loaded.value().config.source == "environment");
}

TEST_CASE("environment: DATABASE_URL wins over POSTGRES_URL, REDIS_URL over VALKEY_URL") {
  CHECK(found({{"DATABASE_URL", "postgres://a/x"}, {"POSTGRES_URL", "postgres://b/x"}}) ==
        Lines{"postgres postgres postgres://a"});
  CHECK(found({{"POSTGRES_URL", "postgres://b/x"}}) == Lines{"postgres postgres postgres://b"});
  CHECK(found({{"REDIS_URL", "redis://a"}, {"VALKEY_URL", "redis://b"}}) ==
        Lines{"redis redis redis://a"});
  CHECK(found({{"VALKEY_URL", "redis://b"}}) == Lines{"redis redis redis://b"});
}

TEST_CASE("environment: VITALS_CHECK_<NAME> is a check of the kind that the scheme names") {
  CHECK(found({{"VITALS_CHECK_SEARCH_API", "https://api.example/health"},
               {"VITALS_CHECK_cache2", "REDIS://cache"},
               {"VITALS_CHECK_DB", "postgresql://db/x"},
               {"PORT", "80"}}) ==
        Lines{"app tcp tcp://localhost:80", "db postgres postgresql://db",
              "search-api http https://api.example", "cache2 redis REDIS://cache"});
}

TEST_CASE("environment: what is no URL of a known scheme is a mistake that lists the schemes") {
  const std::string message =
      "must be a URL that begins with http:, https:, tcp:, postgres:, postgresql:, redis:, rediss:";
  CHECK(mistakes({{"VITALS_CHECK_A", "ftp://secret-host/"}}) ==
        Lines{"environment: VITALS_CHECK_A: " + message});
  CHECK(mistakes({{"VITALS_CHECK_A", "host"}}) == Lines{"environment: VITALS_CHECK_A: " + message});
}

TEST_CASE("environment: bad ports, paths and names are mistakes named by their variable") {
  for (const auto* port : {"0", "65536", "80a", "-1", " 80", "tcp://10.0.0.1:80"}) {
    CHECK(mistakes({{"PORT", port}}) ==
          Lines{"environment: PORT: must be a port between 1 and 65535"});
  }
  CHECK(mistakes({{"PORT", "80"}, {"VITALS_APP_PATH", "healthz"}}) ==
        Lines{"environment: VITALS_APP_PATH: must begin with '/', such as /healthz"});
  CHECK(mistakes({{"VITALS_CHECK_", "redis://h"}, {"VITALS_CHECK_A.B", "redis://h"}}) ==
        Lines{"environment: VITALS_CHECK_: the part after VITALS_CHECK_ names the check: 1 to 63 "
              "letters, "
              "digits and '_'",
              "environment: VITALS_CHECK_A.B: the part after VITALS_CHECK_ names the check: 1 to "
              "63 letters, "
              "digits and '_'"});
}

TEST_CASE("environment: two variables that name the same check are a mistake") {
  CHECK(mistakes({{"PORT", "80"}, {"VITALS_CHECK_APP", "http://h/"}}) ==
        Lines{"environment: VITALS_CHECK_APP: there is a check 'app' already, from PORT; leave "
              "one of the two out"});
  CHECK(mistakes({{"VITALS_CHECK_X", "http://h/"}, {"VITALS_CHECK_x", "http://h/"}}).size() == 1);
}

TEST_CASE("environment: a mistake of a kind names the variable, and hides the password") {
  CHECK(mistakes({{"VITALS_CHECK_A", "http:u:canary@h"}}) ==
        Lines{"environment: VITALS_CHECK_A: not a URL: 'http:***@h'; write http://host:port/path"});
}

TEST_CASE("environment: a variable that is the app's own affair has a way out: a vitals.toml") {
  const auto way_out = [](std::optional<std::string> text, const Variables& variables) {
    const auto loaded = load_text(std::move(text), variables);
    return loaded ? "loads" : std::string(loaded.error().way_out);
  };
  for (const Variables& variables :
       {Variables{{"DATABASE_URL", ""}, {"PORT", "tcp://10.0.0.1:80"}},
        Variables{{"PORT", "80"}, {"VITALS_APP_PATH", "healthz"}},
        Variables{{"PORT", "80"}, {"VITALS_CHECK_APP", "http://h/"}},
        Variables{{"REDIS_URL", "https://x.upstash.io"}}, Variables{{"VITALS_CHECK_A", "ftp://h/"}},
        Variables{{"VITALS_CHECK_A.B", "redis://h"}},
        // The complaint is the kind's.
        Variables{{"VITALS_CHECK_A", "http:u:canary@h"}}}) {
    const std::string way = way_out(std::nullopt, variables);
    CAPTURE(way);
    CHECK(way.find("/etc/vitals.toml") != std::string::npos);
    CHECK(way_out("", variables) == "loads");
  }
  // A file would change nothing about these.
  CHECK(way_out(std::nullopt, {{"VITALS_LISTEN", "nine"}}) == "");
  CHECK(way_out("[checks.a]\nkind = \"nosuch\"\n", {{"PORT", "x"}}) == "");
}

TEST_CASE("environment: the REST endpoint is no Redis URL, and is told which one is") {
  const std::string reason =
      "this is the REST endpoint; REDIS_URL is the one with redis:// or rediss://";
  CHECK(mistakes({{"REDIS_URL", "https://x.upstash.io"}}) ==
        Lines{"environment: REDIS_URL: " + reason});
  CHECK(mistakes({{"VALKEY_URL", "HTTPS://x.upstash.io"}}) ==
        Lines{"environment: VALKEY_URL: " + reason});
  // An app that uses the REST endpoint alone must still start.
  const auto alone = load_text(std::nullopt, {{"UPSTASH_REDIS_REST_URL", "https://x.upstash.io"}});
  REQUIRE(alone.ok());
  CHECK(alone.value().config.checks.empty());
  CHECK(alone.value().config.remarks ==
        Lines{"UPSTASH_REDIS_REST_URL is ignored: " + reason + "; set that one for a check"});
  const auto both = load_text(
      std::nullopt, {{"UPSTASH_REDIS_REST_URL", "https://x"}, {"REDIS_URL", "rediss://x"}});
  REQUIRE(both.ok());
  CHECK(both.value().config.remarks ==
        Lines{"UPSTASH_REDIS_REST_URL is ignored: it is the REST endpoint; REDIS_URL is asked"});
}

TEST_CASE("environment: what variables hold is taken as it is, without expansion") {
  const auto loaded = load_text(std::nullopt, {{"REDIS_URL", "redis://:a$$b${c}@h"}});
  REQUIRE(loaded.ok());
  CHECK(settings_of(loaded.value().config, "redis").find("url=redis://:a$$b${c}@h\n") !=
        std::string::npos);
  CHECK(loaded.value().config.checks[0].secrets->scrub("a$$b${c}") == "***");
}

TEST_CASE("environment: with a file its checks are the only ones") {
  const auto loaded = load_text("", {{"PORT", "80"}, {"DATABASE_URL", "postgres://a/x"}});
  REQUIRE(loaded.ok());
  CHECK(loaded.value().config.checks.empty());
}

TEST_CASE("environment: a path without PORT is remarked, not refused") {
  const auto loaded = load_text(std::nullopt, {{"VITALS_APP_PATH", "/healthz"}});
  REQUIRE(loaded.ok());
  CHECK(loaded.value().config.remarks == Lines{"VITALS_APP_PATH is ignored: PORT is not set"});
}

}  // namespace
}  // namespace vitals
