// What answers cost: /health under load, and /metrics scrape by scrape.
#include <fmt/format.h>

#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/support/agent.hpp"

namespace vitals::bench {
namespace {

constexpr Goal latency_goal{.most = 2.0, .unit = "ms", .decimals = 2};
constexpr Goal request_goal{.most = 8.0, .unit = "µs"};
constexpr Goal scrape_goal{.most = 300, .unit = "µs", .decimals = 0};
constexpr int clients = 64;

/// Loads a program for a moment before each measurement; the median of each figure counts.
class Series {
 public:
  Series(const Running& program, std::string path) : program_(program), path_(std::move(path)) {}

  void measure(const Load& shape) {
    (void)load(program_, path_, {shape.connections, std::chrono::seconds(1)});
    const auto result = load(program_, path_, shape);
    p99_.push_back(result.p99_ms);
    cpu_.push_back(result.cpu_us);
    rate_.push_back(result.requests_per_second);
  }
  [[nodiscard]] double p99_ms() const { return percentile(p99_, 0.5); }
  [[nodiscard]] double cpu_us() const { return percentile(cpu_, 0.5); }
  [[nodiscard]] double rate() const { return percentile(rate_, 0.5); }

 private:
  const Running& program_;
  std::string path_;
  std::vector<double> p99_;
  std::vector<double> cpu_;
  std::vector<double> rate_;
};

Series measured(const Running& program, const std::string& path, const Load& shape, int rounds) {
  Series series(program, path);
  for (int i = 0; i < rounds; ++i) series.measure(shape);
  return series;
}

/// The same figures of another program, as far as it is there.
struct Others {
  std::vector<std::string> p99;
  std::vector<std::string> cpu;
  std::vector<std::string> rate;

  void add(const Program& program, const Load& shape, int rounds) {
    try {
      const Running running(program);
      const auto series = measured(running, program.health, shape, rounds);
      p99.push_back(program.name + " " + with_unit(series.p99_ms(), "ms", 2));
      cpu.push_back(program.name + " " + with_unit(series.cpu_us(), "µs"));
      rate.push_back(program.name + fmt::format(" {:.0f}", series.rate()));
    } catch (const std::exception& error) {
      cpu.push_back(program.name + ": " + error.what());
    }
  }
};

std::string page_size(const Running& program) {
  const auto size = static_cast<double>(test::http(program.port(), "/metrics").body.size());
  return with_unit(size / 1'000, "KB");
}

}  // namespace

std::vector<Row> measure_health(Context& context) {
  const Load shape{clients, context.time(std::chrono::seconds(5), std::chrono::seconds(2))};
  const int rounds = context.rounds(3, 1);
  const Running agent(vitals(context.servers.ten_checks()));
  wait_until_all_pass(agent);
  const auto ours = measured(agent, "/health", shape, rounds);
  Others others;
  others.add(blackbox_exporter(context.servers.nginx()), shape, rounds);
  others.add(haproxy(), shape, rounds);
  const std::string name = fmt::format("/health, {} clients: ", clients);
  return {at_most(name + "p99", latency_goal, ours.p99_ms(), listed(others.p99)),
          at_most(name + "CPU a request", request_goal, ours.cpu_us(), listed(others.cpu)),
          {.name = name + "requests a second",
           .goal = "",
           .measured = fmt::format("{:.0f}", ours.rate()),
           .beside = listed(others.rate)}};
}

std::vector<Row> measure_metrics(Context& context) {
  const Load shape{1, context.time(std::chrono::seconds(3), std::chrono::seconds(1))};
  const int rounds = context.rounds(3, 1);
  const auto figure = [&](const Running& running) {
    return measured(running, "/metrics", shape, rounds).cpu_us();
  };
  const Running agent(vitals(context.servers.ten_checks()));
  wait_until_all_pass(agent);
  const double ours = figure(agent);
  const auto other = blackbox_exporter(context.servers.nginx());
  const auto theirs = beside(other.name, [&] {
    const Running running(other);
    return with_unit(figure(running), "µs", 0) + " for " + page_size(running);
  });
  return {at_most("/metrics with 10 checks: CPU a scrape", scrape_goal, ours, theirs,
                  "a page of " + page_size(agent))};
}

}  // namespace vitals::bench
