// Where messages begin and end, as tables: what is taken, what is refused, in pieces of any size.
#include "agent/front/framing.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/serve/request_head.hpp"
#include "tests/support/front_player.hpp"

namespace vitals::front {
namespace {

std::string request(std::string_view line, std::string_view fields = {}) {
  return std::string(line) + "\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

RequestFrame framed(const std::string& head) {
  const auto frame = read_request_head(head);
  REQUIRE(frame.ok());
  return frame.value();
}

ResponseFrame answered(const std::string& head, Asked asked = {Method::get, false}) {
  const auto frame = read_response_head(head, asked);
  REQUIRE_MESSAGE(frame.ok(), frame.error().why);
  return frame.value();
}

std::string_view fault_of(const std::string& head, Asked asked = {Method::get, false}) {
  const auto frame = read_response_head(head, asked);
  return frame.ok() ? "" : frame.error().why;
}

/// How a chunked body ends when it arrives `piece` bytes at a time.
struct Chunks {
  std::size_t used = 0;
  bool complete = false;
  bool broken = false;
};
Chunks read_chunks(std::string_view bytes, std::size_t piece,
                   ChunkReader::Strictness strictness = ChunkReader::Strictness::request) {
  ChunkReader reader(strictness);
  Chunks result;
  while (result.used < bytes.size() && !reader.complete() && !reader.fault()) {
    const auto size = reader.feed(bytes.substr(result.used, piece));
    result.used += size;
    if (size == 0) break;
  }
  result.complete = reader.complete();
  result.broken = reader.fault().has_value();
  return result;
}

TEST_SUITE("front framing") {
  TEST_CASE("front framing: a request's body is what its head says") {
    CHECK(framed(request("GET / HTTP/1.1")).body == Body::none);
    CHECK(framed(request("POST / HTTP/1.1", "Content-Length: 0\r\n")).body == Body::none);
    const auto post = framed(request("POST / HTTP/1.1", "content-length:  0042\t\r\n"));
    CHECK(post.body == Body::length);
    CHECK(post.length == 42);
    CHECK(framed(request("PUT / HTTP/1.1", "TRANSFER-ENCODING: Chunked\r\n")).body ==
          Body::chunked);
    CHECK(framed("\r\n" + request("GET /x?y#z HTTP/1.1")).target == "/x?y#z");
    CHECK(framed(request("GET /\xc3\xa4 HTTP/1.1")).target == "/\xc3\xa4");
    CHECK(framed(request("OPTIONS * HTTP/1.1")).method == Method::other);
    CHECK(framed(request("get / HTTP/1.1")).method == Method::other);
    CHECK(framed(request("HEAD http://x/ HTTP/1.1")).method == Method::head);
  }

  TEST_CASE("front framing: what ends a connection, and what asks for another protocol") {
    CHECK_FALSE(framed(request("GET / HTTP/1.1")).last);
    CHECK(framed(request("GET / HTTP/1.1", "Connection: a, Close\r\n")).last);
    CHECK(framed(request("GET / HTTP/1.0")).last);
    CHECK_FALSE(framed(request("GET / HTTP/1.0", "Connection: keep-alive\r\n")).last);
    const auto* const upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    CHECK(framed(request("GET / HTTP/1.1", upgrade)).upgrades);
    CHECK_FALSE(framed(request("GET / HTTP/1.1", "Upgrade: websocket\r\n")).upgrades);
    CHECK_FALSE(framed(request("GET / HTTP/1.0", upgrade)).upgrades);
  }

  TEST_CASE("front framing: an answer's body depends on the request and the status") {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    CHECK(answered(ok + "\r\n").body == Body::until_close);
    CHECK(answered(ok + "\r\n").last);
    CHECK(answered(ok + "Content-Length: 7\r\n\r\n").length == 7);
    CHECK(answered(ok + "Content-Length: 7, 7\r\nContent-Length: 7\r\n\r\n").length == 7);
    CHECK(answered(ok + "Content-Length: 7\r\n\r\n", {Method::head, false}).body == Body::none);
    CHECK(answered(ok + "Transfer-Encoding: chunked\r\n\r\n").body == Body::chunked);
    CHECK(answered(ok + "Transfer-Encoding: gzip, chunked\r\n\r\n").body == Body::chunked);
    CHECK(answered(ok + "Transfer-Encoding: gzip\r\n\r\n").body == Body::until_close);
    CHECK(answered("HTTP/1.1 204\r\nContent-Length: 7\r\n\r\n").body == Body::none);
    CHECK(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n").body == Body::none);
    CHECK(answered("HTTP/1.1 100 Continue\r\n\r\n").interim);
    CHECK(answered("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").interim);
    CHECK(answered("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").last);
    CHECK_FALSE(
        answered("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n").last);
    CHECK(answered("HTTP/1.1 101 Go\r\n\r\n", {Method::get, true}).switched);
    CHECK(answered("HTTP/1.1 200 OK\r\n\r\n", {Method::connect, false}).switched);
    CHECK_FALSE(answered("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", {Method::connect, false})
                    .switched);
    CHECK(answered("HTTP/1.1 200 OK\nContent-Length: 3\n\n").length == 3);
    CHECK(answered("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 3\r\n\r\n").length == 3);
  }

  TEST_CASE("front framing: an answer that two clients could frame differently is refused") {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    CHECK(fault_of(ok + "Content-Length: 7\r\nContent-Length: 8\r\n\r\n") != "");
    CHECK(fault_of(ok + "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n") != "");
    CHECK(fault_of(ok + "Transfer-Encoding: chunked, gzip\r\n\r\n") != "");
    CHECK(fault_of(ok + "Content-Length : 7\r\n\r\n") != "");
    CHECK(fault_of(ok + "Content-Length: 7x\r\n\r\n") != "");
    CHECK(fault_of(ok + "Content-Length:\r\n 7\r\n\r\n") != "");
    CHECK(fault_of("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") != "");
    CHECK(fault_of("HTTP/1.1 101 Go\r\n\r\n") != "");
    for (const std::string line :
         {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1 2x0 OK",
          "HTTP/1.1 099 OK", "HTTP/2 200 OK", "ICY 200 OK", "HTTP/1.1  200 OK"}) {
      CAPTURE(line);
      CHECK(fault_of(line + "\r\n\r\n") != "");
    }
  }

  TEST_CASE("front framing: a head is found wherever the pieces are cut") {
    const std::string head = "\r\n" + request("GET / HTTP/1.1", "A: b\r\n");
    for (std::size_t piece = 1; piece <= head.size(); ++piece) {
      HeadFinder finder(LineEnds::strict);
      for (std::size_t end = std::min(piece, head.size());;
           end = std::min(end + piece, head.size())) {
        const auto found = finder.find(std::string_view(head).substr(0, end));
        REQUIRE(found.ok());
        CHECK(found.value() == (end == head.size() ? head.size() : 0));
        if (end == head.size()) break;
      }
    }
  }

  TEST_CASE("front framing: bytes of another protocol are refused before a line ends") {
    for (const auto line_ends : {LineEnds::strict, LineEnds::lenient}) {
      HeadFinder finder(line_ends);
      CHECK_FALSE(finder.find(std::string_view("\x01\x02 binary")).ok());
    }
    HeadFinder greeting(LineEnds::lenient);
    CHECK_FALSE(greeting.find("SSH-2.0-OpenSSH_9\r\n").ok());
    HeadFinder answer(LineEnds::lenient);
    CHECK(answer.find("HTTP").value() == 0);
    CHECK_FALSE(answer.find("HTTP/2 ").ok());
  }

  TEST_CASE("front framing: the first bytes tell protocols that are not for us") {
    const std::string http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const std::string proxy2("\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
    const std::vector<std::pair<std::string, Opening>> rows{
        {http2 + "more", Opening::http2},
        {http2.substr(0, 23), Opening::undecided},
        {"PRI * HTTP/1.1", Opening::http},
        {"P", Opening::undecided},
        {"PO", Opening::http},
        {"PROXY TCP4 1.2.3.4", Opening::proxy_protocol},
        {"PROXY TCP6 ::1", Opening::proxy_protocol},
        {"PROXY UNKNOWN\r\n", Opening::proxy_protocol},
        {"PROXY /x HTTP/1.1", Opening::http},
        {proxy2, Opening::proxy_protocol},
        {"\r\n\r\n", Opening::undecided},
        {"\r\nG", Opening::http},
        {"\x16\x03\x01", Opening::tls},
        {"\x16", Opening::undecided},
        {"\x16\x04", Opening::http},
        {"GET / HTTP/1.1", Opening::http},
    };
    for (const auto& [bytes, opening] : rows) {
      CAPTURE(bytes);
      CHECK(opening_of(bytes) == opening);
    }
  }

  TEST_CASE("front framing: chunks with extensions and trailers end where they end") {
    const std::string body =
        "5\r\nhello\r\n00A;name=value;q=\"a b\"\r\n0123456789\r\n0;last\r\nA: b\r\nC-D:\r\n\r\n";
    const std::string all = body + "GET /next";
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
      const auto result = read_chunks(all, piece);
      CHECK(result.complete);
      CHECK(result.used == body.size());
    }
    CHECK(read_chunks("1 \r\na\r\n0\r\n\r\n", 99, ChunkReader::Strictness::response).complete);
    CHECK(read_chunks("1 \r\na\r\n0\r\n\r\n", 99).broken);
  }

  TEST_CASE("front framing: data of a chunk can pass unseen, its ends can't") {
    ChunkReader reader(ChunkReader::Strictness::request);
    CHECK(reader.data_left() == 0);
    CHECK(reader.feed("64\r\nabc") == 7);
    CHECK(reader.data_left() == 97);
    reader.skip(97);
    CHECK(reader.data_left() == 0);
    CHECK(reader.feed("\r\n0\r\n\r\n") == 7);
    CHECK(reader.complete());
  }

  TEST_CASE("front framing: what both of our parsers take, they frame alike") {
    std::vector<std::string> heads{request("GET / HTTP/1.1"),
                                   request("POST / HTTP/1.1", "Content-Length: 17\r\n"),
                                   request("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n"),
                                   request("GET / HTTP/1.0", "Connection: keep-alive\r\n")};
    for (const auto& entry : test::smuggling_corpus()) {
      const auto end = entry.bytes.find("\r\n\r\n");
      if (end != std::string::npos) heads.push_back(entry.bytes.substr(0, end + 4));
    }
    int both = 0;
    for (const auto& head : heads) {
      CAPTURE(head.substr(0, 200));
      if (head.starts_with("\r\n") || head.starts_with("\n")) continue;
      const auto ours = read_request_head(head);
      const auto theirs = http::parse_head(head);
      if (!ours || !theirs) continue;
      ++both;
      CHECK((ours.value().body == Body::chunked) == theirs.value().chunked);
      CHECK(ours.value().length == theirs.value().content_length);
      CHECK(ours.value().last == !theirs.value().keep_alive);
    }
    CHECK(both >= 4);
  }
}

}  // namespace
}  // namespace vitals::front
