// Ports for servers of tests: nobody else's, not by chance but by claim.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <set>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/process.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

constexpr int first_of_all = 20'000;
constexpr int first_of_kernel = 32'768;  // net.ipv4.ip_local_port_range
constexpr int block = 256;

TEST_CASE("free ports: each is another one, none is one that the kernel hands out") {
  std::set<int> ports;
  for (int i = 0; i < block / 2; ++i) ports.insert(free_port());
  CHECK(ports.size() == block / 2);
  CHECK(*ports.begin() >= first_of_all);
  CHECK(*ports.rbegin() < first_of_kernel);
}

TEST_CASE("free ports: one that somebody listens on is passed over") {
  const ScriptedServer server([](ScriptedConnection&) {}, {.public_port = free_port()});
  for (int i = 0; i < 2 * block; ++i) CHECK(free_port() != server.port());
}

TEST_CASE("free ports: one that is taken in one family is passed over") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    const RefusingPort taken(host, free_port());
    for (int i = 0; i < 2 * block; ++i) CHECK(free_port() != taken.port());
  }
}

TEST_CASE(
    "free ports: that of a scripted server is nobody's in the other family, if it picked one") {
  const auto quiet = [](ScriptedConnection&) {};
  const ScriptedServer v4(quiet);
  CHECK_THROWS(RefusingPort("::1", v4.port()));
  const ScriptedServer v6(quiet, {.ipv6 = true});
  CHECK_THROWS(RefusingPort("127.0.0.1", v6.port()));
  const ScriptedServer given(quiet, {.port = free_port()});
  CHECK_NOTHROW(RefusingPort("::1", given.port()));
}

TEST_CASE("free ports: the block that they come from is claimed, so no other program has it") {
  const Fd other(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto name = "vitals-test-ports-" + std::to_string((free_port() - first_of_all) / block);
  name.copy(address.sun_path + 1, sizeof(address.sun_path) - 1);
  const auto length = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  CHECK(bind(other.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length)) !=
        0);
  CHECK(errno == EADDRINUSE);
}

}  // namespace
}  // namespace vitals::test
