// Substrings, regular expressions and the limits that hostile text meets.
#include "probes/regex.hpp"

#include <doctest/doctest.h>

#include <time.h>

#include <chrono>
#include <string>

#include "tests/support/timing.hpp"

namespace vitals {
namespace {

Match look(std::string_view wanted, std::string_view subject) {
  const auto matcher = Matcher::parse(wanted);
  REQUIRE(matcher.ok());
  return matcher.value().find_in(subject);
}

// The promise is in CPU time: other processes on a busy machine are not the pattern's fault.
constexpr auto search_limit = test::at_most(std::chrono::milliseconds(200));

std::chrono::nanoseconds cpu_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

struct Search {
  Match match = Match::no;
  std::chrono::nanoseconds took{};
};

Search timed(std::string_view wanted, std::string_view subject) {
  const auto start = cpu_time();
  const Match match = look(wanted, subject);
  return {match, cpu_time() - start};
}

std::string repeated(std::string_view text, std::size_t size) {
  std::string all;
  while (all.size() < size) all += text;
  return all;
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

  TEST_CASE("regex: text that makes a pattern explode is given up within 200 ms of CPU") {
    for (const char* pattern : {"/^(a+)+$/", "/(a|aa)+$/", "/(.*)*x(.*)*y/", "/((a*)*)*b/"}) {
      CAPTURE(pattern);
      const auto search = timed(pattern, std::string(65'536, 'a') + "!");
      CHECK(search.match != Match::yes);
      CHECK(search.took < search_limit);
    }
    CHECK(look("/^(a+)+$/", std::string(40, 'a') + "!") == Match::limit);
    CHECK(give_up_note(Match::limit) != "");
    CHECK(give_up_note(Match::no) == "");
  }

  TEST_CASE("regex: a search that is cheap at each place but not at all of them ends as limit") {
    for (const char* pattern :
         {"/ok.*done/s", "/ok[^!]*done/", "/[no]k.*done/s", "/(?i)OK.*DONE/s"}) {
      for (const std::size_t size : {std::size_t{65'536}, std::size_t{4} << 20U}) {
        CAPTURE(pattern);
        CAPTURE(size);
        // The last letter is there, or PCRE2 would know without searching.
        const auto search = timed(pattern, repeated("ok", size) + " the end, one");
        CHECK(search.match == Match::limit);
        CHECK(search.took < search_limit);
      }
    }
  }

  TEST_CASE("regex: cheap text before an explosive one does not buy it more time") {
    const auto search =
        timed("/(x+x+)+y/", std::string(65'536, ' ') + std::string(5'000, 'x') + " y");
    CHECK(search.match == Match::limit);
    CHECK(search.took < search_limit);
  }

  TEST_CASE("regex: a match is found wherever it starts, and what looks back sees what is before") {
    const std::string filler(300, '-');
    for (std::size_t at = 0; at < 300; ++at) {
      auto subject = filler;
      subject.replace(at, 4, "Need");
      CAPTURE(at);
      CHECK(look("/need/i", subject) == Match::yes);
      CHECK(look("/[NX]eed/", subject) == Match::yes);
      CHECK(look("/.eed/", subject) == Match::yes);
      CHECK(look("/(?<=-)Need/", subject) == (at == 0 ? Match::no : Match::yes));
      CHECK(look("/^Need/", subject) == (at == 0 ? Match::yes : Match::no));
    }
    CHECK(look("/$/", filler) == Match::yes);
    CHECK(look("/x*$/", filler) == Match::yes);
    CHECK(look("/x*/", "") == Match::yes);
    CHECK(look("/x/", "") == Match::no);
    CHECK(look("/\\bz/", filler + "z") == Match::yes);
    CHECK(look("/^z/m", filler + "\n" + filler + "\nz") == Match::yes);
    CHECK(look("/^z/m", filler + "\n" + filler + "z") == Match::no);
    CHECK(look("/^$/m", filler + "\n\n" + filler) == Match::yes);
    CHECK(look("/.*z$/", filler + "\n" + filler + "z") == Match::yes);
  }

  TEST_CASE("regex: a big body of ordinary text is searched to its end within the budget") {
    const auto page = repeated("{\"name\": \"value\", \"list\": [1, 2, 3]}\n", 4U << 20U);
    const auto search = timed("/Zstatus: ok/", page);
    CHECK(search.match == Match::no);
    CHECK(search.took < search_limit);
    CHECK(look("/Z.*ok/", page + "Z is ok") == Match::yes);
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
