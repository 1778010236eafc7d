// The front door's process with thousands of idle WebSockets, and with readers that are slower than
// the app at its end.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

/// An app behind a front door, under `vitals run`. `words`: the app's; its port comes last.
class Fronted {
 public:
  /// Returns when the app takes connections.
  explicit Fronted(std::vector<std::string> words, const std::string& app_lines = {})
      : Fronted(std::move(words), app_lines, Booting{}) {
    REQUIRE_MESSAGE(eventually([&] { return accepts_tcp(upstream_); }), agent_.process().output());
  }
  struct Booting {};
  /// Returns when the front door does.
  Fronted(std::vector<std::string> words, const std::string& app_lines, Booting)
      : front_(free_port()),
        upstream_(free_port()),
        agent_("[app]\nfront = \"127.0.0.1:" + std::to_string(front_) +
                   "\"\nupstream = \"127.0.0.1:" + std::to_string(upstream_) + "\"\n" + app_lines,
               {.command = with_port(std::move(words), upstream_)}) {
    REQUIRE(eventually([&] { return accepts_tcp(front_); }));
  }
  [[nodiscard]] std::uint16_t port() const { return front_; }
  [[nodiscard]] Process& process() { return agent_.process(); }
  [[nodiscard]] int app() { return app_of(agent_.process().pid()); }
  [[nodiscard]] int door() {
    for (const auto& child : children_of(agent_.process().pid())) {
      if (child.command.find("front-door") != std::string::npos) return child.pid;
    }
    return 0;
  }

 private:
  static std::vector<std::string> with_port(std::vector<std::string> words, std::uint16_t port) {
    words.push_back(std::to_string(port));
    return words;
  }
  std::uint16_t front_;
  std::uint16_t upstream_;
  Agent agent_;
};

double resident_kb(int pid) {
  for (const auto& line : lines_of("/proc/" + std::to_string(pid) + "/status")) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) * 1.024;
  }
  return 0;
}

/// Both the test and the app hold an end of each connection.
bool many_descriptors(rlim_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, wanted));
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur >= wanted;
}

std::vector<std::string> node_script(const std::string& script) { return {"node", "-e", script}; }

/// Answers everything with `size` bytes; TERM ends it once the kernel has all that it said.
std::vector<std::string> bulky_app(std::size_t size) {
  return node_script(
      "const s = require('http').createServer((q, r) => r.end(Buffer.alloc(" +
      std::to_string(size) +
      ", 'b')));"
      "process.on('SIGTERM', () => { s.close(() => process.exit(5)); s.closeIdleConnections(); });"
      "s.listen(Number(process.argv[1]), '127.0.0.1')");
}

/// More than a client's and the door's buffers take, less than those and the app's.
constexpr std::size_t held_size = 3'500'000;

TEST_SUITE("front door e2e") {
  TEST_CASE("front door: 5,000 idle WebSockets of ws cost at most 20 KB each, and all are alive") {
    constexpr std::size_t count = 5'000;
    if (!many_descriptors(12'000)) {
      MESSAGE("SKIPPED: not enough descriptors here");
      return;
    }
    Fronted fronted({"node", (source_dir() / "tests/support/ws_app.js").string()});
    RawClient(fronted.port()).ask(get("/warm"));
    const int door = fronted.door();
    REQUIRE(door > 0);
    const double before = resident_kb(door);
    std::vector<std::unique_ptr<RawClient>> sockets;
    for (std::size_t i = 0; i < count; ++i) {
      sockets.push_back(std::make_unique<RawClient>(fronted.port()));
      sockets.back()->send(websocket_request("/ws"));
    }
    for (const auto& socket : sockets) {
      REQUIRE(socket->until("\r\n\r\n").starts_with("HTTP/1.1 101"));
    }
    const double each = (resident_kb(door) - before) / count;
    MESSAGE("KB of the door per idle WebSocket: " << each);
    CHECK(each > 0);
    CHECK(each <= 20);
    CHECK(http(fronted.port(), "/health").body.find("\"connections\": 5000") != std::string::npos);
    for (const auto& socket : sockets) socket->send(websocket_frame("alive?"));
    for (const auto& socket : sockets)
      CHECK(socket->until("alive?") ==
            "\x81\x06"
            "alive?");
  }

  TEST_CASE("front door: while an app boots for 10 s its clients wait, and health answers") {
    const auto begin = SteadyClock::now();
    const Stopwatch watch;
    Fronted fronted({"sh", "-c", "sleep 10; exec node \"$@\"", "sh",
                     (source_dir() / "tests/support/front_app.js").string()},
                    "", Fronted::Booting{});
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(std::make_unique<RawClient>(fronted.port()));
      clients.back()->send(get("/" + std::to_string(i)));
    }
    CHECK(http(fronted.port(), "/health").status == 200);
    CHECK(watch.took().own() < 8s);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      std::string answer;
      CHECK(eventually(
          [&] {
            answer += clients[i]->rest();
            return answer.ends_with("app GET /" + std::to_string(i));
          },
          40s));
      CHECK(answer.starts_with("HTTP/1.1 200"));
    }
    CHECK(SteadyClock::now() - begin >= 10s);
  }

  TEST_CASE("run: in a drain a slow reader gets all that the app said, though the app is gone") {
    Fronted fronted(bulky_app(held_size), "stop_timeout = \"60s\"\n");
    RawClient reader(fronted.port(), AF_INET, 4'096);
    reader.send(get("/"));
    REQUIRE(reader.until("\r\n\r\n").starts_with("HTTP/1.1 200"));
    const int app = fronted.app();
    REQUIRE(app > 0);
    fronted.process().signal(SIGTERM);
    REQUIRE(eventually([&] { return kill(app, 0) != 0; }));
    // Nothing to wait for: that the end waits for the reader is what is tested.
    CHECK_FALSE(fronted.process().wait(1'500ms).has_value());
    CHECK(reader.rest().size() == held_size);
    CHECK(fronted.process().wait(30s) == 5);
  }

  TEST_CASE("run: in a drain nobody waits for a reader beyond stop_timeout, or a second TERM") {
    for (const bool twice : {false, true}) {
      CAPTURE(twice);
      Fronted fronted(bulky_app(held_size), twice ? "stop_timeout = \"60s\"\n" : "");
      RawClient reader(fronted.port(), AF_INET, 4'096);
      reader.send(get("/"));
      REQUIRE(reader.until("\r\n\r\n").starts_with("HTTP/1.1 200"));
      const int app = fronted.app();
      const Stopwatch watch;
      fronted.process().signal(SIGTERM);
      REQUIRE(eventually([&] { return kill(app, 0) != 0; }));
      if (twice) fronted.process().signal(SIGTERM);
      CHECK(fronted.process().wait(20s) == 5);
      const Took took = watch.took();
      // stop_timeout is 4 s, and Fly's kill_timeout 5 s.
      if (!twice) CHECK(took.elapsed >= 3'900ms);
      CHECK(took.own() < (twice ? 4'000ms : 8'000ms));
    }
  }

  TEST_CASE(
      "run: the supervisor dies: the front door does not outlive it for a reader that hangs") {
    Fronted fronted(bulky_app(held_size));
    RawClient reader(fronted.port(), AF_INET, 4'096);
    reader.send(get("/"));
    REQUIRE(reader.until("\r\n\r\n").starts_with("HTTP/1.1 200"));
    const int door = fronted.door();
    REQUIRE(door > 0);
    fronted.process().signal(SIGKILL);
    CHECK(eventually([&] { return !accepts_tcp(fronted.port()); }));
    CHECK(eventually(
        [&] {
          const auto all = all_processes();
          return std::none_of(all.begin(), all.end(), [&](const ProcessLine& process) {
            return process.pid == door && process.state != 'Z';
          });
        },
        20s));
  }

  TEST_CASE("run: a drain with idle clients is over as soon as the app is") {
    Fronted fronted(bulky_app(10), "stop_timeout = \"60s\"\n");
    const RawClient silent(fronted.port());
    RawClient kept(fronted.port());
    CHECK(kept.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")->status == 200);
    const Stopwatch watch;
    fronted.process().signal(SIGTERM);
    CHECK(fronted.process().wait(20s) == 5);
    CHECK(watch.took().own() < 10s);
  }
}

}  // namespace
}  // namespace vitals::test
