// No secret comes through, in whatever form a server, a library or an encoder gives it back.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <vitals/health.hpp>
#include <vitals/secrets.hpp>

#include "probes/registry.hpp"

namespace vitals {
namespace {

std::string scrubbed(std::string_view secret, std::string_view text) {
  SecretSet secrets;
  secrets.add(secret);
  return secrets.scrub(text);
}

std::string base64(std::string_view bytes, bool url) {
  const std::string digits =
      std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") +
      (url ? "-_" : "+/");
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group * 256 + (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (unsigned j = 0; j < 4; ++j) {
      const bool padding = i + j > bytes.size();
      out += padding ? '=' : digits[group >> (18 - 6 * j) & 63U];
    }
  }
  return out;
}

TEST_CASE("secrets: text without a secret is unchanged") {
  CHECK(scrubbed("hunter22", "PONG") == "PONG");
  CHECK(scrubbed("hunter22", "") == "");
  CHECK(SecretSet().scrub("anything") == "anything");
  CHECK(scrubbed("", "anything") == "anything");
}

TEST_CASE("secrets: every place of every secret is masked") {
  CHECK(scrubbed("hunter22", "hunter22 and xhunter22x") == "*** and x***x");
  SecretSet secrets;
  secrets.add("alpha-one");
  secrets.add("alpha-one-two");
  secrets.add("two-three");
  CHECK(secrets.scrub("alpha-one alpha-one-two") == "*** ***");
  // Overlapping secrets leave nothing between them.
  CHECK(secrets.scrub("alpha-one-two-three.") == "***.");
}

TEST_CASE("secrets: URL-encoded and decoded forms are masked") {
  const std::string secret = "p@ss w/rd+1é";
  CHECK(scrubbed(secret, "x=p%40ss%20w%2Frd%2B1%C3%A9&") == "x=***&");
  CHECK(scrubbed(secret, "x=p%40ss%20w%2frd%2b1%c3%a9&") == "x=***&");
  CHECK(scrubbed(secret, "x=p%40ss+w%2Frd%2B1%C3%A9&") == "x=***&");
  CHECK(scrubbed(secret, "x=p@ss%20w/rd+1%C3%A9&") == "x=***&");
  CHECK(scrubbed("p%40ss%2Fword", "the password p@ss/word is wrong") ==
        "the password *** is wrong");
}

TEST_CASE("secrets: JSON-escaped forms are masked") {
  CHECK(scrubbed("quo\"te\\back/slash", R"({"p":"quo\"te\\back/slash"})") == R"({"p":"***"})");
  CHECK(scrubbed("quo\"te\\back/slash", R"({"p":"quo\"te\\back\/slash"})") == R"({"p":"***"})");
}

TEST_CASE("secrets: encoders that spare other characters, encode twice or mix are read as well") {
  const std::string secret = "p@s~s-w.d 'é\"\\<&>";
  CHECK(scrubbed(secret, "x=p%40s%7Es%2Dw%2Ed%20%27%C3%A9%22%5C%3C%26%3E&") == "x=***&");
  CHECK(scrubbed(secret, "p%2540s~s-w.d%2520'%25C3%25A9%2522%255C%253C%2526%253E!") == "***!");
  CHECK(scrubbed(secret, R"("p@s~s-w.d '\u00e9\"\\\u003c\u0026\u003e")") == "\"***\"");
  CHECK(scrubbed(secret, R"('p@s~s-w.d \'\xc3\xa9"\\<&>')") == "'***'");
  CHECK(scrubbed(secret, "<p>p@s~s-w.d &#39;&#233;&quot;\\&lt;&amp;&gt;</p>") == "<p>***</p>");
  CHECK(scrubbed(secret, "<p>p@s~s-w.d &#x27;é&#34;\\&lt;&amp;&gt;</p>") == "<p>***</p>");
  CHECK(scrubbed(secret, "p@s~s-w.d+'%C3%A9\\\"\\\\<&amp;&gt;") == "***");
  CHECK(scrubbed("\xF0\x9F\x98\x80key", R"(\ud83d\ude00key)") == "***");
  // Base64 that was encoded once more, or folded into lines.
  const std::string encoded = base64("user:?~>>~~\xFF\xFE secret", false);
  const std::string hidden = scrubbed("?~>>~~\xFF\xFE secret", [&] {
    std::string text;
    for (const char c : encoded) text += c == '/' ? "%2F" : c == '+' ? "%2b" : std::string(1, c);
    return text;
  }());
  CAPTURE(hidden);
  CHECK(hidden.size() < 13);
  CHECK(scrubbed("a rather long secret", "YSByYXRoZXIgbG9u\r\nZyBzZWNyZXQ=") == "***");
  // What only looks like an escape stands for itself.
  CHECK(scrubbed("100%ab%", "100%ab% \\ & %") == "*** \\ & %");
  CHECK(scrubbed("a\\nb&amp;", "a\\nb&amp; a\\\\nb&amp;amp;") == "*** ***");
}

TEST_CASE("secrets: control characters do not take one apart") {
  CHECK(scrubbed("hunter22",
                 "x hun\x01ter\x7F"
                 "22 y") == "x *** y");
  CHECK(scrubbed("hunter22", "\x01hunter22") == "\x01***");
}

TEST_CASE("secrets: a piece at the end of a text that was cut is masked") {
  const auto cut = [](std::string_view secret, std::string_view text) {
    SecretSet secrets;
    secrets.add(secret);
    return secrets.scrub(text, SecretSet::Ending::cut);
  };
  CHECK(cut("hunter@22", "is hunt") == "is ***");
  CHECK(cut("hunter@22", "is hunter%4") == "is ***");
  CHECK(cut("hunter@22", "is hunter@22") == "is ***");
  CHECK(cut("hunter@22", "is hun") == "is hun");
  CHECK(cut("hunter@22", "hunt is over") == "hunt is over");
  CHECK(scrubbed("hunter@22", "is hunt") == "is hunt");
}

TEST_CASE("secrets: the first twelve bytes and more of a token are masked wherever they stand") {
  const std::string token = "TOKENcanary0123456789abcdef";
  CHECK(scrubbed(token, "key TOKENcanary01234567... is bad") == "key ***... is bad");
  CHECK(scrubbed(token, "key TOKENcanary0 is bad") == "key *** is bad");
  CHECK(scrubbed(token, "key TOKENcanary is bad") == "key TOKENcanary is bad");
  CHECK(scrubbed(token, "x" + token + "y") == "x***y");
  CHECK(scrubbed(token, "TOKENcanary%301234567\xE2\x80\xA6") == "***\xE2\x80\xA6");
  const std::string encoded = base64("user:" + token, false);
  CHECK(scrubbed(token, encoded.substr(0, 27) + "...").find(encoded.substr(8, 12)) ==
        std::string::npos);
  for (const std::string begin :
       {"sk_live_51H2x", "xoxb-12345678", "hvs.CAESIJ3aBc", "550e8400-e29b-4"}) {
    CAPTURE(begin);
    CHECK(scrubbed(begin + "0a1b2c3d4e5f", begin + "...") == "***...");
  }
  // What is no token begins like other texts do.
  for (const char* prose :
       {"application/xhtml+xml; charset=utf-8", "a rather long sentence with 1 digit",
        "{\"jsonrpc\":\"2.0\",\"id\":71}", "without-any-digit-in-it", "short1234567890",
        "production-eu-1.internal", "postgres-eu-west1-primary", "db-1.internal.example.org",
        "postgres14-primary-2", "2026-11-21-backup", "a-digit-after-12bytes3x"}) {
    CAPTURE(prose);
    const std::string begin = std::string(prose).substr(0, 14) + "!";
    CHECK(scrubbed(prose, begin) == begin);
  }
}

TEST_CASE("secrets: an unlucky one costs no more than its length") {
  const std::string slashes(64, '\\');
  const std::string text(1'024, '\\');
  CHECK(scrubbed(slashes, text) == "***");
  CHECK(scrubbed(slashes + "x", text) == text);
  CHECK(scrubbed(std::string(64, '%') + "x", std::string(1'024, '%')) == std::string(1'024, '%'));
}

TEST_CASE("secrets: base64 is masked at every alignment, in both alphabets, with its padding") {
  const std::string secret = "canary?>~hunter22";
  for (const bool url : {false, true}) {
    for (const std::string before : {"", "u", "us", "use", "user:"}) {
      for (const std::string after : {"", "x", "xy", "xyz"}) {
        const std::string encoded = base64(before + secret + after, url);
        const std::string result = scrubbed(secret, "Basic " + encoded + " end");
        CAPTURE(encoded);
        CAPTURE(result);
        CHECK(result.find("***") != std::string::npos);
        // What is left is too short to hold more than a neighbour.
        CHECK(result.size() < std::string("Basic *** end").size() + 13);
        CHECK(result.find(base64(secret, url).substr(4, 8)) == std::string::npos);
      }
    }
  }
  CHECK(scrubbed("hunter", "aHVudGVy") == "***");
  CHECK(scrubbed("hunter2", "aHVudGVyMg==") == "***");
  CHECK(scrubbed("hunter2", "aHVudGVyMg") == "***");
  // A decoded password comes back inside basic authentication.
  CHECK(scrubbed("p%40ssword", base64("user:p@ssword", false)).find("QHNzd29y") ==
        std::string::npos);
}

TEST_CASE("secrets: one of fewer than four bytes shreds no prose") {
  CHECK(scrubbed("pw", "spwan pw: 'pw', pw_x, (pw)") == "spwan pw: 'pw', pw_x, (pw)");
  CHECK(scrubbed("127", "127.0.0.1:1 refused") == "127.0.0.1:1 refused");
  CHECK(scrubbed("%70%77", "pw or %70%77") == "pw or ***");
  CHECK(scrubbed("four", "four") == "***");
}

TEST_CASE("secrets: what is short, or a word of ours, masks its own check's texts alone") {
  const auto pool = std::make_shared<SecretSet>();
  SecretSet mine;
  SecretSet other;
  other.share_with(pool);
  mine.add("postgres");
  mine.add("redis");
  mine.share_with(pool);
  mine.loaded();
  for (const auto* value : {"Localhost", "Bearer replica", "Bearer 127", "websocket", "seven77",
                            "heartbeat", "critical", "connect_timeout", "post%67res"}) {
    CAPTURE(value);
    mine.add(value);
    CHECK(other.scrub(value) == value);
    CHECK(mine.scrub(value).find("***") != std::string::npos);
  }
  CHECK(other.scrub("postgres and redis refused") == "postgres and redis refused");
  CHECK(mine.scrub("role postgres of redis") == "role *** of ***");
  // Of what the whole config holds, a server's token, the same is true.
  pool->add("replica");
  pool->add("long-enough-token");
  CHECK(other.scrub("replica long-enough-token") == "replica ***");
  mine.add("Bearer eight888");
  CHECK(other.scrub("Bearer eight888") == "***");
}

TEST_CASE("secrets: every kind, status, impact, scope and reason is a word of our own") {
  for (const KindSpec* kind : all_kinds()) {
    CAPTURE(kind->name);
    CHECK(is_own_word(kind->name));
  }
  for (const auto word : reason_labels) CHECK(is_own_word(word));
  for (const auto* word : {"pass", "critical", "shared", "REPLICA", "master", "primary"}) {
    CHECK(is_own_word(word));
  }
  CHECK_FALSE(is_own_word("hunter22"));
  CHECK_FALSE(is_own_word(""));
}

TEST_CASE("secrets: rotating ones push out the longest unused, never those of the config") {
  SecretSet secrets;
  secrets.add("from-the-config");
  secrets.loaded();
  secrets.add("rotated-0000");
  for (int i = 1; i <= 200; ++i) {
    secrets.add("rotated-" + std::to_string(10'000 + i));
    secrets.add("rotated-0000");
  }
  CHECK(secrets.scrub("from-the-config") == "***");
  CHECK(secrets.scrub("rotated-0000") == "***");
  CHECK(secrets.scrub("rotated-10200") == "***");
  CHECK(secrets.scrub("rotated-10001") == "rotated-10001");
}

TEST_CASE("secrets: after dropping some the others are found by each of their forms") {
  SecretSet secrets(1);
  secrets.add("Aoldest-one");
  secrets.loaded();
  secrets.add("Brotated-one");
  secrets.add("Crotated-two");
  CHECK(secrets.scrub("Aoldest-one Brotated-one Crotated-two") == "*** Brotated-one ***");
  CHECK(secrets.scrub(base64("Aoldest-one", false) + " " + base64("Crotated-two", true)) ==
        "*** ***");
}

TEST_CASE("secrets: many of the config are all kept") {
  SecretSet secrets;
  for (int i = 0; i < 200; ++i) secrets.add("header-" + std::to_string(1'000 + i));
  CHECK(secrets.scrub("header-1000 header-1199") == "*** ***");
}

TEST_CASE("secrets: those that are shared are taken out as well, later ones too") {
  const auto pool = std::make_shared<SecretSet>();
  SecretSet mine;
  SecretSet other;
  mine.add("mine-before");
  mine.share_with(pool);
  other.share_with(pool);
  CHECK(other.scrub("mine-before") == "***");
  mine.loaded();
  mine.add("mine-later");
  CHECK(other.scrub("x mine-later y") == "x *** y");
  CHECK(other.scrub("x mine-la", SecretSet::Ending::cut) == "x ***");
  const auto next = std::make_shared<SecretSet>();
  next->add("of-a-new-config");
  mine.share_with(next);
  CHECK(mine.scrub("of-a-new-config mine-before") == "*** ***");
  CHECK(other.scrub("of-a-new-config") == "of-a-new-config");
}

TEST_CASE("secrets: adding and scrubbing at the same time is safe") {
  SecretSet secrets;
  secrets.add("always-there");
  secrets.loaded();
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) secrets.add("rotated-" + std::to_string(i));
  });
  bool clean = true;
  for (int i = 0; i < 500; ++i) clean = clean && secrets.scrub("x always-there y") == "x *** y";
  writer.join();
  CHECK(clean);
}

}  // namespace
}  // namespace vitals
