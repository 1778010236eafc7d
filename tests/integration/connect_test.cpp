// Connecting under a deadline: refused, unreachable, silent, raced, interrupted.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "probes/net.hpp"
#include "probes/stream.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/process.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"

namespace vitals::net {
namespace {

using test::check_ended_at;
using test::DeafListener;
using test::RefusingPort;

struct Outcome {
  std::string peer;  // empty: not connected
  Reason reason = Reason::none;
  std::string detail;
  test::Took took;
};

Outcome outcome_of(const NetResult<Connected>& connected, const test::Stopwatch& watch) {
  Outcome outcome;
  outcome.took = watch.took();
  if (connected) {
    outcome.peer = connected.value().peer.text();
  } else {
    outcome.reason = connected.error().reason;
    outcome.detail = connected.error().detail;
  }
  return outcome;
}

Outcome race(const std::vector<std::pair<std::string, std::uint16_t>>& targets,
             Duration limit = Duration(1'000), int interrupt = -1) {
  std::vector<Address> addresses;
  for (const auto& [host, port] : targets) addresses.push_back(*numeric_address(host, port));
  const test::Stopwatch watch;
  return outcome_of(connect_any(addresses, Deadline::after(limit, interrupt)), watch);
}

Outcome reach(const Endpoint& endpoint, Duration limit, PhaseTimes& phases) {
  const test::Stopwatch watch;
  return outcome_of(open(endpoint, IpFamily::any, Deadline::after(limit), phases), watch);
}

// No packet is ever sent to it: the kernel refuses to connect to the broadcast address.
constexpr const char* no_route = "255.255.255.255";

/// The same port on ::1 and 127.0.0.1: IPv6 silent, IPv4 listening.
struct SilentV6 {
  DeafListener v4{"127.0.0.1", test::free_port()};
  DeafListener v6{"::1", v4.port()};
  SilentV6() { v6.fill(); }
};

}  // namespace

TEST_SUITE("connect") {
  TEST_CASE("connect: a listening port is reached at once, non-blocking and close-on-exec") {
    const DeafListener listener;
    const Address address = *numeric_address("127.0.0.1", listener.port());
    const auto connected = connect_any({&address, 1}, Deadline::after(Duration(1'000)));
    REQUIRE(connected.ok());
    CHECK(connected.value().peer.text() == address.text());
    const int fd = connected.value().fd.get();
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }

  TEST_CASE("connect: a port nobody listens on is refused, at once") {
    const RefusingPort port;
    const auto outcome = race({{"127.0.0.1", port.port()}});
    CHECK(outcome.reason == Reason::refused);
    CHECK(outcome.detail ==
          "connect to 127.0.0.1:" + std::to_string(port.port()) + ": connection refused");
    CHECK(outcome.took.own() < test::at_most(Duration(50)));
  }

  TEST_CASE("connect: an address without a route is unreachable, at once") {
    const auto outcome = race({{no_route, 80}});
    CHECK(outcome.reason == Reason::unreachable);
    CHECK(outcome.took.own() < test::at_most(Duration(50)));
  }

  TEST_CASE("connect: an address that drops SYNs is connect_timeout at the deadline") {
    DeafListener listener;
    listener.fill();
    const auto outcome = race({{"127.0.0.1", listener.port()}}, Duration(300));
    CHECK(outcome.reason == Reason::connect_timeout);
    CHECK(outcome.detail == "no answer from 127.0.0.1:" + std::to_string(listener.port()));
    check_ended_at(outcome.took, Duration(300));
  }

  TEST_CASE("connect: a silent first address costs 250 ms, then the second one wins (RFC 8305)") {
    const SilentV6 both;
    const auto outcome = race({{"::1", both.v6.port()}, {"127.0.0.1", both.v4.port()}});
    CHECK(outcome.peer == "127.0.0.1:" + std::to_string(both.v4.port()));
    CHECK(outcome.took.elapsed >= Duration(250));
    CHECK(outcome.took.own() < test::at_most(Duration(300)));
  }

  TEST_CASE("connect: every address is tried inside the deadline, however many are silent") {
    DeafListener silent;
    silent.fill();
    const DeafListener listener;
    const auto reached = [&](std::size_t dead, Duration limit) {
      std::vector<std::pair<std::string, std::uint16_t>> targets(dead,
                                                                 {"127.0.0.1", silent.port()});
      targets.emplace_back("127.0.0.1", listener.port());
      return race(targets, limit).peer == "127.0.0.1:" + std::to_string(listener.port());
    };
    // Half of the time is for the last one; a Machine that stands still as long may try again.
    CHECK(test::eventually([&] { return reached(4, Duration(1'000)); }));
    CHECK(test::eventually([&] { return reached(20, Duration(4'000)); }, std::chrono::seconds(60)));
    CHECK(test::eventually([&] { return reached(63, Duration(2'000)); }, std::chrono::seconds(60)));
  }

  TEST_CASE("connect: a refused first address costs nothing") {
    const DeafListener listener;
    const RefusingPort refused;
    const auto outcome =
        race({{"127.0.0.1", refused.port()}, {no_route, 80}, {"127.0.0.1", listener.port()}});
    CHECK(outcome.peer == "127.0.0.1:" + std::to_string(listener.port()));
    CHECK(outcome.took.own() < test::at_most(Duration(50)));
  }

  TEST_CASE("connect: of several failures the one that says most is told") {
    DeafListener silent;
    silent.fill();
    const RefusingPort refused;
    const std::pair<std::string, std::uint16_t> quiet{"127.0.0.1", silent.port()};
    const std::pair<std::string, std::uint16_t> closed{"127.0.0.1", refused.port()};
    const std::pair<std::string, std::uint16_t> nowhere{no_route, 80};
    CHECK(race({nowhere, closed}).reason == Reason::refused);
    CHECK(race({closed, nowhere}).reason == Reason::refused);
    const auto mixed = race({closed, quiet}, Duration(300));
    CHECK(mixed.reason == Reason::refused);
    check_ended_at(mixed.took, Duration(300));
    CHECK(race({nowhere, quiet}, Duration(100)).reason == Reason::connect_timeout);
    CHECK(race({}).reason == Reason::dns);
  }

  TEST_CASE("connect: an interrupt ends a silent connect within 100 ms") {
    DeafListener silent;
    silent.fill();
    const Fd interrupt(eventfd(1, EFD_CLOEXEC));
    const auto outcome = race({{"127.0.0.1", silent.port()}}, Duration(5'000), interrupt.get());
    CHECK(outcome.reason == Reason::timeout);
    CHECK(outcome.took.own() < test::at_most(Duration(100)));
  }

  TEST_CASE("open: the phases resolve and connect are noted, and only those that happened") {
    const SilentV6 both;
    PhaseTimes phases;
    const auto outcome = reach({"localhost", both.v4.port(), {}}, Duration(1'000), phases);
    CHECK(outcome.peer == "127.0.0.1:" + std::to_string(both.v4.port()));
    REQUIRE(phases.get(Phase::resolve).has_value());
    REQUIRE(phases.get(Phase::connect).has_value());
    CHECK(*phases.get(Phase::resolve) < test::at_most(Duration(20)));
    CHECK(*phases.get(Phase::connect) >= Duration(250));
    CHECK(!phases.get(Phase::tls).has_value());
  }

  TEST_CASE("open: a silent name server leaves no phase connect and ends at the deadline") {
    const test::NameServer silent([](const test::DnsQuestion&) {
      return test::DnsReply{.kind = test::DnsReply::Kind::silence};
    });
    const test::TempDir folder;
    const ResolverFiles files{"/nonexistent/hosts",
                              folder.write("resolv.conf", "nameserver " + silent.address())};
    PhaseTimes phases;
    const test::Stopwatch watch;
    const auto opened =
        open({"db.example", 80, {}}, IpFamily::any, Deadline::after(Duration(200)), phases, files);
    const auto outcome = outcome_of(opened, watch);
    CHECK(outcome.reason == Reason::dns);
    check_ended_at(outcome.took, Duration(200));
    CHECK(phases.get(Phase::resolve).has_value());
    CHECK(!phases.get(Phase::connect).has_value());
  }

  TEST_CASE("open: a Unix socket is connected to; one that is not there is refused") {
    const test::TempDir folder;
    const auto path = (folder.path() / "app.sock").string();
    const Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);

    PhaseTimes phases;
    CHECK(reach({{}, 0, path}, Duration(500), phases).reason == Reason::refused);
    REQUIRE(listen(server.get(), 0) == 0);
    CHECK(reach({{}, 0, path}, Duration(500), phases).peer == "unix:" + path);
    CHECK(!phases.get(Phase::resolve).has_value());
    CHECK(phases.get(Phase::connect).has_value());

    const auto missing = reach({{}, 0, path + "x"}, Duration(500), phases);
    CHECK(missing.reason == Reason::refused);
    CHECK(missing.detail.find("no such socket") != std::string::npos);
    CHECK(reach({{}, 0, std::string(200, 'x')}, Duration(500), phases).reason == Reason::internal);
  }

  TEST_CASE("open: a Unix socket with a full backlog is connect_timeout at the deadline") {
    const test::TempDir folder;
    const auto path = (folder.path() / "app.sock").string();
    const Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(server.get(), 0) == 0);
    std::vector<Connected> queued;
    PhaseTimes phases;
    std::optional<Outcome> full;
    for (int i = 0; i < 10 && !full; ++i) {
      const test::Stopwatch watch;
      auto opened = open({{}, 0, path}, IpFamily::any, Deadline::after(Duration(150)), phases);
      if (opened) {
        queued.push_back(std::move(opened).value());
      } else {
        full = outcome_of(opened, watch);
      }
    }
    REQUIRE(full.has_value());
    CHECK(full->reason == Reason::connect_timeout);
    check_ended_at(full->took, Duration(150));
  }

  TEST_CASE("connect: 200 rounds of every outcome leave no descriptor behind") {
    DeafListener silent;
    silent.fill();
    const DeafListener listener("127.0.0.1", 0, 512);
    const RefusingPort refused;
    const auto descriptors = test::open_descriptors();
    for (int i = 0; i < 200; ++i) {
      CHECK(!race({{"127.0.0.1", refused.port()}, {"127.0.0.1", listener.port()}}).peer.empty());
      CHECK(race({{"127.0.0.1", refused.port()}}).reason == Reason::refused);
      CHECK(race({{"127.0.0.1", silent.port()}}, Duration(1)).reason == Reason::connect_timeout);
    }
    CHECK(test::open_descriptors() == descriptors);
  }

  TEST_CASE("stream: after the deadline nothing is read or written, ready as it is: timeout") {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    const Stream stream{Fd(ends[0]), nullptr};
    const Fd peer(ends[1]);
    REQUIRE(write(peer.get(), "x", 1) == 1);
    std::array<char, 8> buffer{};
    const Deadline over(Clock::now());
    const auto read = read_some(stream, buffer, over);
    REQUIRE(!read);
    CHECK(read.error().reason == Reason::timeout);
    const auto written = write_all(stream, "y", over);
    REQUIRE(written);
    CHECK(written->reason == Reason::timeout);
    CHECK(read_some(stream, buffer, Deadline::after(Duration(1'000))).value() == 1);
  }
}

}  // namespace vitals::net
