// What answers cost: /health under load, and /metrics scrape by scrape.
#include <fmt/format.h>

#include <functional>
#include <memory>

#include "tests/bench/bare_loop.hpp"
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
  Series(const Running& program, std::string path) : program_(&program), path_(std::move(path)) {}

  void measure(const Load& shape) {
    (void)load(*program_, path_, {shape.connections, std::chrono::seconds(1)});
    const auto result = load(*program_, path_, shape);
    p99_.push_back(result.p99_ms);
    cpu_.push_back(result.cpu_us);
    rate_.push_back(result.requests_per_second);
  }
  [[nodiscard]] double p99_ms() const { return percentile(p99_, 0.5); }
  [[nodiscard]] double cpu_us() const { return percentile(cpu_, 0.5); }
  [[nodiscard]] double rate() const { return percentile(rate_, 0.5); }

 private:
  const Running* program_;
  std::string path_;
  std::vector<double> p99_;
  std::vector<double> cpu_;
  std::vector<double> rate_;
};

/// Programs that take turns: what disturbs the machine for a while disturbs all of them.
class Contest {
 public:
  explicit Contest(Load shape) : shape_(shape) {}

  /// `shown_as`: its name in the table.
  void add(const Program& program, const std::string& shown_as) {
    try {
      auto running = std::make_unique<Running>(program);
      auto series = Series(*running, program.health);
      entries_.push_back({shown_as, std::move(running), std::move(series)});
    } catch (const std::exception& error) {
      absent_.push_back(shown_as + ": " + error.what());
    }
  }
  void play_round() {
    for (auto& entry : entries_) entry.series.measure(shape_);
  }
  /// "name figure, name figure", and who could not take part.
  [[nodiscard]] std::string all(const std::function<std::string(const Series&)>& figure) const {
    auto texts = absent_;
    for (const auto& entry : entries_) texts.push_back(entry.name + " " + figure(entry.series));
    return listed(texts);
  }

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<Running> running;
    Series series;
  };
  Load shape_;
  std::vector<Entry> entries_;
  std::vector<std::string> absent_;
};

std::string page_size(const Running& program) {
  const auto size = static_cast<double>(test::http(program.port(), "/metrics").body.size());
  return with_unit(size / 1'000, "KB");
}

}  // namespace

std::vector<Row> measure_health(Context& context) {
  const Load shape{clients, context.time(std::chrono::seconds(3), std::chrono::seconds(2))};
  const Running agent(vitals(context.servers.ten_checks()));
  wait_until_all_pass(agent);
  Series ours(agent, "/health");
  Contest others(shape);
  others.add(bare_loop(test::http(agent.port(), "/health").body), "bare loop, same answer");
  others.add(bare_loop("ok"), "bare loop, 2 bytes");
  others.add(haproxy(), "HAProxy, 2 bytes");
  others.add(blackbox_exporter(context.servers.nginx()), "blackbox_exporter");
  for (int i = 0; i < context.rounds(7, 1); ++i) {
    ours.measure(shape);
    others.play_round();
  }
  const auto p99 = [](const Series& one) { return with_unit(one.p99_ms(), "ms", 2); };
  const auto cpu = [](const Series& one) { return with_unit(one.cpu_us(), "µs"); };
  const auto rate = [](const Series& one) { return fmt::format("{:.0f}", one.rate()); };
  const std::string name = fmt::format("/health, {} clients: ", clients);
  return {at_most(name + "p99", latency_goal, ours.p99_ms(), others.all(p99)),
          at_most(name + "CPU a request", request_goal, ours.cpu_us(), others.all(cpu)),
          {.name = name + "requests a second",
           .goal = "",
           .measured = rate(ours),
           .beside = others.all(rate)}};
}

std::vector<Row> measure_metrics(Context& context) {
  const Load shape{1, context.time(std::chrono::seconds(3), std::chrono::seconds(1))};
  const int rounds = context.rounds(3, 1);
  const auto figure = [&](const Running& running) {
    Series series(running, "/metrics");
    for (int i = 0; i < rounds; ++i) series.measure(shape);
    return series.cpu_us();
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
