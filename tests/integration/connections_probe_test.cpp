// Kind connections with real sockets, IPv4 and IPv6, over netlink and over /proc.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <vitals/fd.hpp>

#include "probes/established.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sockets.hpp"

namespace vitals {
namespace {

using test::DeafListener;

ConfiguredCheck connections(std::uint16_t port, const std::string& more = "") {
  return test::make_check("kind = \"connections\"\nport = " + std::to_string(port) + "\n" + more);
}

Fd connect_to(const std::string& host, std::uint16_t port) {
  const auto address = net::numeric_address(host, port);
  REQUIRE(address);
  Fd fd(socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage),
                  address->length) == 0);
  return fd;
}

/// The server's ends are there a moment after the clients': waits for so many.
void settle(std::uint16_t port, std::size_t count) {
  REQUIRE(test::eventually([&] {
    const auto counted = count_by_sock_diag(port, Deadline::after(Duration(1'000)));
    return counted.ok() && counted.value() == count;
  }));
}

/// Listens on [::] for IPv4, too.
struct DualStack {
  Fd fd{socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;

  DualStack() {
    const int off = 0;
    REQUIRE(setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    socklen_t length = sizeof(address);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(fd.get(), raw, length) == 0);
    REQUIRE(listen(fd.get(), 64) == 0);
    REQUIRE(getsockname(fd.get(), raw, &length) == 0);
    port = ntohs(address.sin6_port);
  }
};

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"connections\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

TEST_SUITE("connections probe") {
  TEST_CASE("connections: pass, warn and fail(saturated) as clients come, and back as they go") {
    const DeafListener listener;
    const auto check = connections(listener.port(), "warn = 2\nfail = 4\n");
    auto result = test::ask(check);
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail == "0 of 4 connections");
    CHECK(test::measured(result, "connections_limit", {"warn"}) == 2);
    CHECK(test::measured(result, "connections_limit", {"fail"}) == 4);

    std::vector<Fd> clients;
    clients.push_back(connect_to("127.0.0.1", listener.port()));
    settle(listener.port(), 1);
    CHECK(test::ask(check).outcome == Outcome::pass);
    clients.push_back(connect_to("127.0.0.1", listener.port()));
    settle(listener.port(), 2);
    result = test::ask(check);
    CHECK(result.outcome == Outcome::warn);
    CHECK(result.reason == Reason::saturated);
    CHECK(result.detail == "2 of 4 connections, 2 are expected at most");
    clients.push_back(connect_to("127.0.0.1", listener.port()));
    clients.push_back(connect_to("127.0.0.1", listener.port()));
    settle(listener.port(), 4);
    result = test::ask(check);
    CHECK(result.outcome == Outcome::fail);
    CHECK(result.reason == Reason::saturated);
    CHECK(result.detail == "4 of 4 connections");
    CHECK(test::measured(result, "connections") == 4);
    REQUIRE(result.observed);
    CHECK(result.observed->value == 4);
    CHECK(result.observed->unit == "connections");

    clients.clear();
    CHECK(test::eventually([&] { return test::ask(check).outcome == Outcome::pass; }));
  }

  TEST_CASE("connections: IPv4 and IPv6 clients of a dual-stack listener are counted once each") {
    const DualStack listener;
    const Fd v4 = connect_to("127.0.0.1", listener.port);
    const Fd v6 = connect_to("::1", listener.port);
    const Fd other = connect_to("::1", listener.port);
    settle(listener.port, 3);
    CHECK(test::measured(test::ask(connections(listener.port)), "connections") == 3);
    const auto counted = count_by_sock_diag(listener.port, Deadline::after(Duration(1'000)));
    REQUIRE(counted.ok());
    CHECK(counted.value() == 3);
    // The kernel shows this table a page at a time, and connections of others, which come and go
    // between two pages, shift what is on the next.
    CHECK(test::eventually([&] { return count_by_proc(listener.port, "/proc") == 3; }));
  }

  TEST_CASE("connections: other ports and the clients' own ends do not count") {
    const DeafListener listener;
    const DeafListener other;
    const Fd one = connect_to("127.0.0.1", listener.port());
    const Fd two = connect_to("127.0.0.1", other.port());
    settle(listener.port(), 1);
    settle(other.port(), 1);
    const auto result = test::ask(connections(listener.port()));
    CHECK(result.detail == "1 connection");
    CHECK_FALSE(test::measured(result, "connections_limit").has_value());
  }

  TEST_CASE("connections: thousands are counted, over several answers of the kernel") {
    const DeafListener listener("127.0.0.1", 0, 4'096);
    constexpr std::size_t many = 400;
    std::vector<Fd> clients;
    for (std::size_t i = 0; i < many; ++i) {
      clients.push_back(connect_to("127.0.0.1", listener.port()));
    }
    CHECK(test::eventually([&] {
      return test::measured(test::ask(connections(listener.port())), "connections") == many;
    }));
  }

  TEST_CASE("connections: bad settings are named, and the defaults are those of a local check") {
    CHECK(mistakes_of("").find("'port'") != std::string::npos);
    CHECK_FALSE(mistakes_of("port = 0").empty());
    CHECK_FALSE(mistakes_of("port = 65536").empty());
    CHECK_FALSE(mistakes_of("port = 80\nwarn = 0").empty());
    CHECK(mistakes_of("port = 80\nwarn = 5\nfail = 4").find("above fail") != std::string::npos);
    CHECK(mistakes_of("port = 80\nwarn = 4\nfail = 4").empty());
    const auto check = connections(80);
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->scope == Scope::local);
  }
}

}  // namespace
}  // namespace vitals
