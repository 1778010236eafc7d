// Which bytes go to the app, which are questions for the front door, and which end the connection.
#include "agent/front/conversation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/front_player.hpp"

namespace vitals::front {
namespace {

using test::play;
using test::Played;

const std::string get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string health = "GET /health?x=1 HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::string post(const std::string& body) {
  return "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string chunked(const std::string& chunks) {
  return "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks;
}

/// Forwards all of it, or the test fails.
void tell(Conversation& talk, std::string_view bytes) {
  while (!bytes.empty()) {
    const Step step = talk.from_client(bytes);
    REQUIRE(step.act == Step::Act::forward);
    bytes.remove_prefix(step.size);
  }
}
void reply(Conversation& talk, std::string_view bytes) {
  while (!bytes.empty()) {
    const Step step = talk.from_app(bytes);
    REQUIRE_MESSAGE(step.act == Step::Act::forward, step.why);
    bytes.remove_prefix(step.size);
  }
}

TEST_SUITE("front conversation") {
  TEST_CASE("front conversation: nothing of the corpus is two requests, however it is cut") {
    for (const auto& entry : test::smuggling_corpus()) {
      CAPTURE(entry.name);
      const Played whole = play(entry.bytes);
      CHECK(whole.refused != "");
      CHECK(whole.requests.size() <= 1);
      CHECK(whole.forwarded.find("/hidden") == std::string::npos);
      // What was forwarded is a head whose body broke, and never a body that was complete.
      if (!whole.forwarded.empty()) CHECK(entry.bytes.starts_with(whole.forwarded));
      if (entry.bytes.size() > 4'096) continue;
      for (std::size_t piece = 1; piece < entry.bytes.size(); ++piece) {
        const Played cut = play(entry.bytes, piece);
        CHECK(cut.refused != "");
        CHECK(cut.forwarded == whole.forwarded);
      }
    }
  }

  TEST_CASE("front conversation: well-formed requests pass byte for byte, however they are cut") {
    const std::string all = get + post("GET /health HTTP/1.1\r\nHost: x\r\n\r\n") + "\r\n" +
                            chunked("4;a=b\r\nGET \r\n0\r\nT: v\r\n\r\n") + get;
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
      const Played played = play(all, piece);
      CHECK(played.refused == "");
      CHECK(played.asked == 0);
      CHECK(played.forwarded == all);
      CHECK(played.requests.size() == 4);
    }
  }

  TEST_CASE("front conversation: questions are taken out wherever a request may begin") {
    const std::string all = health + get + health + post("x") + health;
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
      const Played played = play(all, piece);
      CHECK(played.asked == 3);
      CHECK(played.forwarded == get + post("x"));
    }
  }

  TEST_CASE("front conversation: a question waits until the answer before it is whole") {
    Conversation talk;
    tell(talk, get);
    CHECK(talk.from_client(health).act == Step::Act::wait);
    CHECK(talk.in_flight());
    reply(talk, std::string_view(ok).substr(0, ok.size() - 1));
    CHECK(talk.from_client(health).act == Step::Act::wait);
    reply(talk, "k");
    CHECK_FALSE(talk.in_flight());
    CHECK(talk.from_client(health).act == Step::Act::ask);
  }

  TEST_CASE("front conversation: interim answers leave the request open") {
    Conversation talk;
    tell(talk, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    reply(talk, "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(talk.in_flight());
    CHECK(talk.take_status() == std::nullopt);
    tell(talk, "ab");
    reply(talk, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok);
    CHECK(talk.take_status() == 200);
    CHECK_FALSE(talk.in_flight());
  }

  TEST_CASE("front conversation: an early answer does not let the next request in") {
    Conversation talk;
    tell(talk, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    reply(talk, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    CHECK(talk.from_app(ok).act == Step::Act::refuse);
    const Step rest = talk.from_client("cd" + get);
    CHECK(rest.act == Step::Act::forward);
    CHECK(rest.size == 2);
    tell(talk, get);
    reply(talk, ok);
  }

  TEST_CASE("front conversation: an answer that nobody asked for ends it") {
    Conversation talk;
    CHECK(talk.from_app(ok).act == Step::Act::refuse);
    Conversation twice;
    tell(twice, get);
    reply(twice, ok);
    CHECK(twice.from_app(ok).act == Step::Act::refuse);
  }

  TEST_CASE("front conversation: HEAD, 204 and 304 have no body, whatever their length says") {
    for (const std::string status : {"204 No Content", "304 Not Modified"}) {
      Conversation talk;
      tell(talk, get);
      reply(talk, "HTTP/1.1 " + status + "\r\nContent-Length: 9\r\n\r\n");
      CHECK_FALSE(talk.in_flight());
    }
    Conversation talk;
    tell(talk, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    reply(talk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK(talk.from_client(health).act == Step::Act::ask);
  }

  TEST_CASE("front conversation: 101 steps aside for good, and only when it was asked for") {
    const std::string upgrade =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const std::string switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    Conversation talk;
    tell(talk, upgrade);
    CHECK(talk.from_client(health).act == Step::Act::wait);
    reply(talk, switching + "frames");
    CHECK(talk.tunnel());
    CHECK_FALSE(talk.in_flight());
    tell(talk, health);
    Conversation refused;
    tell(refused, upgrade);
    reply(refused, ok);
    CHECK_FALSE(refused.tunnel());
    CHECK(refused.from_client(health).act == Step::Act::ask);
    Conversation unasked;
    tell(unasked, get);
    CHECK(unasked.from_app(switching).act == Step::Act::refuse);
  }

  TEST_CASE("front conversation: CONNECT is a tunnel once the app says 2xx") {
    const std::string connect = "CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n";
    Conversation talk;
    tell(talk, connect);
    reply(talk, "HTTP/1.1 200 Connected\r\n\r\n");
    CHECK(talk.tunnel());
    Conversation denied;
    tell(denied, connect);
    reply(denied, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    CHECK_FALSE(denied.tunnel());
    CHECK(denied.from_client(health).act == Step::Act::ask);
  }

  TEST_CASE("front conversation: HTTP/2, the PROXY protocol and TLS are tunnels from the start") {
    const std::string proxy2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0", 16);
    const std::vector<std::string> openings{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes",
                                            "PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n",
                                            "PROXY UNKNOWN\r\n", proxy2, "\x16\x03\x01hello"};
    for (const auto& bytes : openings) {
      for (const std::size_t piece : {1, 3, 100}) {
        const Played played = play(bytes + health, piece);
        CHECK(played.tunnel);
        CHECK(played.forwarded == bytes + health);
        CHECK(played.asked == 0);
      }
    }
    // Later in the connection it is a request like any other, and a bad one.
    CHECK(play(get + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").refused != "");
  }

  TEST_CASE("front conversation: nothing follows the last request") {
    const std::string last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    CHECK(play(last + get + health).forwarded == last);
    CHECK(play(last + get + health).asked == 0);
    const std::string closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    CHECK(play(get + get, std::string::npos, closing).forwarded == get);
    const std::string closed_health = "HEAD /health HTTP/1.0\r\n\r\n";
    CHECK(play(closed_health + get).asked == 1);
    CHECK(play(closed_health + get).forwarded == "");
  }

  TEST_CASE("front conversation: an answer without a length lasts until the app ends") {
    Conversation talk;
    tell(talk, get);
    reply(talk, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n");
    CHECK(talk.in_flight());
    CHECK(talk.blind_down() == Conversation::endless);
    talk.app_ended();
    CHECK_FALSE(talk.in_flight());
  }

  TEST_CASE("front conversation: bulk may pass unseen, and its end is where the head said") {
    Conversation talk;
    CHECK(talk.blind_up() == 0);
    tell(talk, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab");
    CHECK(talk.blind_up() == 998);
    talk.passed_up(998);
    CHECK(talk.blind_up() == 0);
    CHECK(talk.from_client(health).act == Step::Act::wait);
    reply(talk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n");
    CHECK(talk.blind_down() == 100);
    talk.passed_down(100);
    CHECK(talk.from_app("x").act == Step::Act::refuse);
  }
}

}  // namespace
}  // namespace vitals::front
