// The front door beside no proxy and beside HAProxy in TCP mode: requests, bulk, idle WebSockets.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/agent.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/raw_client.hpp"

namespace vitals::bench {
namespace {

constexpr Goal memory_goal{.most = 20.0, .unit = "KB"};
/// Of HAProxy's figure.
constexpr double share_goal = 0.85;
constexpr int clients = 64;
constexpr std::uintmax_t bulk_size = std::uintmax_t{1} << 30U;

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// nginx as the app: a small file, and a gigabyte of zeros.
Program nginx_app() {
  const auto folder = std::make_shared<test::TempDir>();
  folder->write("index.html", "ok\n");
  std::filesystem::resize_file(folder->write("bulk", ""), bulk_size);
  return {"no proxy", "/", "", [folder](std::uint16_t port) {
            const std::string path = folder->path().string();
            const auto file = folder->write(
                "nginx.conf", "daemon off;\nmaster_process off;\nerror_log stderr;\npid " + path +
                                  "/pid;\nevents { worker_connections 2048; }\n"
                                  "http { access_log off; sendfile on; tcp_nopush on;\n"
                                  " keepalive_requests 100000000;\n server { listen " +
                                  local(port) + " backlog=4096; root " + path + "; }}\n");
            return test::Command{.argv = {"nginx", "-p", path, "-c", file.string()}};
          }};
}

Program tcp_haproxy(std::uint16_t app) {
  const auto folder = std::make_shared<test::TempDir>();
  return {"HAProxy (TCP)", "/", "", [folder, app](std::uint16_t port) {
            const auto file =
                folder->write("haproxy.cfg",
                              "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode tcp\n"
                              "  timeout client 60s\n  timeout connect 2s\n  timeout server 60s\n"
                              "  option splice-auto\nlisten app\n  bind " +
                                  local(port) + "\n  server app " + local(app) + "\n");
            return test::Command{.argv = {"haproxy", "-db", "-q", "-f", file.string()}};
          }};
}

Program front_door(std::uint16_t app) {
  const auto folder = std::make_shared<test::TempDir>();
  return {"front door", "/", "", [folder, app](std::uint16_t port) {
            const auto file =
                folder->write("vitals.toml", "[app]\nfront = \"" + local(port) +
                                                 "\"\nupstream = \"" + local(app) + "\"\n");
            return test::Command{.argv = {test::vitals_binary(), "run", "--config", file.string(),
                                          "--", "sleep", "100000"},
                                 .environment = {{"VITALS_LISTEN", "127.0.0.1:0"}}};
          }};
}

/// The child of `supervisor` that is the front door.
pid_t door_of(pid_t supervisor) {
  const std::string self = std::to_string(supervisor);
  std::ifstream children("/proc/" + self + "/task/" + self + "/children");
  for (pid_t child = 0; children >> child;) {
    std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
    std::string words;
    std::getline(file, words);
    if (words.find("front-door") != std::string::npos) return child;
  }
  throw std::runtime_error("the front door's process is not there");
}

double megabytes_per_second(const Running& program) {
  const auto begin = Clock::now();
  const auto finished =
      test::run({.argv = {"curl", "-sS", "-o", "/dev/null", program.url("/bulk")}});
  if (finished.code != 0) throw std::runtime_error("curl: " + finished.output);
  return static_cast<double>(bulk_size) / megabyte / (milliseconds(Clock::now() - begin) / 1'000);
}

struct Figures {
  std::vector<double> rates;
  std::vector<double> p99;
  std::vector<double> bulk;

  [[nodiscard]] double rate() const { return percentile(rates, 0.5); }
  [[nodiscard]] double p99_ms() const { return percentile(p99, 0.5); }
  [[nodiscard]] double bulk_rate() const { return percentile(bulk, 0.5); }

  void measure(const Running& program, const Load& shape) {
    const auto result = load(program, "/", shape);
    rates.push_back(result.requests_per_second);
    p99.push_back(result.p99_ms);
    bulk.push_back(megabytes_per_second(program));
  }
};

Row beside_haproxy(std::string name, const std::string& unit, double ours, double haproxy,
                   double bare) {
  return {
      .name = std::move(name),
      .goal = fmt::format("≥ {:.0f} % of HAProxy", share_goal * 100),
      .measured = fmt::format("{:.0f}{}; {:.0f} %", ours, unit, ours / haproxy * 100),
      .beside = fmt::format("HAProxy (TCP) {:.0f}{}, no proxy {:.0f}{}", haproxy, unit, bare, unit),
      .met = ours >= share_goal * haproxy};
}

/// Both ends of every connection live on this machine.
void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Row idle_websockets(std::size_t count) {
  raise_descriptor_limit();
  const test::NodeApp app;
  const Running door(front_door(app.port()));
  const pid_t pid = door_of(door.pid());
  const double before = memory_of(pid).resident;
  std::vector<std::unique_ptr<test::RawClient>> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    sockets.push_back(std::make_unique<test::RawClient>(door.port()));
    sockets.back()->send(test::websocket_request("/ws"));
    if (!sockets.back()->until("\r\n\r\n").starts_with("HTTP/1.1 101")) {
      throw std::runtime_error("no WebSocket after " + std::to_string(i));
    }
  }
  const double each = (memory_of(pid).resident - before) / 1'000 / static_cast<double>(count);
  for (const auto& socket : sockets) {
    socket->send(test::websocket_frame("alive"));
    if (!socket->until("alive").ends_with("alive")) throw std::runtime_error("a WebSocket is dead");
  }
  return at_most(fmt::format("front door: memory of each of {} idle WebSockets", count),
                 memory_goal, each, "");
}

}  // namespace

std::vector<Row> measure_front(Context& context) {
  const Load shape{clients, context.time(std::chrono::seconds(5), std::chrono::seconds(2))};
  const Program files = nginx_app();  // it owns their folder
  const Running app(files);
  const Running haproxy(tcp_haproxy(app.port()));
  const Running door(front_door(app.port()));
  Figures bare;
  Figures theirs;
  Figures ours;
  // In turns: what else the machine does meets all of them.
  for (int i = 0; i < context.rounds(5, 2); ++i) {
    bare.measure(app, shape);
    theirs.measure(haproxy, shape);
    ours.measure(door, shape);
  }
  const std::string name = fmt::format("front door, {} clients: ", clients);
  const auto p99 = [](const Figures& figures) { return with_unit(figures.p99_ms(), "ms", 2); };
  return {beside_haproxy(name + "requests a second", "", ours.rate(), theirs.rate(), bare.rate()),
          {.name = name + "p99",
           .goal = fmt::format("≤ {:.0f} % of HAProxy", 100 / share_goal),
           .measured = p99(ours),
           .beside = "HAProxy (TCP) " + p99(theirs) + ", no proxy " + p99(bare),
           .met = ours.p99_ms() <= theirs.p99_ms() / share_goal},
          beside_haproxy("front door: 1 GiB from nginx", " MB/s", ours.bulk_rate(),
                         theirs.bulk_rate(), bare.bulk_rate()),
          idle_websockets(context.quick ? 1'000 : 5'000)};
}

}  // namespace vitals::bench
