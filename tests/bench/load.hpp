// Load from the wrk command, and what the asked program spends on it; single questions.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tests/bench/programs.hpp"

namespace vitals::bench {

struct Load {
  int connections = 1;
  std::chrono::seconds time{5};
};

struct LoadResult {
  double requests = 0;
  double requests_per_second = 0;
  double p99_ms = 0;
  double cpu_us = 0;  // of the program, per request
};

/// Kept connections, one thread of wrk. Throws when an answer is not 2xx or a socket fails: figures
/// of errors mean nothing.
[[nodiscard]] LoadResult load(const Running& program, const std::string& path, const Load& load);

struct Questions {
  int count = 1;
  std::chrono::milliseconds pause{0};  // before each
};

/// Times in ms of one client that asks on a new connection each time. Throws when an answer does
/// not come.
[[nodiscard]] std::vector<double> answer_times(const Running& program, const std::string& path,
                                               const Questions& questions);

}  // namespace vitals::bench
