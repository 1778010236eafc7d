// Which parts of what a check sends must never come back out.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <vitals/secrets.hpp>

#include "probes/sent_text.hpp"

namespace vitals {
namespace {

using Strings = std::vector<std::string>;

Strings hidden_in(const std::string& text,
                  void (*hide)(std::string_view, const http::SecretSink&)) {
  Strings found;
  hide(text, [&](std::string_view value) { found.emplace_back(value); });
  return found;
}

bool hides(const std::string& text, const std::string& secret) {
  const auto found = hidden_in(text, hide_parts);
  return std::find(found.begin(), found.end(), secret) != found.end();
}

TEST_CASE("sent: only texts made of well-known protocol words are harmless") {
  for (const char* text :
       {"PING\r\n", "ping", "GET / HTTP/1.0\r\n\r\n", "{\"type\": \"ping\"}",
        "*1\r\n$4\r\nPING\r\n", "{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"id\":1}", "ruok",
        "EHLO localhost\r\n", "", "\n"}) {
    CAPTURE(text);
    CHECK(is_harmless(text));
    CHECK(hidden_in(text, hide_sent).empty());
  }
  for (const char* text :
       {"hunter2", "s3cr3t\r\n", "PING hunter", "AUTH", "abc", "12345", "GET /health HTTP/1.0",
        "{\"type\":\"auth\",\"token\":\"x\"}", "!", "\x01\x02", "p\xC3\xA4ss"}) {
    CAPTURE(text);
    CHECK(!is_harmless(text));
  }
}

TEST_CASE("sent: each line that is not harmless is hidden, without the blanks around it") {
  CHECK(hidden_in("admin\r\n hunter2 \r\nQUIT\r\n", hide_sent) == Strings{"admin", "hunter2"});
  CHECK(hidden_in("*2\r\n$4\r\nPING\r\n$7\r\nhunter2\r\n", hide_sent) ==
        Strings{"*2", "$7", "hunter2"});
}

TEST_CASE(
    "sent: the password of a login line is hidden in whatever case, alone and with its name") {
  CHECK(hides("AUTH hunter2\r\n", "hunter2"));
  CHECK(hides("auth bob hunter2", "hunter2"));
  CHECK(hides("AUTH bob hunter2\r\n", "bob hunter2"));
  CHECK(hides("QUIT\r\nPASS correct horse\r\n", "correct horse"));
  CHECK(hides("a1 LOGIN bob hunter2", "hunter2"));
  CHECK(hidden_in("say AUTHOR please", hide_parts).empty());
}

TEST_CASE("sent: what stands after a name such as token or password is hidden") {
  CHECK(hides("{\"op\":\"auth\", \"token\" : \"hunter2\"}", "hunter2"));
  CHECK(hides("{\"password\":\"a\\\"b,c\"}", "a\\\"b,c"));
  CHECK(hides("{\"password\":\"a\\\"b,c\"}", "a\"b,c"));
  CHECK(hides("user=bob&api_key=hunter2&x=1", "hunter2"));
  CHECK(hides("SELECT 1 FROM t WHERE token = 'it hurts'", "it hurts"));
  CHECK(hides("GET / HTTP/1.1\r\nX-Api-Key: one two\r\n\r\n", "one two"));
  CHECK(hides("GET / HTTP/1.1\r\nAuthorization: Bearer hunter2\r\n\r\n", "hunter2"));
  CHECK(hides("GET / HTTP/1.1\r\nCookie: a=1; sid=hunter2\r\n\r\n", "hunter2"));
  CHECK(hidden_in("{\"type\":\"auth\",\"user\":\"bob\"}", hide_parts).empty());
  CHECK(hidden_in("SELECT 1 FROM jobs WHERE state = 'finished'", hide_parts).empty());
  for (const char* text :
       {"token", "token=", "token:\"", "token = '", "\"token\":\"a\\", "key \""}) {
    CAPTURE(text);
    CHECK_NOTHROW(hidden_in(text, hide_parts));
  }
}

bool hides_sent(const std::string& text, const std::string& secret) {
  const auto found = hidden_in(text, hide_sent);
  return std::find(found.begin(), found.end(), secret) != found.end();
}

TEST_CASE("sent: strings of JSON and values of forms are hidden, what names the message is not") {
  CHECK(hides_sent("{\"k\":\"BODYcanary\"}", "BODYcanary"));
  CHECK(hides_sent("{\n  \"a\": {\"k\" :\n \"BODYcanary\" }\n}\n", "BODYcanary"));
  CHECK(hides_sent("42[\"message\", \"BODYcanary\"]", "BODYcanary"));
  CHECK(hides_sent("{\"k\":\"BODY\\\"canary\"}", "BODY\"canary"));
  CHECK(hides_sent("{\"method\":\"BODY canary 1\"}", "BODY canary 1"));
  CHECK(hides_sent("a=1&k=BODY%20canary&b=2", "BODY%20canary"));
  CHECK(hides_sent("k=BODY+canary", "BODY canary"));
  CHECK_FALSE(hides_sent("{\"k\":\"seven77\"}", "seven77"));
  CHECK_FALSE(hides_sent("{\"BODYcanary\":1}", "BODYcanary"));
  CHECK_FALSE(hides_sent("{\"method\":\"eth_blockNumber\",\"id\":1}", "eth_blockNumber"));
  CHECK_FALSE(hides_sent("{\"type\":\"subscribe\"}", "subscribe"));
  CHECK_FALSE(hides_sent("{\"a\":\"localhost\"}", "localhost"));
  CHECK_FALSE(hides_sent("{\"a\":[\"postgres\"]}", "postgres"));
  // A query is shown, and so are its literals.
  CHECK(hidden_in("SELECT '{\"k\":\"finished\"}'::jsonb", hide_parts).empty());
  for (const char* text : {"\"", "{\"k\":\"", "{\"k\":\"a\\", "[\"", ":\"\\\"", "=&=", "&", "k="}) {
    CAPTURE(text);
    CHECK_NOTHROW(hidden_in(text, hide_sent));
  }
}

TEST_CASE("sent: words and dates are hidden only where a name says that they are secret") {
  const std::string words =
      "{\"service\":\"database\",\"state\":\"Unavailable\",\"k\":[\"upstream\"],"
      "\"since\":\"2026-11-21T10:00:00Z\"}";
  CHECK(hidden_in(words, hide_sent) == Strings{words});
  const std::string form = "state=unavailable&since=2026-11-21";
  for (const char* value : {"unavailable", "2026-11-21"}) CHECK_FALSE(hides_sent(form, value));
  CHECK(hides_sent("{\"token\":\"swordfish\"}", "swordfish"));
  CHECK(hides_sent("{\"tokens\":[\"swordfish\"]}", "swordfish"));
  CHECK(hides_sent("user=bob&password=swordfish", "swordfish"));
}

TEST_CASE("sent: what one check says of a service takes no word out of another's text") {
  const auto pool = std::make_shared<SecretSet>();
  SecretSet mine;
  SecretSet other;
  mine.share_with(pool);
  other.share_with(pool);
  hide_sent("{\"service\":\"database\",\"state\":\"unavailable\",\"k\":\"upstream\"}",
            [&](std::string_view value) { mine.add(value); });
  const std::string said = "database is unavailable: connection refused by upstream";
  CHECK(other.scrub(said) == said);
}

TEST_CASE("sent: many strings of a file push no token out of what is known") {
  SecretSet secrets;
  secrets.loaded();
  const auto add = [&](std::string_view value) { secrets.add(value); };
  std::string many = "{\"token\": \"s3c5two\"";
  for (int i = 0; i < 80; ++i) many += ", \"k\": \"value-of-it-" + std::to_string(i) + "\"";
  hide_sent(many + "}", add);
  CHECK(secrets.scrub("bad s3c5two") == "bad ***");
  std::string lines = "AUTH bob hunter2\nX-Api-Key: k3y5\n";
  for (int i = 1'000; i < 1'080; ++i) lines += "long-token-number-" + std::to_string(i) + "x\n";
  hide_sent(lines, add);
  CHECK(secrets.scrub("bad hunter2 k3y5") == "bad *** ***");
}

TEST_CASE("sent: of a text with very many strings the first ones, the names and the lines count") {
  std::string text = "[";
  for (int i = 10'000; i < 13'000; ++i) text += "\"value" + std::to_string(i) + "\",";
  text += "{\"token\":\"k3y5\"}]";
  const auto found = hidden_in(text, hide_sent);
  const auto holds = [&](const std::string& one) {
    return std::find(found.begin(), found.end(), one) != found.end();
  };
  CHECK(found.size() == 256 + 2);
  CHECK(holds("value10255"));
  CHECK_FALSE(holds("value10256"));
  CHECK(holds("k3y5"));
  CHECK(holds(text));
}

TEST_CASE("sent: long tokens with digits are hidden wherever they stand, names are not") {
  CHECK(hides("hello eyJhbGciOiJIUzI1NiJ9.abc world", "eyJhbGciOiJIUzI1NiJ9.abc"));
  CHECK(hidden_in("a_long_name_without_any_digit_in_it", hide_parts).empty());
}

}  // namespace
}  // namespace vitals
