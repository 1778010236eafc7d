// Addresses, loopback, order, errno and waiting: what net does without a network.
#include "probes/net.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "tests/support/timing.hpp"

namespace vitals::net {
namespace {

Address at(std::string_view host, std::uint16_t port = 80) {
  const auto address = numeric_address(host, port);
  REQUIRE(address.has_value());
  return *address;
}

bool loopback(std::string host) { return Endpoint{std::move(host), 80, {}}.on_loopback(); }

}  // namespace

TEST_SUITE("net") {
  TEST_CASE("net: loopback is 127/8, ::1, their mapped form, localhost names, Unix sockets") {
    for (const char* host : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "localhost",
                             "LocalHost", "localhost.", "app.localhost", "0.0.0.0", "::"}) {
      CAPTURE(host);
      CHECK(loopback(host));
    }
    for (const char* host : {"128.0.0.1", "10.0.0.1", "::2", "fdaa::1", "::ffff:10.0.0.1",
                             "localhost.example", "mylocalhost", "example.com", ""}) {
      CAPTURE(host);
      CHECK(!loopback(host));
    }
    CHECK(Endpoint{{}, 0, "/run/x.sock"}.on_loopback());
  }

  TEST_CASE("net: addresses and endpoints print as people write them") {
    CHECK(at("10.1.2.3", 5432).text() == "10.1.2.3:5432");
    CHECK(at("fdaa:0:0:0:0:0:0:3", 53).text() == "[fdaa::3]:53");
    CHECK(at("fdaa::3").host_text() == "fdaa::3");
    CHECK(Endpoint{{}, 0, "/run/x.sock"}.text() == "unix:/run/x.sock");
    CHECK(target_text("tcp", {"::1", 80, {}}) == "tcp://[::1]:80");
    CHECK(target_text("redis", {{}, 0, "/run/x.sock"}) == "unix:/run/x.sock");
    for (const char* name : {"", "localhost", "1.2.3", "1.2.3.4.5", "::g", "010.0.0.1x"}) {
      CAPTURE(name);
      CHECK(!numeric_address(name, 1).has_value());
    }
  }

  TEST_CASE("net: addresses begin 250 ms apart, closer when the deadline's first half is short") {
    const auto delay = [](std::size_t addresses, int remaining_ms) {
      return connection_attempt_delay(addresses, Duration(remaining_ms));
    };
    CHECK(delay(1, 5'000) == Duration(250));
    CHECK(delay(2, 5'000) == Duration(250));
    CHECK(delay(2, 500) == Duration(250));
    CHECK(delay(2, 300) == Duration(150));
    CHECK(delay(5, 1'000) == Duration(125));
    CHECK(delay(21, 4'000) == Duration(100));
    CHECK(delay(64, 1'000) == Duration(10));
    CHECK(delay(64, 0) == Duration(10));
    CHECK(delay(0, 0) == Duration(250));
  }

  TEST_CASE("net: families alternate, IPv6 first, the order inside each kept (RFC 8305)") {
    const std::array v6{at("fdaa::1"), at("fdaa::2"), at("fdaa::3")};
    const std::array v4{at("10.0.0.1")};
    std::string order;
    for (const auto& address : interleaved(v6, v4)) order += address.host_text() + " ";
    CHECK(order == "fdaa::1 10.0.0.1 fdaa::2 fdaa::3 ");
    CHECK(interleaved({}, v4).size() == 1);
    CHECK(interleaved({}, {}).empty());
  }

  TEST_CASE("net: an errno becomes the reason that the contract has for it") {
    CHECK(from_errno(ECONNREFUSED, "connect").reason == Reason::refused);
    CHECK(from_errno(ECONNREFUSED, "connect").detail == "connect: connection refused");
    CHECK(from_errno(ECONNRESET, "read").reason == Reason::reset);
    CHECK(from_errno(EPIPE, "write").reason == Reason::reset);
    CHECK(from_errno(EHOSTUNREACH, "connect").reason == Reason::unreachable);
    CHECK(from_errno(ENETUNREACH, "connect").reason == Reason::unreachable);
    CHECK(from_errno(ETIMEDOUT, "read").reason == Reason::timeout);
    CHECK(from_errno(EMFILE, "socket").reason == Reason::internal);
    CHECK(from_errno(EMFILE, "socket").detail.find("ulimit") != std::string::npos);
    CHECK(from_errno(EBADF, "read").reason == Reason::internal);
  }

  TEST_CASE("wait_for: it ends at readiness, at the deadline, or at the interrupt") {
    const Fd event(eventfd(0, EFD_CLOEXEC));
    const Fd interrupt(eventfd(0, EFD_CLOEXEC));
    const test::Stopwatch silent;
    CHECK(wait_for(event.get(), POLLIN, Deadline::after(Duration(60), interrupt.get())) ==
          Wait::timeout);
    CHECK(silent.took().elapsed >= Duration(60));
    CHECK(silent.took().own() < test::at_most(Duration(160)));

    const std::uint64_t one = 1;
    REQUIRE(write(event.get(), &one, sizeof(one)) == sizeof(one));
    const auto later = Deadline::after(Duration(5'000), interrupt.get());
    CHECK(wait_for(event.get(), POLLIN, later) == Wait::ready);
    REQUIRE(write(interrupt.get(), &one, sizeof(one)) == sizeof(one));
    const test::Stopwatch interrupted;
    CHECK(wait_for(event.get(), POLLIN, later) == Wait::interrupted);
    CHECK(wait_for(-1, 0, later) == Wait::interrupted);
    CHECK(interrupted.took().own() < test::at_most(Duration(100)));
  }
}

}  // namespace vitals::net
