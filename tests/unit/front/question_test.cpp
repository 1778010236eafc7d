// The paths that the front door answers, and its answers word by word.
#include "agent/front/question.hpp"

#include <doctest/doctest.h>

#include <string>

namespace vitals::front {
namespace {

std::optional<Question> asked(const std::string& line, const std::string& fields = {}) {
  const std::string head = line + "\r\nHost: x\r\n" + fields + "\r\n";
  const auto frame = read_request_head(head);
  REQUIRE(frame.ok());
  return question_of(frame.value());
}

int status_of(const Question& question, const Verdicts& verdicts) {
  return std::stoi(answer_of(question, {verdicts, 0, 0}).substr(9, 3));
}

TEST_SUITE("front question") {
  TEST_CASE("front question: GET and HEAD of four paths are ours, with any query") {
    CHECK(asked("GET /health HTTP/1.1")->view == View::health);
    CHECK(asked("GET /health/ready HTTP/1.1")->view == View::ready);
    CHECK(asked("HEAD /health/live?a=b HTTP/1.1")->view == View::live);
    CHECK(asked("GET /health/startup? HTTP/1.1")->view == View::startup);
    CHECK(asked("HEAD /health HTTP/1.1")->head);
  }

  TEST_CASE("front question: everything else is the app's") {
    for (const std::string line :
         {"POST /health HTTP/1.1", "OPTIONS /health HTTP/1.1", "GET /healthz HTTP/1.1",
          "GET /health/ HTTP/1.1", "GET /Health HTTP/1.1", "GET /health/check/db HTTP/1.1",
          "GET //health HTTP/1.1", "GET /%68ealth HTTP/1.1", "GET / HTTP/1.1",
          "GET /metrics HTTP/1.1", "GET http://x/health HTTP/1.1", "GET /x?/health HTTP/1.1"}) {
      CAPTURE(line);
      CHECK_FALSE(asked(line).has_value());
    }
  }

  TEST_CASE("front question: the connection ends after a question with a body, or when asked to") {
    CHECK_FALSE(asked("GET /health HTTP/1.1")->close);
    CHECK(asked("GET /health HTTP/1.1", "Connection: close\r\n")->close);
    CHECK(asked("GET /health HTTP/1.0")->close);
    CHECK(asked("GET /health HTTP/1.1", "Content-Length: 3\r\n")->close);
    CHECK(asked("GET /health HTTP/1.1", "Transfer-Encoding: chunked\r\n")->close);
  }

  TEST_CASE("front question: 200 for pass and warn, 503 for fail, by view") {
    const Verdicts well{Status::pass, true, true, true, false};
    const Verdicts warned{Status::warn, true, true, true, false};
    const Verdicts silent;
    for (const View view : {View::health, View::ready, View::live, View::startup}) {
      CHECK(status_of({view}, well) == 200);
      CHECK(status_of({view}, warned) == 200);
      CHECK(status_of({view}, silent) == 503);
    }
    CHECK(status_of({View::ready}, {Status::pass, false, true, true, false}) == 503);
    CHECK(status_of({View::live}, {Status::pass, true, false, true, false}) == 503);
    CHECK(status_of({View::startup}, {Status::pass, true, true, false, false}) == 503);
    CHECK(status_of({View::health}, {Status::unknown, true, true, true, false}) == 503);
  }

  TEST_CASE("front question: ?fail= works as on the agent's own listener") {
    const Verdicts warned{Status::warn, true, true, true, false};
    CHECK(status_of(*asked("GET /health?fail=any HTTP/1.1"), warned) == 503);
    CHECK(status_of(*asked("GET /health?a&fail=any HTTP/1.1"), {Status::pass}) == 200);
    CHECK(status_of(*asked("GET /health?fail=never HTTP/1.1"), {}) == 200);
    CHECK(status_of(*asked("GET /health/ready?fail=never HTTP/1.1"), {}) == 200);
    CHECK(status_of(*asked("GET /health/live?fail=never HTTP/1.1"), {}) == 503);
    CHECK(status_of(*asked("GET /health?fail=x HTTP/1.1"), warned) == 200);
  }

  TEST_CASE("front question: the answer has status, uptime and connections, and no names") {
    const Facts facts{{Status::warn, true, true, true, false}, 8123, 17};
    CHECK(answer_of({View::health}, facts) ==
          "HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\nCache-Control: no-store\r\n"
          "Content-Length: 70\r\nConnection: keep-alive\r\n\r\n"
          "{\n  \"status\": \"warn\",\n  \"uptime_seconds\": 8123,\n  \"connections\": 17\n}\n");
    const auto head = answer_of({View::health, FailOn::fail, true, true}, {});
    CHECK(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK(head.find("\r\nRetry-After: ") != std::string::npos);
    CHECK(head.ends_with("\r\nConnection: close\r\n\r\n"));
  }

  TEST_CASE("front question: a refusal says why and closes") {
    CHECK(refusal(400, "more than one Host") ==
          "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "Cache-Control: no-store\r\nContent-Length: 19\r\nConnection: close\r\n\r\n"
          "more than one Host\n");
  }
}

}  // namespace
}  // namespace vitals::front
