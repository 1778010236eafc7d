// URLs and connection strings without what is secret in them.
#include <doctest/doctest.h>

#include <algorithm>

#include "agent/config/redact.hpp"

namespace vitals::config {
namespace {

bool finds(std::string_view url, const std::string& secret) {
  const auto found = url_secrets(url);
  return std::find(found.begin(), found.end(), secret) != found.end();
}

TEST_CASE("redaction: passwords, query values and fragments read ***, the rest stays") {
  CHECK(redact_url("postgres://app:pw@db:5432/app") == "postgres://app:***@db:5432/app");
  CHECK(redact_url("redis://:pw@cache:6379/0") == "redis://:***@cache:6379/0");
  CHECK(redact_url("https://api/v1?key=abc&x=1&flag") == "https://api/v1?key=***&x=***&***");
  CHECK(redact_url("https://u:p@api/?a=b@c") == "https://u:***@api/?a=***");
  CHECK(redact_url("https://api/#token") == "https://api/#***");
  CHECK(redact_url("postgres://u:p%40:x@a,b:2/d?sslmode=require") ==
        "postgres://u:***@a,b:2/d?sslmode=***");
  CHECK(redact_url("postgres://u:p?w@db/d") == "postgres://u:***@db/d");
  CHECK(redact_url("http+unix://%2Frun%2Fapp.sock/path") == "http+unix://%2Frun%2Fapp.sock/path");
}

TEST_CASE("redaction: a URL without secrets is unchanged") {
  for (const auto* url :
       {"http://127.0.0.1:8080/healthz", "http://[::1]:80/", "https://h:8443/users/@me",
        "redis://user@host", "", "://", "?", "#", "a:b"}) {
    CHECK(redact_url(url) == url);
  }
}

TEST_CASE("redaction: key=value connection strings lose their passwords, quoted or not") {
  CHECK(redact_url("host=db password=pw user=a") == "host=db password=*** user=a");
  CHECK(redact_url("password = 'a b\\' c' host=db") == "password = '***' host=db");
  CHECK(redact_url("host=db sslpassword=x password=y") == "host=db sslpassword=*** password=***");
  CHECK(redact_url("password=a\\ b host=x") == "password=*** host=x");
  CHECK(redact_url("password='open") == "password='***");
  CHECK(redact_url("password=") == "password=");
  CHECK(redact_url("password=\\") == "password=***");
}

TEST_CASE("redaction: secrets of malformed URLs are found as well") {
  CHECK(finds("postgres://app:pa/ss@db/app", "pa/ss"));
  CHECK(finds("redis://:pa@ss@host", "pa@ss"));
  CHECK(finds("app:pw@host", "pw"));
  CHECK(finds("postgres:/app:pw@host", "/app:pw"));
  CHECK(finds("https://h/?token=a;b=c", "a"));
  CHECK(url_secrets("http://h/").empty());
}

}  // namespace
}  // namespace vitals::config
