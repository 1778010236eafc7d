// What it costs an app to be started under `vitals run`, beside no parent at all and beside tini.
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/process.hpp"

namespace vitals::bench {
namespace {

constexpr Goal delay_goal{.most = 5.0, .unit = "ms", .decimals = 2};
constexpr Goal memory_goal{.most = 1'000, .unit = "KB", .decimals = 0};
constexpr std::chrono::seconds patience{10};

const std::map<std::string, std::string> environment{{"VITALS_LISTEN", "127.0.0.1:0"},
                                                     {"VITALS_LOG_LEVEL", "error"}};

/// From our fork to the app's first breath: it writes the clock that we read, too.
double start_ms(const std::vector<std::string>& wrapper, const std::string& mark) {
  std::vector<std::string> words = wrapper;
  // bash is there on every Debian; what its own start takes is in every figure alike.
  for (const char* word : {"bash", "--norc", "-c", "echo $EPOCHREALTIME > \"$0\""}) {
    words.emplace_back(word);
  }
  words.push_back(mark);
  timespec begin{};
  clock_gettime(CLOCK_REALTIME, &begin);
  const auto finished = test::run({words, environment}, patience);
  if (finished.code != 0)
    throw std::runtime_error("it ended with " + std::to_string(finished.code));
  double then = 0;
  std::ifstream(mark) >> then;
  constexpr double nanoseconds = 1e9;
  return (then - static_cast<double>(begin.tv_sec) -
          static_cast<double>(begin.tv_nsec) / nanoseconds) *
         1e3;
}

double median_start_ms(const std::vector<std::string>& wrapper, int rounds) {
  const test::TempDir folder;
  const auto mark = (folder.path() / "mark").string();
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) times.push_back(start_ms(wrapper, mark));
  return percentile(std::move(times), 0.5);
}

/// What the process itself wrote, in KB; the rest is pages of its file.
double own_memory(pid_t pid) {
  double kib = 0;
  for (const auto& line : test::lines_of("/proc/" + std::to_string(pid) + "/smaps_rollup")) {
    if (line.starts_with("Private_Dirty:")) kib = std::stod(line.substr(14));
  }
  constexpr double kibibyte = 1.024;
  if (kib <= 0) throw std::runtime_error("its memory can't be read");
  return kib * kibibyte;
}

double memory_under(const std::vector<std::string>& wrapper) {
  std::vector<std::string> words = wrapper;
  for (const char* word : {"sleep", "1000"}) words.emplace_back(word);
  test::Process process({words, environment});
  const auto running = [&] {
    for (const auto& child : test::children_of(process.pid())) {
      if (child.command.starts_with("sleep")) return true;
    }
    return false;
  };
  if (!test::eventually(running)) throw std::runtime_error("its app does not start");
  const double memory = own_memory(process.pid());
  process.stop();
  return memory;
}

}  // namespace

std::vector<Row> measure_parent(Context& context) {
  const std::vector<std::string> ours{test::vitals_binary(), "run", "--"};
  const std::vector<std::string> tini{"tini", "-s", "--"};
  const int rounds = context.rounds(100, 15);
  const double bare = median_start_ms({}, rounds);
  const double delay = median_start_ms(ours, rounds) - bare;
  return {at_most("start of the app under `vitals run`, later than bare", delay_goal, delay,
                  beside("tini",
                         [&] { return with_unit(median_start_ms(tini, rounds) - bare, "ms", 2); })),
          at_most("supervisor: memory of its own", memory_goal, memory_under(ours),
                  beside("tini", [&] { return with_unit(memory_under(tini), "KB", 0); }))};
}

}  // namespace vitals::bench
