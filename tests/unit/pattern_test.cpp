// Plain values and regexes: what they find, and that hostile text can't make them work for long.
#include "probes/pattern.hpp"

#include <doctest/doctest.h>
#include <chrono>

namespace vitals {
namespace {

Pattern pattern(std::string_view text) { return Pattern::parse(text).value(); }

}  // namespace

TEST_CASE("pattern: a plain value is found anywhere but matches only as a whole") {
  CHECK(pattern("ok").found_in("all ok here"));
  CHECK_FALSE(pattern("ok").found_in("all OK here"));
  CHECK(pattern("ok").matches("ok"));
  CHECK_FALSE(pattern("ok").matches("ok here"));
  CHECK_FALSE(pattern("a.c").found_in("abc"));
}

TEST_CASE("pattern: slashes on both sides make a regex, found anywhere") {
  CHECK(pattern("/^a.c$/").found_in("abc"));
  CHECK(pattern("/json/").matches("application/json; charset=utf-8"));
  CHECK(pattern("/(?i)ready/").found_in("I am READY"));
  CHECK_FALSE(pattern("/^b/").found_in("abc"));
}

TEST_CASE("pattern: one slash or an empty pair is a plain value") {
  CHECK_FALSE(pattern("/").is_regex());
  CHECK_FALSE(pattern("//").is_regex());
  CHECK(pattern("/healthz").found_in("see /healthz"));
}

TEST_CASE("pattern: a regex that does not parse is an error with its place") {
  const auto bad = Pattern::parse("/a(b/");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message.find("missing closing parenthesis") != std::string::npos);
  CHECK(bad.error().message.find("character 4") != std::string::npos);
}

TEST_CASE("pattern: text that is not UTF-8 is searched all the same") {
  CHECK(pattern("/ok/").found_in("\xff\xfe ok \x80"));
}

TEST_CASE("pattern: a text made to blow a regex up ends as no match, quickly") {
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(pattern("/^(a+)+$/").found_in(std::string(4'096, 'a') + "b"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

}  // namespace vitals
