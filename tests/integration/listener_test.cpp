// A listener that another process of ours kept: used where it fits, and nowhere else.
#include <doctest/doctest.h>

#include <sys/socket.h>

#include <string>

#include "agent/serve/listener.hpp"
#include "tests/support/process.hpp"

namespace vitals::http {
namespace {

std::string on(const std::string& host, std::uint16_t port) {
  return host + ":" + std::to_string(port);
}

/// Opens `first`, and says whether a configuration of `second` (with its port) takes it over.
bool fits(const std::string& first, const std::string& second) {
  auto opened = open_listener(on(first, 0));
  REQUIRE(opened);
  const auto port = opened.value().port;
  const auto adopted = adopt_listener(on(second, port), std::move(opened.value().fd));
  if (adopted) CHECK(adopted->port == port);
  return adopted.has_value();
}

TEST_CASE("listener: one that is bound where the config says is taken over") {
  CHECK(fits("127.0.0.1", "127.0.0.1"));
  CHECK(fits("0.0.0.0", "0.0.0.0"));
  CHECK(fits("[::1]", "[::1]"));
  CHECK(fits("[::]", "[::]"));
  CHECK(fits("0.0.0.0", "[::]"));  // its fallback without IPv6
}

TEST_CASE("listener: any other is not") {
  CHECK(!fits("127.0.0.1", "0.0.0.0"));
  CHECK(!fits("127.0.0.1", "127.0.0.2"));
  CHECK(!fits("127.0.0.1", "[::]"));
  CHECK(!fits("[::1]", "[::]"));
  CHECK(!fits("[::]", "0.0.0.0"));
  auto opened = open_listener("127.0.0.1:0");
  REQUIRE(opened);
  const auto other = static_cast<std::uint16_t>(opened.value().port ^ 1U);
  CHECK(!adopt_listener(on("127.0.0.1", other), std::move(opened.value().fd)));
  CHECK(!adopt_listener("127.0.0.1:9100", Fd()));
}

TEST_CASE("listener: where it is bound is an address that a config may have") {
  for (const std::string host : {"127.0.0.1", "0.0.0.0", "[::1]", "[::]"}) {
    auto opened = open_listener(on(host, 0));
    REQUIRE(opened);
    const std::string address = on(host, opened.value().port);
    CHECK(bound_address(opened.value().fd) == address);
    CHECK(adopt_listener(address, std::move(opened.value().fd)));
  }
}

TEST_CASE(
    "listener: where the config leaves the port open, the old one stays; what does not listen "
    "is refused") {
  auto opened = open_listener("127.0.0.1:0");
  REQUIRE(opened);
  const auto port = opened.value().port;
  const auto adopted = adopt_listener("127.0.0.1:0", std::move(opened.value().fd));
  REQUIRE(adopted.has_value());
  CHECK(adopted->port == port);
  CHECK(test::accepts_tcp(port));
  CHECK(!adopt_listener("127.0.0.1:0", Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))));
}

}  // namespace
}  // namespace vitals::http
