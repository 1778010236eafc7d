// Stack 4 of contract §12: a WebSocket chat with Redis pub/sub, connection limits and an API over
// HTTPS.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/faults.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/stack.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t chat_port = 8081;
constexpr const char* api_host = "api.chat.test";

struct Chat {
  Machine machine{Providers::addresses({api_host})};
  Providers providers{{api_host}};
  RedisServer redis;
  Stack stack{{.example = "websocket-chat",
               .app = {"chat.py"},
               .environment = {{"REDIS_URL", redis.url()},
                               {"API_URL", std::string("https://") + api_host},
                               {"PORT", std::to_string(chat_port)},
                               {"SSL_CERT_FILE", providers.ca_file().string()}},
               .changes = {{"warn   = 4000", "warn   = 40"}, {"fail   = 5000", "fail   = 80"}}}};

  Chat() {
    REQUIRE(
        stack.turns(
            {.verdict = "pass", .health = 200, .ready = 200, .check = "redis", .status = "pass"},
            90s) == "");
  }
};

/// So many people in the room, through the front door. Says "heard" when a message went through
/// Redis to all of them.
Process crowd(int count) {
  return Process({{"/usr/bin/python3", (source_dir() / "tests/stacks/crowd.py").string(),
                   std::to_string(count), "ws://127.0.0.1:" + std::to_string(front_port) + "/ws"}});
}

bool all_hear(Process& people) {
  return eventually([&] { return people.output().find("heard hello") != std::string::npos; }, 60s);
}

TEST_CASE("stack chat: a real upgrade and a message that goes through Redis") {
  if (!Machine::possible()) return;
  Chat chat;
  for (const std::string check : {"chat", "redis", "connections", "api"}) {
    CAPTURE(check);
    CHECK(chat.stack.turns({.check = check, .status = "pass"}) == "");
  }
  Process people = crowd(5);
  CHECK(all_hear(people));
}

TEST_CASE("stack chat: anybody may see status, uptime and connections at the front door") {
  if (!Machine::possible()) return;
  Chat chat;
  Process people = crowd(5);
  CHECK(all_hear(people));
  const auto seen = [] {
    return nlohmann::json::parse(http(front_port, "/health").body, nullptr, false);
  };
  // A slow answer of the API is a warning for a moment.
  nlohmann::json document;
  CHECK(eventually([&] {
    document = seen();
    return document.is_object() && document.value("connections", 0) >= 5 &&
           document.value("status", "") == "pass";
  }));
  REQUIRE(document.is_object());
  CHECK(document["uptime_seconds"].is_number());
  CHECK(!document.contains("checks"));
}

TEST_CASE("stack chat: Redis is down: degraded, people here still hear each other, and back" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Chat chat;
  put_in([&] { chat.redis.stop(); });
  CHECK(chat.stack.turns({.verdict = "warn",
                          .health = 200,
                          .ready = 200,
                          .check = "redis",
                          .status = "fail",
                          .reason = "refused"}) == "");
  Process people = crowd(1);
  CHECK(eventually([&] { return people.output().find("only here: hello") != std::string::npos; }));
  take_out([&] { chat.redis.start(); });
  CHECK(chat.stack.turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack chat: Redis takes no messages although it answers PING: degraded" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Chat chat;
  put_in([&] { chat.redis.command({"ACL", "SETUSER", "default", "-publish"}); });
  CHECK(chat.stack.turns(
            {.verdict = "warn", .health = 200, .ready = 200, .check = "redis", .status = "fail"}) ==
        "");
  CHECK(chat.redis.command({"PING"}) == "PONG");
  take_out([&] { chat.redis.command({"ACL", "SETUSER", "default", "+publish"}); });
  CHECK(chat.stack.turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack chat: a server that takes TCP but upgrades nobody is out of rotation" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Chat chat;
  put_in([&] { chat.stack.signal_app(SIGSTOP); });
  CHECK(chat.stack.turns({.verdict = "fail",
                          .health = 503,
                          .ready = 503,
                          .check = "chat",
                          .status = "fail",
                          .reason = "timeout"}) == "");
  CHECK(accepts_tcp(chat_port));
  CHECK(http(front_port, "/health/ready").status == 503);
  take_out([&] { chat.stack.signal_app(SIGCONT); });
  CHECK(chat.stack.turns({.verdict = "pass", .health = 200, .ready = 200}) == "");
}

TEST_CASE("stack chat: connections against the soft and the hard limit" * red_without_faults()) {
  if (!Machine::possible()) return;
  Chat chat;
  std::vector<Process> rooms;
  const auto come = [&] {
    rooms.push_back(crowd(50));
    CHECK(all_hear(rooms.back()));
  };
  put_in(come);
  CHECK(chat.stack.turns({.verdict = "warn",
                          .health = 200,
                          .ready = 200,
                          .check = "connections",
                          .status = "warn",
                          .reason = "saturated"}) == "");
  put_in(come);
  CHECK(chat.stack.turns({.verdict = "warn",
                          .health = 200,
                          .ready = 200,
                          .check = "connections",
                          .status = "fail",
                          .reason = "saturated"}) == "");
  CHECK(chat.stack.metric("vitals_connections{check=\"connections\"}") >= 100);
  take_out([&] { rooms.clear(); });
  CHECK(chat.stack.turns({.verdict = "pass", .check = "connections", .status = "pass"}) == "");
}

TEST_CASE("stack chat: the API is down: a warning with its name" * red_without_faults()) {
  if (!Machine::possible()) return;
  Chat chat;
  put_in([&] { chat.providers.set(api_host, "silent"); });
  CHECK(chat.stack.turns({.verdict = "warn",
                          .health = 200,
                          .ready = 200,
                          .check = "api",
                          .status = "fail",
                          .reason = "timeout"}) == "");
  take_out([&] { chat.providers.set(api_host, ""); });
  CHECK(chat.stack.turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack chat: Upstash's REST URL is refused with the reason") {
  const Finished refused = vitals(
      {"validate", "--config", (source_dir() / "examples/websocket-chat/vitals.toml").string()},
      {{"REDIS_URL", "https://eu1-shop.upstash.io"}, {"API_URL", "https://api.example"}});
  CHECK(refused.code == 3);
  CHECK(refused.output.find("REST") != std::string::npos);
}

}  // namespace
}  // namespace vitals::test
