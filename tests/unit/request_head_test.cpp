// Heads that are taken, and every way in which one is refused.
#include "agent/serve/request_head.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace vitals;
using http::HeadLimits;
using http::HeadScanner;
using http::RequestHead;

namespace {

struct Outcome {
  int status = 0;  // 0: taken; -1: more bytes are wanted
  RequestHead head;
};

Outcome read(const std::string& bytes, std::size_t piece = std::string::npos) {
  HeadScanner scanner;
  for (std::size_t size = std::min(piece, bytes.size());; size += piece) {
    size = std::min(size, bytes.size());
    const auto seen = std::string_view(bytes).substr(0, size);
    const auto state = scanner.scan(seen, HeadLimits{});
    if (state == HeadScanner::State::rejected) return {scanner.rejection().status, {}};
    if (state == HeadScanner::State::complete) {
      auto head = http::parse_head(seen.substr(scanner.begin(), scanner.end() - scanner.begin()));
      if (!head) return {head.error().status, {}};
      return {0, std::move(head).value()};
    }
    if (size == bytes.size()) return {-1, {}};
    if (piece == std::string::npos) return {-1, {}};
  }
}

std::string with(const std::string& header) {
  return "GET /health HTTP/1.1\r\nHost: a\r\n" + header + "\r\n\r\n";
}

}  // namespace

TEST_CASE("head: a plain request is taken as it was sent") {
  const auto got = read("GET /health/ready?fail=any HTTP/1.1\r\nHost: a:9100\r\n\r\n");
  REQUIRE(got.status == 0);
  CHECK(got.head.method == "GET");
  CHECK(got.head.target == "/health/ready?fail=any");
  CHECK(got.head.keep_alive);
  CHECK_FALSE(got.head.http_1_0);
  CHECK_FALSE(got.head.forwarded);
  CHECK(got.head.accept.empty());
  CHECK(got.head.content_length == 0);
}

TEST_CASE("head: what could be read in two ways, or not at all, is refused with its code") {
  struct Row {
    const char* what;
    std::string bytes;
    int status;
  };
  const std::vector<Row> rows{
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
      {"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"LF alone at the start", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"bare CR in a value", with("A: b\rc"), 400},
      {"CR CR LF", with("A: b\r"), 400},
      {"NUL in a value", with(std::string("A: b\0c", 6)), 400},
      {"NUL in the target", std::string("GET /\0 HTTP/1.1\r\n", 17), 400},
      {"NUL in an unfinished head", std::string("GET /he\0", 8), 400},
      {"a control character in a value", with("A: b\x01"), 400},
      {"DEL in a value", with("A: b\x7f"), 400},
      {"space before the colon", with("Content-Length : 0"), 400},
      {"tab before the colon", with("Transfer-Encoding\t: chunked"), 400},
      {"an empty name", with(": a"), 400},
      {"no colon", with("nonsense"), 400},
      {"a folded line", with("A: b\r\n c"), 400},
      {"a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"obs-text in a name", with("H\xc3\xb6st: a"), 400},
      {"no Host in HTTP/1.1", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", with("Host: b"), 400},
      {"two equal Hosts", with("Host: a"), 400},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"two differing lengths", with("Content-Length: 1\r\nContent-Length: 2"), 400},
      {"two equal lengths", with("Content-Length: 1\r\nContent-Length: 1"), 400},
      {"a list of lengths", with("Content-Length: 1, 1"), 400},
      {"a signed length", with("Content-Length: +1"), 400},
      {"a negative length", with("Content-Length: -1"), 400},
      {"a hexadecimal length", with("Content-Length: 0x1"), 400},
      {"an empty length", with("Content-Length:"), 400},
      {"length and encoding", with("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
      {"encoding and length", with("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
      {"zero length and encoding", with("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400},
      {"two encodings", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
      {"a list of encodings", with("Transfer-Encoding: gzip, chunked"), 400},
      {"chunked that is none", with("Transfer-Encoding: xchunked"), 400},
      {"identity", with("Transfer-Encoding: identity"), 400},
      {"encoding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"a method that is no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"raw bytes in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a relative target", "GET health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another scheme", "GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a scheme without host", "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n", 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400},
      {"lower case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"a blank after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
      {"the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"a TLS hello", std::string("\x16\x03\x01\x02\x00\x01", 6), 400},
      {"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an expectation nobody knows", with("Expect: the-worst"), 417},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(read(row.bytes).status == row.status);
    // The same when the bytes come one by one: pieces must not change the meaning.
    CHECK(read(row.bytes, 1).status == row.status);
  }
}

TEST_CASE("head: what looks odd and has one meaning is taken") {
  const std::vector<std::string> rows{
      "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "BREW /pot HTTP/1.1\r\nHost:\r\n\r\n",
      "GET /%00%zz HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET //?a=b&c HTTP/1.1\r\nhOsT:a\r\n\r\n",
      with("A:\tb\t \t"),
      with("A: \xc3\xa9"),
      with("Accept: ;;;,,q=x"),
      with("Range: bytes=5-1"),
      with("Content-Length: 0"),
      with("Transfer-Encoding: Chunked"),
  };
  for (const auto& row : rows) {
    CAPTURE(row);
    CHECK(read(row).status == 0);
    CHECK(read(row, 1).status == 0);
  }
}

TEST_CASE("head: request line and headers are taken up to their limit and refused one byte above") {
  const auto line = [](std::size_t size) {
    const std::string rest = "GET / HTTP/1.1";
    return "GET /" + std::string(size - rest.size(), 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  CHECK(read(line(4'096)).status == 0);
  CHECK(read(line(4'097)).status == 414);
  CHECK(read(line(4'097), 100).status == 414);
  CHECK(read(std::string(4'097, 'a')).status == -1);
  CHECK(read(std::string(4'098, 'a')).status == 414);

  const auto headers = [](std::size_t size) {
    const std::string first = "Host: a\r\n";
    return "GET / HTTP/1.1\r\n" + first + "A:" + std::string(size - first.size() - 4, 'a') +
           "\r\n\r\n";
  };
  CHECK(read(headers(8'192)).status == 0);
  CHECK(read(headers(8'193)).status == 431);
  CHECK(read(headers(8'193), 100).status == 431);
  CHECK(read("GET / HTTP/1.1\r\n" + std::string(8'195, 'a')).status == 431);
}

TEST_CASE(
    "head: an unfinished head wants more, and a wrong request line is refused before the end") {
  CHECK(read("").status == -1);
  CHECK(read("G").status == -1);
  CHECK(read("\r").status == -1);
  CHECK(read("GET / HTTP/1.1\r\nHost: a\r\n").status == -1);
  CHECK(read("GET / HTTP/1.1\r\nHost: a\r\n\r").status == -1);
  CHECK(read("nonsense\r\n").status == 400);
}

TEST_CASE("head: an absolute target loses scheme and host") {
  const auto target = [](const std::string& sent) {
    return read("GET " + sent + " HTTP/1.1\r\nHost: a\r\n\r\n").head.target;
  };
  CHECK(target("http://example.com:80/health?x=1") == "/health?x=1");
  CHECK(target("HTTPS://example.com/health") == "/health");
  CHECK(target("http://example.com") == "/");
  CHECK(target("http://example.com?x=/y") == "/?x=/y");
  CHECK(target("/health?to=http://example.com/") == "/health?to=http://example.com/");
  CHECK(read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").head.target == "*");
}

TEST_CASE("head: the connection is kept as version and Connection header say") {
  const auto kept = [](const std::string& version, const std::string& header) {
    return read("GET / " + version + "\r\nHost: a\r\n" + header + "\r\n").head.keep_alive;
  };
  CHECK(kept("HTTP/1.1", ""));
  CHECK_FALSE(kept("HTTP/1.1", "Connection: close\r\n"));
  CHECK_FALSE(kept("HTTP/1.1", "Connection: Upgrade, Close\r\n"));
  CHECK_FALSE(kept("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  CHECK_FALSE(kept("HTTP/1.0", ""));
  CHECK(kept("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  CHECK_FALSE(kept("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST_CASE("head: each of the three proxy headers marks a request as forwarded") {
  CHECK(read(with("Fly-Client-IP: 1.2.3.4")).head.forwarded);
  CHECK(read(with("x-forwarded-for:")).head.forwarded);
  CHECK(read(with("FORWARDED: for=1.2.3.4")).head.forwarded);
  CHECK_FALSE(read(with("X-Forwarded-Proto: https")).head.forwarded);
}

TEST_CASE("head: Accept lines are joined, and two Authorization lines are none") {
  CHECK(read(with("Accept: text/plain\r\nAccept: */*;q=0.1")).head.accept ==
        "text/plain, */*;q=0.1");
  CHECK(read(with("Authorization: Bearer a%41b")).head.authorization == "Bearer a%41b");
  CHECK(read(with("Authorization: Bearer a\r\nAuthorization: Bearer b")).head.authorization == "");
}

TEST_CASE("head: a length beyond every integer stays large") {
  CHECK(read(with("Content-Length: 99999999999999999999999999")).head.content_length >
        1'000'000'000U);
  CHECK(read(with("Content-Length: 18446744073709551617")).head.content_length > 1'000'000'000U);
  CHECK(read(with("Content-Length: 0001")).head.content_length == 1);
}
