// Runs wrk and reads its report; asks by itself where each answer counts.
#include "tests/bench/load.hpp"

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/raw_client.hpp"

namespace vitals::bench {
namespace {

/// "1.52ms", "830.00us", "1.01s".
double as_milliseconds(const std::string& text) {
  char* unit = nullptr;
  const double value = std::strtod(text.c_str(), &unit);
  if (std::string(unit) == "us") return value / 1'000;
  return std::string(unit) == "s" ? value * 1'000 : value;
}

LoadResult read_report(const std::string& report) {
  LoadResult result;
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    if (first == "99%") result.p99_ms = as_milliseconds(second);
    if (first == "Requests/sec:") result.requests_per_second = std::strtod(second.c_str(), nullptr);
    if (second == "requests") result.requests = std::strtod(first.c_str(), nullptr);
    if (first == "Non-2xx" || first == "Socket") throw std::runtime_error("wrk: " + line);
  }
  if (result.requests <= 0) throw std::runtime_error("wrk: " + report);
  return result;
}

}  // namespace

LoadResult load(const Running& program, const std::string& path, const Load& load) {
  const auto before = cpu_time(program.pid());
  const auto finished = test::run(
      {.argv = {"wrk", "-t1", "-c" + std::to_string(load.connections),
                "-d" + std::to_string(load.time.count()) + "s", "--latency", program.url(path)}},
      load.time + std::chrono::seconds(30));
  const auto spent = cpu_time(program.pid()) - before;
  auto result = read_report(finished.output);
  result.cpu_us = microseconds(spent) / result.requests;
  return result;
}

std::vector<double> answer_times(const Running& program, const std::string& path,
                                 const Questions& questions) {
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
  std::vector<double> times;
  for (int i = 0; i < questions.count; ++i) {
    if (questions.pause.count() > 0) std::this_thread::sleep_for(questions.pause);
    const auto begin = Clock::now();
    test::RawClient client(program.port());
    if (!client.ask(request)) throw std::runtime_error("does not answer others any more");
    times.push_back(milliseconds(Clock::now() - begin));
  }
  return times;
}

}  // namespace vitals::bench
