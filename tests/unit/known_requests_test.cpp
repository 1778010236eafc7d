// What is recognised as asked before, and what is never kept.
#include "agent/serve/known_requests.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace vitals;
using http::KnownRequests;

namespace {

std::string head_of(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

/// As the router does it: what the bytes say, and whose they are.
void remember(KnownRequests& known, const std::string& bytes, bool from_loopback = true) {
  const auto head = http::parse_head(bytes);
  REQUIRE(head.ok());
  HttpRequest request;
  request.method = head.value().method;
  request.path = head.value().target;
  request.authorization = head.value().authorization;
  request.from_loopback = from_loopback;
  known.remember(bytes, head.value(), request);
}

}  // namespace

TEST_CASE("known requests: the same bytes from the same side are the same request") {
  KnownRequests known;
  const auto bytes = head_of("/health");
  CHECK(known.find(bytes, true) == nullptr);
  remember(known, bytes);
  const auto* found = known.find(bytes + head_of("/other"), true);
  REQUIRE(found != nullptr);
  CHECK(found->request.path == "/health");
  CHECK(found->head.keep_alive);
  CHECK(found->bytes == bytes);
}

TEST_CASE("known requests: whoever shows a token twice is not kept, either") {
  KnownRequests known;
  const auto bytes = head_of("/health", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n");
  remember(known, bytes);
  CHECK(known.find(bytes, true) == nullptr);
}

TEST_CASE("known requests: one byte less, one that differs or another side is another request") {
  KnownRequests known;
  const auto bytes = head_of("/health", "Accept: text/plain\r\n");
  remember(known, bytes);
  CHECK(known.find(bytes, false) == nullptr);
  CHECK(known.find("", true) == nullptr);
  CHECK(known.find(bytes.substr(0, bytes.size() - 1), true) == nullptr);
  CHECK(known.find("\r\n" + bytes, true) == nullptr);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto other = bytes;
    other[i] = other[i] == 'x' ? 'y' : 'x';
    CHECK(known.find(other, true) == nullptr);
  }
  remember(known, bytes, false);
  CHECK_FALSE(known.find(bytes, false)->request.from_loopback);
  CHECK(known.find(bytes, true)->request.from_loopback);
}

TEST_CASE("known requests: no token, nothing from a proxy and nothing long is kept") {
  KnownRequests known;
  for (const auto& bytes : {
           head_of("/health", "Authorization: Bearer secret\r\n"),
           head_of("/health", "X-Forwarded-For: 192.0.2.1\r\n"),
           head_of("/health", "Fly-Client-IP: 192.0.2.1\r\n"),
           head_of("/health", "Forwarded: for=192.0.2.1\r\n"),
           head_of("/health", "X: " + std::string(http::known_head_max, 'x') + "\r\n"),
       }) {
    CAPTURE(bytes);
    remember(known, bytes);
    CHECK(known.find(bytes, true) == nullptr);
  }
}

TEST_CASE("known requests: the oldest goes for a new one, and one that is known takes no room") {
  KnownRequests known;
  const auto first = head_of("/0");
  for (std::size_t i = 0; i < http::known_requests_max; ++i) {
    remember(known, head_of("/" + std::to_string(i)));
    remember(known, head_of("/" + std::to_string(i)));
  }
  CHECK(known.find(first, true) != nullptr);
  remember(known, head_of("/new"));
  CHECK(known.find(first, true) == nullptr);
  CHECK(known.find(head_of("/1"), true) != nullptr);
  CHECK(known.find(head_of("/new"), true)->request.path == "/new");
}
