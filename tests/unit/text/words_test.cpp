// Words and dates, which are no secrets by themselves, and tokens, which are.
#include <doctest/doctest.h>

#include <vitals/words.hpp>

namespace vitals {
namespace {

TEST_CASE("words: a word in one case, with or without a capital, and a date are ordinary") {
  for (const char* text : {"database", "Database", "UNAVAILABLE", "a", "fifteenletterss",
                           "2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21 10:00:00.5+01:00"}) {
    CAPTURE(text);
    CHECK(is_ordinary(text));
  }
}

TEST_CASE("words: what has digits, mixed letters, blanks or many letters is not ordinary") {
  for (const char* text : {"", "SecretValue", "hunter22", "correct horse", "abcdefghijklmnop", "aB",
                           "under_score", "p\xC3\xA4ssword", "12345678", "2026-1-21", "2026-11-2x",
                           "2026-11-21Tsecret", "2026-11-21-0000000000000000000000000"}) {
    CAPTURE(text);
    CHECK_FALSE(is_ordinary(text));
  }
}

}  // namespace
}  // namespace vitals
