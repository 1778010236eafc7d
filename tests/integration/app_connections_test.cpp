// Clients of the app by what the kernel knows of real sockets: who spoke, who is silent, who is us.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <string>
#include <vector>

#include <vitals/fd.hpp>

#include "probes/app_connections.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sockets.hpp"

namespace vitals {
namespace {

using test::DeafListener;
using test::eventually;

std::size_t clients(std::uint16_t port) {
  const auto count = count_clients(port, Deadline::after(Duration(2'000)));
  REQUIRE(count);
  return count.value();
}

/// A client in a process of its own that connects, sends `words`, and stays.
test::Process client(const std::string& host, std::uint16_t port, const std::string& words) {
  const std::string script =
      "use IO::Socket::IP; my ($host, $port, $words) = @ARGV; my $s = IO::Socket::IP->new("
      "PeerHost => $host, PeerPort => $port) or die; $s->autoflush(1); print $s $words; sleep 600";
  return test::Process({.argv = {"perl", "-e", script, host, std::to_string(port), words}});
}

Fd own_connection(std::uint16_t port, const std::string& words) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(send(fd.get(), words.data(), words.size(), 0) == static_cast<ssize_t>(words.size()));
  return fd;
}

TEST_CASE("clients: those that have sent something count until they go") {
  const DeafListener app;
  CHECK(clients(app.port()) == 0);
  auto first = client("127.0.0.1", app.port(), "GET /");
  REQUIRE(eventually([&] { return clients(app.port()) == 1; }));
  {
    const auto second = client("127.0.0.1", app.port(), "x");
    REQUIRE(eventually([&] { return clients(app.port()) == 2; }));
  }
  CHECK(eventually([&] { return clients(app.port()) == 1; }));
  first.stop(SIGKILL);
  CHECK(eventually([&] { return clients(app.port()) == 0; }));
}

TEST_CASE("clients: whoever only connects is none") {
  const DeafListener app;
  const auto silent = client("127.0.0.1", app.port(), "");
  const Fd accepted = app.accept();
  REQUIRE(accepted);
  CHECK(clients(app.port()) == 0);
  const auto other = client("127.0.0.1", app.port(), "hello");
  CHECK(eventually([&] { return clients(app.port()) == 1; }));
}

TEST_CASE("clients: what this process sends is none, what another one beside it sends is") {
  const DeafListener app;
  const Fd probe = own_connection(app.port(), "GET /healthz");
  const Fd another = own_connection(app.port(), "GET /healthz");
  CHECK(clients(app.port()) == 0);
  const auto other = client("127.0.0.1", app.port(), "GET /");
  CHECK(eventually([&] { return clients(app.port()) == 1; }));
}

TEST_CASE("clients: over IPv6, too, and of this port alone") {
  const DeafListener app("::1");
  const DeafListener neighbour("::1");
  const auto one = client("::1", app.port(), "GET /");
  const auto elsewhere = client("::1", neighbour.port(), "GET /");
  CHECK(eventually([&] { return clients(app.port()) == 1; }));
  CHECK(eventually([&] { return clients(neighbour.port()) == 1; }));
  CHECK(clients(test::free_port()) == 0);
}

}  // namespace
}  // namespace vitals
