// What counts as another Machine's answer, and what it says.
#include "agent/fleet/peer_answer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/serve/report.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::fleet {
namespace {

constexpr const char* date = "Thu, 18 Dec 2025 00:20:31 GMT";

std::string document(const std::string& status, const std::string& entry) {
  return R"({"status": ")" + status +
         R"(", "checks": {"db:responseTime": [{"componentId": "db", )" + entry + "}]}}";
}

std::optional<PeerAnswer> read(int status, const std::string& body, const char* when = date) {
  return read_peer_answer({status, when, body}, "db");
}

TEST_CASE("peers: only 200 and 503 with a status are answers") {
  const std::string body = R"({"status":"pass"})";
  CHECK(read(200, body));
  CHECK(read(503, R"({"status":"fail"})"));
  for (const int code : {0, 204, 301, 403, 404, 500}) CHECK_FALSE(read(code, body));
  for (const char* odd : {"", "ok", "[]", "null", "{", R"({"status":1})", R"({"status":"up"})",
                          R"({"state":"pass"})", R"({"status":"unknown"})", "<html>200</html>"}) {
    CAPTURE(odd);
    CHECK_FALSE(read(200, odd));
  }
}

TEST_CASE("peers: with hidden details the status alone counts") {
  CHECK(read(503, R"({"status":"fail"})")->fails);
  CHECK_FALSE(read(200, R"({"status":"warn"})")->fails);
  CHECK_FALSE(read(200, R"({"status":"pass"})")->attempt);
}

TEST_CASE("peers: the age of the latest attempt is what their own two clocks say, to the second") {
  const auto answer =
      read(200, document("pass", R"("time": "2025-12-18T00:20:01Z", "failures_in_a_row": 0)"));
  REQUIRE(answer);
  REQUIRE(answer->attempt);
  CHECK(answer->attempt->least == std::chrono::seconds(29));
  CHECK(answer->attempt->most == std::chrono::seconds(31));
}

TEST_CASE("peers: dates that say nothing are left out") {
  const std::string body = document("pass", R"("time": "2025-12-18T00:20:01Z")");
  for (const char* odd : {"", "yesterday", "Thu, 18 Dec 2025 00:20:31 GMT and more"}) {
    CAPTURE(odd);
    REQUIRE(read(200, body, odd));
    CHECK_FALSE(read(200, body, odd)->attempt);
  }
  const auto later = read(200, document("pass", R"("time": "2031-01-01T00:00:00Z")"));
  REQUIRE(later->attempt);
  CHECK(later->attempt->least == Elapsed(0));
  CHECK_FALSE(read(200, document("pass", R"("time": 5)"))->attempt);
}

TEST_CASE("peers: a streak of failures is a failure that has not turned the status yet") {
  CHECK(read(200, document("pass", R"("failures_in_a_row": 1)"))->fails);
  CHECK_FALSE(read(200, document("pass", R"("failures_in_a_row": 0)"))->fails);
  CHECK_FALSE(read(200, document("pass", R"("failures_in_a_row": "many")"))->fails);
}

TEST_CASE("peers: what they do not know themselves is no answer") {
  CHECK_FALSE(read(503, document("fail", R"("reason": "stale")")));
  CHECK(read(503, document("fail", R"("reason": "refused")")));
  CHECK_FALSE(read_peer_answer({200, date, document("pass", R"("time": "")")}, "cache"));
}

TEST_CASE("peers: the header tells to the millisecond, hidden or not, and wins over the dates") {
  const auto told = [](const std::string& body, std::string_view header) {
    return read_peer_answer({200, date, body, header}, "db");
  };
  const std::string shown = document("pass", R"("time": "2025-12-18T00:20:21Z")");
  for (const std::string& body : {shown, std::string(R"({"status":"pass"})")}) {
    CAPTURE(body);
    const auto passes = told(body, "pass; began_ms=1203; ended_ms=1199");
    REQUIRE(passes);
    CHECK_FALSE(passes->fails);
    REQUIRE(passes->attempt);
    CHECK(passes->attempt->most == Duration(1'203));
    CHECK(passes->attempt->least == Duration(1'199));
    CHECK(told(body, "fail; began_ms=3; ended_ms=1")->fails);
    CHECK_FALSE(told(body, "none")->fails);
    CHECK_FALSE(told(body, "none")->attempt);
    CHECK(told(body, "none")->none);
    CHECK_FALSE(passes->none);
  }
  CHECK(told(shown, "pass; began_ms=odd")->attempt->most == std::chrono::seconds(11));
  // What cannot be read says nothing.
  CHECK_FALSE(told(R"({"status":"pass"})", "pass; began_ms=odd")->none);
  CHECK_FALSE(told(R"({"status":"pass"})", "")->none);
}

TEST_CASE("peers: our own documents are answers, shown or hidden") {
  const Snapshot snapshot = test::failing_snapshot();
  const Instant now = test::at(test::present);
  const Judgement judgement = judge(snapshot, now.mono);
  const auto answer = [&](std::string_view check, bool details) {
    const auto body = render_json(
        snapshot, judgement, {.view = View::check, .check = check, .details = details}, {}, now);
    return read_peer_answer({200, "Thu, 18 Dec 2025 00:20:01 GMT", body}, check);
  };
  for (const bool details : {true, false}) {
    CAPTURE(details);
    REQUIRE(answer("db", details));
    CHECK(answer("db", details)->fails);
    REQUIRE(answer("cache", details));
    CHECK_FALSE(answer("cache", details)->fails);
    CHECK(answer("cache", details)->attempt.has_value() == details);
  }
}

}  // namespace
}  // namespace vitals::fleet
