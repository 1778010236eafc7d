// What http answers are judged by: statuses, headers, JSON, and the text quoted from a body.
#include "probes/http_rules.hpp"

#include <doctest/doctest.h>

#include <string>

namespace vitals::http {
namespace {

StatusRanges ranges(const std::vector<std::string>& parts) {
  return StatusRanges::parse(parts).value();
}

std::optional<std::string> json(const std::string& body, const std::string& pointer,
                                const std::string& expected) {
  return json_complaint(body, {parse_json_rule(pointer, expected).value()});
}

std::optional<std::string> header(const std::string& head, const std::string& name,
                                  const std::string& expected) {
  return header_complaint(head, {HeaderRule{name, ValueRule::parse(expected).value()}});
}

}  // namespace

TEST_CASE("http rules: a status passes when one of the ranges has it, ends included") {
  const auto some = ranges({"200-299", " 401 ", "5xx"});
  for (const int yes : {200, 204, 299, 401, 500, 599}) CHECK(some.contains(yes));
  for (const int no : {0, 199, 300, 400, 402, 499, 600}) CHECK_FALSE(some.contains(no));
  CHECK(some.text() == "200-299, 401, 500-599");
}

TEST_CASE("http rules: what is no status range is an error that quotes it") {
  for (const std::string bad : {"", "2", "20x", "99", "1000", "299-200", "200-", "-200", "0xx",
                                "200-299-300", "ok", "+20"}) {
    CAPTURE(bad);
    const auto result = StatusRanges::parse({"200", bad});
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.find("'" + bad + "'") != std::string::npos);
  }
  CHECK_FALSE(StatusRanges::parse({}).ok());
}

TEST_CASE("http rules: header lines are found by name in any case and trimmed") {
  const std::string head = "Content-Type:  text/html \r\nbroken line\r\nX-A: 1\r\nx-a: 2\r\n";
  CHECK(header_lines(head).size() == 3);
  CHECK(find_header(head, "content-TYPE") == "text/html");
  CHECK(find_header(head, "X-A") == "1");
  CHECK_FALSE(find_header(head, "X-B").has_value());
}

TEST_CASE("http rules: an expected header is a whole value or a regex, in any of its lines") {
  const std::string head = "Content-Type: application/json; charset=utf-8\r\nX-A: 1\r\nX-A: 2\r\n";
  CHECK_FALSE(header(head, "content-type", "/json/").has_value());
  CHECK_FALSE(header(head, "X-A", "2").has_value());
  CHECK(header(head, "Content-Type", "application/json") ==
        "header Content-Type: expected application/json, got \"application/json; charset=utf-8\"");
  CHECK(header(head, "X-B", "1") == "header X-B: expected 1, not there");
}

TEST_CASE("http rules: a cookie of the server is never quoted") {
  const auto complaint = header("Set-Cookie: session=canary\r\n", "Set-Cookie", "/theme/");
  REQUIRE(complaint.has_value());
  CHECK(complaint->find("canary") == std::string::npos);
}

TEST_CASE("http rules: a JSON pointer leads to text, numbers, booleans, null and whole values") {
  const std::string body = R"({"status":"ok","n":3,"x":1.50,"up":true,"none":null,"no":"3",
                               "a":[{"b/c":"deep"}],"list":[1,2]})";
  CHECK_FALSE(json(body, "/status", "ok"));
  CHECK_FALSE(json(body, "/status", "/^o/"));
  CHECK_FALSE(json(body, "/n", "3"));
  CHECK_FALSE(json(body, "/n", "3.0"));
  CHECK_FALSE(json(body, "/x", "1.5"));
  CHECK_FALSE(json(body, "/up", "true"));
  CHECK_FALSE(json(body, "/none", "null"));
  CHECK_FALSE(json(body, "/no", "3"));
  CHECK_FALSE(json(body, "/a/0/b~1c", "deep"));
  CHECK_FALSE(json(body, "/list", "[1, 2]"));
  CHECK_FALSE(json("\"ok\"", "", "ok"));
}

TEST_CASE("http rules: what the JSON has instead is said") {
  const std::string body = R"({"status":"down","n":3,"o":{},"l":[1]})";
  CHECK(json(body, "/status", "ok") == "JSON /status: expected ok, got \"down\"");
  CHECK(json(body, "/n", "4") == "JSON /n: expected 4, got 3");
  CHECK(json(body, "/o", "ok") == "JSON /o: expected ok, got an object");
  CHECK(json(body, "/missing", "ok") == "JSON /missing: expected ok, not there");
  CHECK(json(body, "/l/name", "ok") == "JSON /l/name: expected ok, not there");
  CHECK(json(body, "/l/7", "ok") == "JSON /l/7: expected ok, not there");
  CHECK(json(body, "/l/-", "ok") == "JSON /l/-: expected ok, not there");
  CHECK(json("<html>oops</html>", "/status", "ok") == "the body is not JSON: oops");
  CHECK(json("", "/status", "ok") == "the body is not JSON");
  CHECK(json("{\"status\":\"ok\"} trailing", "/status", "ok").has_value());
}

TEST_CASE("http rules: JSON nested too deep is refused, just deep enough is read") {
  const auto nested = [](int depth) {
    const auto count = static_cast<std::size_t>(depth);
    return std::string(count, '[') + "1" + std::string(count, ']');
  };
  CHECK(json(nested(100'000), "/0", "1") == "the body is JSON nested more than 64 deep");
  const auto fine = json(nested(json_depth_max), "", "1");
  REQUIRE(fine.has_value());
  CHECK(fine->find("nested") == std::string::npos);
}

TEST_CASE("http rules: what is no JSON pointer is an error") {
  for (const std::string bad : {"status", "/a~", "/a~2b"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_json_rule(bad, "ok").ok());
  }
  CHECK_FALSE(parse_json_rule("/status", "/(/").ok());
}

TEST_CASE("http rules: the text of an HTML page has no tags, scripts or styles") {
  CHECK(readable_text("\n<html><head><style>p{}</style><script>if (a</b/) x()</script></head>"
                      "<p>Database</p> is down</html>",
                      false)
            .find("Database  is down") != std::string::npos);
  CHECK(readable_text("<script>alert(1)</script>gone", false) == "gone");
  CHECK(readable_text("<script>never closed", false).empty());
  CHECK(readable_text("a < b", false) == "a < b");
  CHECK(readable_text(std::string("\0bin", 4), false).empty());
}

TEST_CASE("http rules: the last word of a cut text is left out, it may be half a secret") {
  CHECK(readable_text("token is canar", true) == "token is");
  CHECK(readable_text("canar", true).empty());
  CHECK(readable_text("token is canary", false) == "token is canary");
}

TEST_CASE("http rules: base64 with its padding, and back") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("user:p\xc3\xa4ss") == "dXNlcjpww6Rzcw==");
  CHECK(base64_decode("dXNlcjpww6Rzcw==") == "user:p\xc3\xa4ss");
  CHECK(base64_decode("Zm8") == "fo");
  CHECK_FALSE(base64_decode("no base64!").has_value());
}

TEST_CASE("http rules: a header value can't bring another line with it") {
  CHECK(is_header_value("Bearer abc"));
  CHECK_FALSE(is_header_value("a\r\nX: b"));
  CHECK_FALSE(is_header_value("a\nb"));
  CHECK_FALSE(is_header_value(std::string_view("a\0b", 3)));
  CHECK(is_token("X-Api_Key"));
  CHECK_FALSE(is_token("X Api"));
  CHECK_FALSE(is_token("X:"));
  CHECK_FALSE(is_token(""));
}

}  // namespace vitals::http
