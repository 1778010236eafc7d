// URLs and connection strings without what is secret in them.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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
  CHECK(redact_url("http+unix://%2Frun%2Fapp.sock/path") == "http+unix://%2Frun%2Fapp.sock/path");
}

TEST_CASE("redaction: what may be a password or a query hides all that either reading would") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"https://h:8443?key=abc@def", "https://h:***"},
      {"https://h:8443?key=abc@def/ghi", "https://h:***"},
      {"https://h?key=abc@def", "https://h?***"},
      {"https://h?a=b:c@d&e=f", "https://h?***"},
      {"https://h#b:c@d", "https://h#***"},
      {"https://h:1#b:c@d", "https://h:***"},
      {"postgres://u:p?w@db/d", "postgres://u:***"},
      {"postgres://u:p#w@db/d?x=y", "postgres://u:***"},
      {"h:8443?key=abc@def", "h:***"},
      {"https://u:p@h?key=abc@def", "https://u:***"},
  };
  for (const auto& [url, shown] : rows) {
    CAPTURE(url);
    CHECK(redact_url(url) == shown);
  }
  CHECK(finds("https://h:8443?key=abc@def", "abc@def"));
  CHECK(finds("https://h?a=b:c@d&e=f", "b:c@d"));
  CHECK(finds("https://h?a=b:c@d&e=f", "f"));
  CHECK(finds("postgres://u:p?w@db/d", "p?w"));
}

TEST_CASE("redaction: no URL of these pieces shows its password or a query value") {
  const std::vector<std::string> hosts{"h", "h:8443", "[::1]:80", "a,b:2"};
  const std::vector<std::string> users{"",           "u@",         "u:CANARY@",  ":CANARY@",
                                       "u:CA@NARY@", "u:CA?NARY@", "u:CA#NARY@", "u:CA:NARY@"};
  const std::vector<std::string> paths{"", "/", "/p", "/p:q@r", "/@"};
  const std::vector<std::string> tails{
      "",        "?k=CANARY",  "?k=CANARY@x:NARY",  "?k=x:CANARY@y", "?a=1&k=CANARY", "?CANARY",
      "#CANARY", "?k=CA#NARY", "?k=CA/NARY@CANARY", "?k=@CANARY:@",  "#:@CANARY"};
  for (const auto& user : users) {
    for (const auto& host : hosts) {
      for (const auto& path : paths) {
        for (const auto& tail : tails) {
          const std::string url = "https://" + user + host + path + tail;
          CAPTURE(url);
          CHECK(redact_url(url).find("NARY") == std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("redaction: a URL without secrets is unchanged") {
  for (const auto* url :
       {"http://127.0.0.1:8080/healthz", "http://[::1]:80/", "https://h:8443/users/@me",
        "redis://user@host", "", "://", "?", "#", "a:b"}) {
    CHECK(redact_url(url) == url);
  }
}

TEST_CASE("redaction: the user of a web URL is its secret when there is no password") {
  for (const std::string scheme : {"http", "https", "ws", "wss", "http+unix", "HTTPS"}) {
    CAPTURE(scheme);
    CHECK(redact_url(scheme + "://TOKEN@h/p") == scheme + "://***@h/p");
    CHECK(redact_url(scheme + "://TOKEN@h:81/p?a=b") == scheme + "://***@h:81/p?a=***");
    CHECK(redact_url(scheme + "://TOKEN:@h/") == scheme + "://***:@h/");
    CHECK(redact_url(scheme + "://user:pw@h/") == scheme + "://user:***@h/");
    CHECK(redact_url(scheme + "://h/users/@me") == scheme + "://h/users/@me");
    CHECK(url_passwords(scheme + "://TOKEN@h:81/p") == std::vector<std::string>{"TOKEN"});
    CHECK(finds(scheme + "://TOKEN:@h/", "TOKEN"));
  }
  for (const char* url : {"postgres://postgres@h/d", "postgresql://app:@h", "redis://user@h"}) {
    CAPTURE(url);
    CHECK(redact_url(url) == url);
    CHECK(url_passwords(url).empty());
  }
  CHECK(redact_url("redis://:pw@h") == "redis://:***@h");
}

TEST_CASE("redaction: of a key=value connection string only harmless keys show their values") {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"host=h pwd=X", "host=h pwd=***"},
      {"host=h PASSWORD=X", "host=h PASSWORD=***"},
      {"host=h options=-capp.k=X", "host=h options=***"},
      {"options='-c app.k=X -c b.c=Y' host=h", "options='***' host=h"},
      {"host = h\tpassword\t=\tX", "host = h\tpassword\t=\t***"},
      {"host=h password='it\\'s X' user=u", "host=h password='***' user=u"},
      {"host=h password=a://X@b port=1", "host=h password=*** port=1"},
      {"host=h password=a X", "host=h password=*** ***"},
      {"host=h strange=X", "host=h strange=***"},
      {"Host=h;Username=u;Password=X;Database=d", "Host=***"},
      {"dbname=postgres://u:X@h/d", "dbname=***"},
      {"host=u:X@h", "host=***"},
      {"user=u:X host=h", "user=*** host=h"},
      {"user=u:X@s host=h", "user=*** host=h"},
      {"host=h application_name=postgres://u:X@h/d", "host=h application_name=***"},
      {"host=h application_name=u:X@h", "host=h application_name=***"},
      {"host=h schema=postgres://u:X@h/d", "host=h schema=***"},
  };
  for (const auto& [text, shown] : rows) {
    CAPTURE(text);
    CHECK(redact_url(text) == shown);
    CHECK_FALSE(url_passwords(text).empty());
  }
  const std::string harmless =
      "host=a,::1 hostaddr=10.0.0.1,::1 port=5432 dbname=app_1 user=me sslmode=require "
      "connect_timeout=5 application_name='my app' target_session_attrs=any sslrootcert=/ca.pem";
  CHECK(redact_url(harmless) == harmless);
  CHECK(url_passwords(harmless).empty());
  CHECK(url_secrets(harmless).empty());
  for (const std::string text :
       {"host=h schema=connection pgbouncer=true service=app krbsrvname=postgres gssdelegation=0",
        "host=h gssencmode=disable ssl_mode=require sslaccept=strict connection_limit=5",
        "host=h user=me@server application_name='app@fra (web:1)'"}) {
    CAPTURE(text);
    CHECK(redact_url(text) == text);
    CHECK(url_secrets(text).empty());
  }
  CHECK(redact_url("a=1&password=X") == "a=***");
  CHECK(redact_url("SELECT 1 WHERE password = 'X'") == "SELECT 1 WHERE password = '***'");
  CHECK(redact_url("u:X@h/?password=X&a=X") == "u:***@h/?password=***");
  CHECK(redact_url("u:X@h?password=X").find('X') == std::string::npos);
  // No connection strings: what holds a '=' is no secret for that.
  for (const char* text : {"state=running", "x = 10s", "service=billing state=down",
                           "SELECT 1 FROM t WHERE user = 'bob'"}) {
    CAPTURE(text);
    CHECK(redact_url(text) == text);
    CHECK(url_secrets(text).empty());
  }
}

TEST_CASE("redaction: whatever stands before a password, it is not shown") {
  constexpr std::string_view bytes = "a=' \\:@?";
  constexpr std::size_t texts = 32'768;  // of up to five of these bytes
  for (std::size_t number = 0; number < texts; ++number) {
    std::string text = "host";
    for (std::size_t rest = number; rest > 0; rest /= bytes.size()) {
      text += bytes[rest % bytes.size()];
    }
    text += " password=CANARY";
    if (redact_url(text).find("CANARY") != std::string::npos) FAIL_CHECK(text);
    for (const auto& secret : url_secrets(text)) {
      if (secret.empty() || text.find(secret) == std::string::npos) FAIL_CHECK(text);
    }
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
  CHECK(redact_url("host=db password=p?w@x user=a") == "host=db password=*** user=a");
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
