// Bodies by length and by chunks, whole and in pieces, and what is refused.
#include "agent/serve/request_body.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace vitals;
using http::BodyReader;

namespace {

http::RequestHead chunked() {
  http::RequestHead head;
  head.chunked = true;
  return head;
}

http::RequestHead sized(std::size_t length) {
  http::RequestHead head;
  head.content_length = length;
  return head;
}

struct Outcome {
  int status = 0;  // 0: complete; -1: more
  std::string body;
  std::size_t left = 0;
};

Outcome read(const http::RequestHead& head, std::string_view bytes, std::size_t piece = 100'000) {
  BodyReader reader(head, 1'024);
  std::size_t taken = 0;
  while (reader.state() == BodyReader::State::more && taken < bytes.size()) {
    taken += reader.feed(bytes.substr(taken, piece));
  }
  if (reader.state() == BodyReader::State::rejected) return {reader.rejection().status, {}, 0};
  if (reader.state() == BodyReader::State::more) return {-1, {}, 0};
  return {0, reader.take(), bytes.size() - taken};
}

}  // namespace

TEST_CASE("body: a length takes as many bytes and leaves the next request alone") {
  const auto got = read(sized(5), "helloGET / HTTP/1.1");
  CHECK(got.status == 0);
  CHECK(got.body == "hello");
  CHECK(got.left == 14);
  CHECK(read(sized(5), "hell").status == -1);
  CHECK(read(sized(0), "x").left == 1);
}

TEST_CASE("body: 1 KiB is taken, one byte more is 413") {
  CHECK(read(sized(1'024), std::string(1'024, 'a')).body.size() == 1'024);
  CHECK(read(sized(1'025), "").status == 413);
  CHECK(read(chunked(), "400\r\n" + std::string(1'024, 'a') + "\r\n0\r\n\r\n").body.size() ==
        1'024);
  CHECK(read(chunked(), "401\r\n").status == 413);
  CHECK(read(chunked(), "400\r\n" + std::string(1'024, 'a') + "\r\n1\r\na").status == 413);
  CHECK(read(chunked(), "ffffffffffffffffffffffff\r\n").status == 413);
}

TEST_CASE("body: chunks are joined, whatever the pieces they come in") {
  const std::string bytes =
      "5;ext=\"1\"\r\nhello\r\n001\r\n \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\nGET";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 1'000U}) {
    const auto got = read(chunked(), bytes, piece);
    CHECK(got.status == 0);
    CHECK(got.body == "hello world");
    CHECK(got.left == 3);
  }
}

TEST_CASE("body: bad chunk framing is 400, endless framing 413") {
  const std::vector<std::string> rows{
      "x\r\n", "\r\n",    "-1\r\n",     "1\nx\r\n", "1 \r\nx\r\n",   "1\r\nxx\r\n",     "1\r\nx\n",
      "1\rx",  "0x1\r\n", "1;a\nb\r\n", "0\r\n\n",  "0\r\nA: b\n\n", "0\r\nA: b\r\r\n",
  };
  for (const auto& row : rows) {
    CAPTURE(row);
    CHECK(read(chunked(), row).status == 400);
    CHECK(read(chunked(), row, 1).status == 400);
  }
  CHECK(read(chunked(), "1;" + std::string(10'000, 'a')).status == 413);
  CHECK(read(chunked(), "0\r\nA: " + std::string(10'000, 'a')).status == 413);
  CHECK(read(chunked(), std::string(10'000, '0')).status == 413);
}
