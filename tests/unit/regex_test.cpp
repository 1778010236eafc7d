// Substrings, regular expressions and the limits that hostile text meets.
#include "probes/regex.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace vitals {
namespace {

Match look(std::string_view wanted, std::string_view subject) {
  const auto matcher = Matcher::parse(wanted);
  REQUIRE(matcher.ok());
  return matcher.value().find_in(subject);
}

}  // namespace

TEST_SUITE("regex") {
  TEST_CASE("matcher: text without slashes is a substring, special characters and all") {
    CHECK(look("ready.", "we are ready. now") == Match::yes);
    CHECK(look("ready.", "we are ready, now") == Match::no);
    CHECK(look("a+b", "1 a+b 2") == Match::yes);
  }

  TEST_CASE("matcher: /text/ is a regular expression, searched anywhere") {
    CHECK(look("/^\\+PO.G/", "+PONG\r\n") == Match::yes);
    CHECK(look("/^PONG/", "+PONG\r\n") == Match::no);
    CHECK(look("/a\\/b/", "xa/by") == Match::yes);
  }

  TEST_CASE("matcher: i, m and s behind the second slash change the search") {
    CHECK(look("/READY/", "ready") == Match::no);
    CHECK(look("/READY/i", "ready") == Match::yes);
    CHECK(look("/^two$/", "one\ntwo\nthree") == Match::no);
    CHECK(look("/^two$/m", "one\ntwo\nthree") == Match::yes);
    CHECK(look("/one.two/", "one\ntwo") == Match::no);
    CHECK(look("/one.two/s", "one\ntwo") == Match::yes);
    CHECK(look("/ONE.TWO/is", "one\ntwo") == Match::yes);
  }

  TEST_CASE("matcher: a path that is not closed by a slash stays a substring") {
    CHECK(look("/usr/bin", "in /usr/bin it is") == Match::yes);
    CHECK(look("/", "a/b") == Match::yes);
    CHECK(look("/", "ab") == Match::no);
  }

  TEST_CASE("matcher: what cannot be searched for says why") {
    const auto open = Matcher::parse("/a(b/");
    REQUIRE(!open.ok());
    CHECK(open.error().message ==
          "not a regular expression: missing closing parenthesis at offset 3");
    CHECK(!Matcher::parse("").ok());
    CHECK(!Matcher::parse("//").ok());
    CHECK(!Matcher::parse("//i").ok());
    CHECK(!Matcher::parse("/" + std::string(Pattern::text_max + 1, 'a') + "/").ok());
    CHECK(!Matcher::parse("/" + std::string(60, '(') + std::string(60, ')') + "/").ok());
  }

  TEST_CASE("matcher: it shows what the user wrote") {
    CHECK(Matcher::parse("PONG").value().shown() == "\"PONG\"");
    CHECK(Matcher::parse("/PO+NG/i").value().shown() == "/PO+NG/i");
  }

  TEST_CASE("regex: subjects may hold NUL and bytes that are no UTF-8") {
    const std::string subject("\xff\x00\xfeok", 5);
    CHECK(look("/ok$/", subject) == Match::yes);
    CHECK(look("/\\x00/", subject) == Match::yes);
  }

  TEST_CASE("regex: text that makes a pattern explode is given up within 200 ms, as limit") {
    for (const char* pattern : {"/^(a+)+$/", "/(a|aa)+$/", "/(.*)*x(.*)*y/", "/((a*)*)*b/"}) {
      CAPTURE(pattern);
      const std::string subject = std::string(65'536, 'a') + "!";
      const auto start = std::chrono::steady_clock::now();
      const Match match = look(pattern, subject);
      const auto took = std::chrono::steady_clock::now() - start;
      CHECK(match != Match::yes);
      CHECK(took < std::chrono::milliseconds(200));
    }
    CHECK(look("/^(a+)+$/", std::string(40, 'a') + "!") == Match::limit);
    CHECK(give_up_note(Match::limit) != "");
    CHECK(give_up_note(Match::no) == "");
  }

  TEST_CASE("regex: deep recursion ends as limit, not as a crash") {
    CHECK(look("/^(\\((?1)*\\))$/", std::string(200'000, '(')) == Match::limit);
  }

  TEST_CASE("regex: an ordinary pattern over 64 KiB of ordinary text finds its match") {
    std::string page;
    while (page.size() < 65'000) page += "{\"name\": \"value\", \"list\": [1, 2, 3]}\n";
    CHECK(look("/status.*ok/", page + "\"status\": \"ok\"") == Match::yes);
    CHECK(look("/\"name\":.*\"status\": *\"ok\"/", page + "\"name\": 1, \"status\": \"ok\"") ==
          Match::yes);
    CHECK(look("/status.*ok/s", page) == Match::no);
  }
}

}  // namespace vitals
