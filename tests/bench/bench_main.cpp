// vitals_bench [--only NAME]... [--quick]: measures what the project promises of speed and size and
// prints one Markdown table. A missed goal is marked, never an error: machines differ.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/bare_loop.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/golden.hpp"

namespace vitals::bench {
namespace {

struct Benchmark {
  std::string_view name;
  std::string_view doc;
  std::vector<Row> (*measure)(Context& context);
};

constexpr std::array<Benchmark, 14> benchmarks{{
    {"size", "bytes and linkage of the binary", measure_size},
    {"rest", "memory and CPU of ten checks in peace (60 s)", measure_rest},
    {"startup", "from exec to the first answer", measure_startup},
    {"parent", "what `vitals run` costs the app, beside tini", measure_parent},
    {"health", "/health under load", measure_health},
    {"metrics", "/metrics scrape by scrape", measure_metrics},
    {"busy", "/health beside an app that keeps every CPU busy", measure_busy},
    {"page", "the status page of 100 checks", measure_page},
    {"crowd", "2,000 idle and half-sent connections", measure_crowd},
    {"descriptors", "more clients than descriptors", measure_descriptors},
    {"schedule", "1,000 checks a second", measure_schedule},
    {"attempts", "CPU and allocations of one attempt of each kind", measure_attempts},
    {"front", "the front door beside HAProxy in TCP mode and no proxy", measure_front},
    {"footprint", "memory beside a Node app in 256 MB (10 min)", measure_footprint},
}};

constexpr int usage_code = 3;

struct Options {
  bool quick = false;
  std::vector<std::string_view> only;
};

int usage() {
  std::cerr << "vitals_bench [--quick] [--only NAME]...\n";
  for (const auto& benchmark : benchmarks) {
    std::cerr << "  " << benchmark.name << ": " << benchmark.doc << "\n";
  }
  return usage_code;
}

bool is_benchmark(std::string_view name) {
  return std::any_of(benchmarks.begin(), benchmarks.end(),
                     [&](const Benchmark& benchmark) { return benchmark.name == name; });
}

/// False: these words mean nothing.
bool read_options(const std::vector<std::string_view>& words, Options& options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--quick") {
      options.quick = true;
    } else if (words[i] == "--only" && i + 1 < words.size() && is_benchmark(words[i + 1])) {
      options.only.push_back(words[++i]);
    } else {
      return false;
    }
  }
  return true;
}

bool is_wanted(const Options& options, std::string_view name) {
  return options.only.empty() ||
         std::find(options.only.begin(), options.only.end(), name) != options.only.end();
}

std::vector<Row> rows_of(const Benchmark& benchmark, Context& context) {
  try {
    return benchmark.measure(context);
  } catch (const std::exception& error) {
    std::cerr << "bench: " << benchmark.name << ": " << error.what() << "\n";
    return {{.name = std::string(benchmark.name),
             .goal = "",
             .measured = "could not be measured",
             .met = false}};
  }
}

void print(const Row& row) {
  std::cout << "| " << row.name << " | " << row.goal << " | "
            << (row.met ? row.measured : "**" + row.measured + " (missed)**") << " | " << row.beside
            << " |\n"
            << std::flush;
}

void run(const Options& options) {
  Servers servers;
  Context context{options.quick, servers};
  const auto on = machine();
  std::cout << "| what | goal | measured | beside it |\n|---|---|---|---|\n";
  for (const auto& benchmark : benchmarks) {
    if (!is_wanted(options, benchmark.name)) continue;
    std::cerr << "bench: " << benchmark.name << ": " << benchmark.doc << "\n";
    for (const auto& row : rows_of(benchmark, context)) print(row);
  }
  std::cout << "\nMeasured on " << on << (options.quick ? "; --quick" : "") << ".\n";
}

}  // namespace
}  // namespace vitals::bench

int main(int count, char** first) {
  const std::vector<std::string_view> words(first + 1, first + count);
  if (words.size() == 3 && words[0] == vitals::bench::bare_loop_word) {
    vitals::bench::serve_bare(static_cast<std::uint16_t>(std::stoi(std::string(words[1]))),
                              vitals::test::read_file(words[2]));
  }
  vitals::bench::Options options;
  if (!vitals::bench::read_options(words, options)) return vitals::bench::usage();
  vitals::bench::run(options);
  return 0;
}
