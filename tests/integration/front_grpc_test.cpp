// The front door before a real gRPC server: HTTP/2 from the first byte on, so none of it is ours.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// Debian's own Python has the library.
std::vector<std::string> grpc_echo(const std::string& role, std::uint16_t port) {
  return {"/usr/bin/python3", (source_dir() / "tests/support/grpc_echo.py").string(), role,
          std::to_string(port)};
}

TEST_SUITE("front door") {
  TEST_CASE("front door: gRPC passes untouched: unary, streams each way, errors, cancellation") {
    const std::uint16_t port = free_port();
    Process app({.argv = grpc_echo("serve", port)});
    REQUIRE_MESSAGE(eventually([&] { return accepts_tcp(port); }, 30s), app.output());
    const FrontDoor door(port);
    const auto finished = run({.argv = grpc_echo("ask", door.port())}, 120s);
    INFO(finished.output);
    CHECK(finished.code == 0);
    for (const std::string what : {"unary", "a hundred calls on one connection", "stream both ways",
                                   "stream down", "stream up", "error", "cancellation"}) {
      CAPTURE(what);
      CHECK(finished.output.find("ok: " + what + "\n") != std::string::npos);
    }
    // It has been a tunnel: no request was seen, no answer counted.
    CHECK(door.counts().answers == std::array<std::uint64_t, 5>{});
    CHECK(eventually([&] { return door.counts().connections == 0; }));
  }
}

}  // namespace
}  // namespace vitals::test
