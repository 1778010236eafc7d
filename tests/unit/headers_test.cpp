// What of a header, of credentials and of a web URL is secret, and what is ordinary text.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "probes/headers.hpp"

namespace vitals::http {
namespace {

using Strings = std::vector<std::string>;

Strings hidden_in_header(const std::string& name, const std::string& value) {
  Strings found;
  hide_header_parts(name, value, [&](std::string_view part) { found.emplace_back(part); });
  return found;
}

bool holds(const Strings& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

TEST_CASE("headers: the secret part of a value with a scheme, a name or a prefix is hidden alone") {
  const std::string secret = "SecretValue";
  for (const auto& [name, before, after] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"X-Auth", "Bearer ", ""},
           {"X-Api-Key", "Key ", ""},
           {"X-Sig", "t=1,v1=", ""},
           {"X-Anything", "Whatever ", ""},
           {"X-Anything", "id:", ""},
           {"X-Anything", "{\"k\":\"", "\"}"},
           {"X-Anything", "12|", "=="},
           {"Authorization", "Token token=\"", "\""},
           {"Authorization", "Bearer ", ""},
           {"Authorization", "Digest a='", "', b=2"},
           {"Proxy-Authorization", "Custom  ", ""},
           {"Cookie", "a=1; session=", "; b=2"},
           {"Cookie", "a=1; session=\"", "\""},
       }) {
    CAPTURE(name);
    CAPTURE(before);
    CHECK(holds(hidden_in_header(name, before + secret + after), secret));
  }
}

TEST_CASE("headers: a short secret is hidden after a scheme and after a name that says so") {
  CHECK(holds(hidden_in_header("X-Auth", "Bearer k3y5"), "k3y5"));
  CHECK(holds(hidden_in_header("X-Api-Key", "Key k3y5"), "k3y5"));
  CHECK(holds(hidden_in_header("Authorization", "Token token=\"k3y5\""), "k3y5"));
  CHECK(holds(hidden_in_header("Accept", "text/plain; token=k3y5"), "k3y5"));
}

TEST_CASE("headers: a word is a secret where the header, a name or a scheme says so") {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"X-Api-Key", "swordfish"},
           {"X-Auth", "Whatever swordfish"},
           {"Authorization", "swordfish"},
           {"X-Anything", "Bearer swordfish"},
           {"X-Anything", "Custom token=swordfish"},
           {"Cookie", "a=1; sid=swordfish"},
       }) {
    CAPTURE(name);
    CAPTURE(value);
    CHECK(holds(hidden_in_header(name, value), "swordfish"));
  }
  CHECK(hidden_in_header("X-Api-Key", "k3y") == Strings{"k3y"});
}

TEST_CASE("headers: what is named a secret comes last, where rotation drops it last") {
  const auto last = [](const std::string& name, const std::string& value) {
    return hidden_in_header(name, value).back();
  };
  CHECK(last("X-Request", "token=k3y, id=SomethingElse, more=Something2") == "k3y");
  CHECK(last("Authorization", "Bearer k3y|SomethingElse") == "Bearer k3y|SomethingElse");
  CHECK(last("Cookie", "sid=SomethingElse") == "SomethingElse");
}

TEST_CASE("headers: Basic credentials are read in any header, a user without password is one") {
  CHECK(holds(hidden_in_header("Authorization", "Basic " + base64("bob:hunter2")), "hunter2"));
  CHECK(holds(hidden_in_header("X-Forwarded-Authorization", "Basic " + base64("bob:hunter2")),
              "hunter2"));
  CHECK(holds(hidden_in_header("Authorization", "Basic " + base64("sk_live_key:")), "sk_live_key"));
  CHECK_FALSE(
      holds(hidden_in_header("Authorization", "Basic " + base64("somebody:hunter2")), "somebody"));
}

TEST_CASE("headers: parts of ordinary headers, well-known words and names are no secrets") {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"Accept", "application/json, text/plain;q=0.9, application/xml"},
           {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
           {"User-Agent", "Mozilla/5.0 (compatible; healthcheck/1.0; +https://example.org/bot)"},
           {"Host", "internal.example.org:8080"},
           {"Origin", "https://app.example.org"},
           {"Referer", "https://app.example.org/dashboard"},
           {"Connection", "keep-alive, Upgrade"},
           {"Cache-Control", "no-cache, no-store, max-age=31536000"},
           {"Accept-Language", "de-CH, en;q=0.9"},
           {"accept-encoding", "identity, gzip"},
           {"X-Forwarded-Host", "app.example.org, localhost"},
           {"X-Forwarded-For", "192.0.2.1, 192.0.2.17"},
           {"X-Type", "application/json localhost keep-alive"},
           {"X-Version", "1 2 3"},
           {"X-Env", "replication"},
           {"X-Env", "database unavailable, v=Upstream"},
           {"X-Since", "2026-11-21"},
       }) {
    CAPTURE(name);
    CHECK(hidden_in_header(name, value).empty());
  }
  const auto signed_request = hidden_in_header(
      "X-Request",
      "AWS4-HMAC-SHA256 SignedHeaders=host;range, Signature=0123456789abcdef, long_name=short");
  CHECK(signed_request == Strings{"0123456789abcdef"});
}

TEST_CASE("headers: a user alone is the secret of credentials and of a web URL") {
  const auto hidden_in_pair = [](const std::string& pair) {
    Strings found;
    hide_user_password(pair, [&](std::string_view part) { found.emplace_back(part); });
    return found;
  };
  CHECK(hidden_in_pair("sk_live_key:") == Strings{"sk_live_key"});
  CHECK(hidden_in_pair("user:pass:word") == Strings{"pass:word"});
  CHECK(hidden_in_pair("nothing").empty());
  const auto hidden_in_url = [](const std::string& url) {
    Strings found;
    hide_url_secrets(url, [&](std::string_view part) { found.emplace_back(part); });
    std::erase(found, "");
    return found;
  };
  CHECK(hidden_in_url("http://to%3Aken@h/") == Strings{"to:ken"});
  CHECK(hidden_in_url("wss://token:@h/") == Strings{"token"});
  CHECK(hidden_in_url("http://user:word@h/") == Strings{"word"});
  CHECK(hidden_in_url("http://h/").empty());
}

}  // namespace
}  // namespace vitals::http
