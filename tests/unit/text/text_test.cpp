// Foreign text made fit to be shown, guesses at what was meant, and durations for people.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include <vitals/text.hpp>

namespace vitals {
namespace {

TEST_CASE("text: harmless text passes unchanged") {
  CHECK(clean_text("53300 sorry, too many clients already") ==
        "53300 sorry, too many clients already");
  CHECK(clean_text("Zürich → 東京 🙂") == "Zürich → 東京 🙂");
  CHECK(clean_text("") == "");
}

TEST_CASE("text: what a terminal, a browser or a log would act on is gone") {
  CHECK(clean_text("a\x1b[31mred\x07") == "a[31mred");
  CHECK(clean_text(std::string_view("nul\0l", 5)) == "null");
  CHECK(clean_text("del\x7f.c1\xc2\x9b.") == "del.c1.");
  CHECK(clean_text("rtl\xe2\x80\xae.iso\xe2\x81\xa6.zwsp\xe2\x80\x8b.bom\xef\xbb\xbf.") ==
        "rtl.iso.zwsp.bom.");
  CHECK(clean_text("tag\xf3\xa0\x81\x81.") == "tag.");
}

TEST_CASE("text: no control character and no override of direction is left, whichever it is") {
  for (std::uint32_t code = 0x7F; code <= 0x9F; ++code) {
    CAPTURE(code);
    const std::string c = code == 0x7F ? "\x7F" : "\xC2" + std::string(1, static_cast<char>(code));
    // U+0085 ends a line, so it is a blank.
    CHECK(clean_text("a" + c + "b") == (code == 0x85 ? "a b" : "ab"));
  }
  for (unsigned last = 0x80; last <= 0xAE; ++last) {
    const bool mark = last >= 0x8B && last <= 0x8F;
    const bool line_end = last == 0xA8 || last == 0xA9;
    const bool direction = last >= 0xAA;
    if (!mark && !line_end && !direction) continue;
    CAPTURE(last);
    const std::string c = "\xE2\x80" + std::string(1, static_cast<char>(last));
    CHECK(clean_text("a" + c + "b") == (line_end ? "a b" : "ab"));
  }
  for (unsigned last = 0xA0; last <= 0xAF; ++last) {
    CAPTURE(last);
    CHECK(clean_text("a\xE2\x81" + std::string(1, static_cast<char>(last)) + "b") == "ab");
  }
}

TEST_CASE("text: lower case is a matter of ASCII letters alone") {
  CHECK(to_lower("Content-TYPE [@`{ 09 Z\xc3\x84") == "content-type [@`{ 09 z\xc3\x84");
  CHECK(same_ignoring_case("X-Forwarded-For", "x-forwarded-FOR"));
  CHECK(!same_ignoring_case("abc", "abcd"));
  CHECK(!same_ignoring_case("a[", "a{"));
}

TEST_CASE("text: a character is what RFC 3629 lets through") {
  struct Row {
    std::string_view text;
    std::uint32_t code;
    std::size_t length;
    bool valid;
  };
  constexpr std::array rows{
      Row{"a", 'a', 1, true},
      Row{"\xc3\xbcx", 0xFC, 2, true},
      Row{"\xe2\x82\xac", 0x20AC, 3, true},
      Row{"\xf0\x9f\x99\x82", 0x1F642, 4, true},
      Row{"\xf4\x8f\xbf\xbf", 0x10FFFF, 4, true},
      Row{"\x80", 0, 1, false},
      Row{"\xc0\xaf", 0, 1, false},
      Row{"\xe0\x80\xaf", 0, 1, false},
      Row{"\xed\xa0\x80", 0, 1, false},
      Row{"\xf4\x90\x80\x80", 0, 1, false},
      Row{"\xe2\x82", 0, 2, false},
      Row{"\xf0\x9f\x99!", 0, 3, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto character = first_character(row.text);
    CHECK(character.valid == row.valid);
    CHECK(character.length == row.length);
    if (row.valid) CHECK(character.code == row.code);
  }
}

TEST_CASE("text: white space of every sort becomes one blank, and none at the ends") {
  CHECK(clean_text(" \t a \r\n\n b\xc2\xa0\xe2\x80\xa8"
                   "c \n") == "a b c");
  CHECK(clean_text(" \n ") == "");
}

TEST_CASE("text: bytes that are no UTF-8 become U+FFFD, one for each bad sequence") {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(clean_text("a\xff"
                   "b") == "a" + bad + "b");
  CHECK(clean_text("cut\xe2\x82") == "cut" + bad);
  CHECK(clean_text("\xc0\xaf") == bad + bad);                      // overlong '/'
  CHECK(clean_text("\xe0\x80\xaf") == bad + bad + bad);            // overlong, three bytes
  CHECK(clean_text("\xed\xa0\x80") == bad + bad + bad);            // a surrogate
  CHECK(clean_text("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // above U+10FFFF
  CHECK(clean_text("\xf0\x9f\x99\x82 \xed\x9f\xbf \xef\xbf\xbf") ==
        "\xf0\x9f\x99\x82 \xed\x9f\xbf \xef\xbf\xbf");
}

TEST_CASE("text: long text is cut at a character, within the limit, and shows it") {
  CHECK(clean_text("12345678", 8) == "12345678");
  CHECK(clean_text("123456789", 8) == "12345…");
  CHECK(clean_text("123é5678", 8) == "123é…");
  CHECK(clean_text("12 45678901", 6) == "12…");
  CHECK(clean_text(std::string(1'000, 'x')).size() == server_text_max);
  CHECK(clean_text("abc", 2) == "");
  for (std::size_t limit = 0; limit < 40; ++limit) {
    CHECK(clean_text("ééé 東京東京 🙂🙂 \xff\xff and more and more", limit).size() <=
          limit);
  }
}

TEST_CASE("text: the closest name is suggested, a strange one is not") {
  const std::vector<std::string_view> names{"interval", "retry_interval", "timeout", "kind", "url"};
  CHECK(closest("intervall", names) == "interval");
  CHECK(closest("retryinterval", names) == "retry_interval");
  CHECK(closest("knid", names) == "kind");
  CHECK(closest("timeot", names) == "timeout");
  CHECK(closest("ulr", names) == "url");
  CHECK(closest("colour", names) == "");
  CHECK(closest("ab", names) == "");
  CHECK(closest("", names) == "");
  CHECK(closest(std::string(100'000, 'i'), names) == "");
  CHECK(closest("kind", {}) == "");
}

TEST_CASE("text: durations for people have two units at most") {
  CHECK(human_duration(-5) == "0s");
  CHECK(human_duration(0) == "0s");
  CHECK(human_duration(28) == "28s");
  CHECK(human_duration(59) == "59s");
  CHECK(human_duration(60) == "1m00s");
  CHECK(human_duration(200) == "3m20s");
  CHECK(human_duration(3'599) == "59m59s");
  CHECK(human_duration(5 * 3'600 + 2 * 60 + 59) == "5h02m");
  CHECK(human_duration(86'400 * 2 + 4 * 3'600) == "2d04h");
}

}  // namespace
}  // namespace vitals
