// What vitals costs beside a real Node app in 256 MB: supervisor, agent and front door together,
// over ten minutes of traffic, with every check asked each second.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/voice_bot.hpp"

namespace vitals::bench {
namespace {

using test::VoiceBot;
using namespace std::chrono_literals;

constexpr std::chrono::minutes measured_for{10};
constexpr std::chrono::seconds quick_for{20};
constexpr Goal memory_goal{.most = 10.0, .unit = "MB", .decimals = 2};
/// In the second half, when rings are full and buffers have their size: noise, and no leak.
constexpr Goal growth_goal{.most = 0.2, .unit = "MB", .decimals = 2};
constexpr auto pause_between_rounds = 50ms;

/// All processes of the binary below, and with, this one: the supervisor itself is `root`.
std::vector<pid_t> processes_of(pid_t root) {
  std::vector<pid_t> all{root};
  const auto program = [](pid_t pid) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error);
  };
  for (const auto& child : test::children_of(root)) {
    if (program(child.pid) == program(root)) all.push_back(child.pid);
  }
  constexpr std::size_t helpers_and_supervisor = 3;
  if (all.size() != helpers_and_supervisor) {
    throw std::runtime_error(fmt::format("{} processes instead of 3", all.size()));
  }
  return all;
}

double megabytes_of(const std::vector<pid_t>& pids) {
  double bytes = 0;
  for (const pid_t pid : pids) bytes += memory_of(pid).proportional;
  return bytes / megabyte;
}

/// One look at everything that users, Fly, Prometheus and people ask for. The number of answers.
int traffic(int round) {
  const auto front = [](const std::string& target) {
    return test::http(test::front_port, target).status == 200 ? 1 : 0;
  };
  int answers = front("/healthz") + front("/healthz/db") + front("/health/ready");
  if (round % 10 == 0) answers += front("/answer?host=api.openai.com");
  if (round % 20 == 0) {
    for (const char* target : {"/health", "/metrics", "/", "/history"}) {
      answers += test::http(test::agent_port, target).status == 200 ? 1 : 0;
    }
  }
  return answers;
}

struct Measured {
  std::vector<std::pair<std::string, double>> at;  // "start", "1 min" …: megabytes
  double peak = 0;
  double agent_resident = 0;
  double node_resident = 0;
  int answers = 0;
};

Measured measure(VoiceBot& bot, std::chrono::seconds how_long) {
  const auto pids = processes_of(bot.stack.process().pid());
  Measured measured{.at = {{"start", megabytes_of(pids)}}};
  const auto begin = Clock::now();
  const std::vector<std::chrono::seconds> marks{how_long / 10, how_long / 2, how_long};
  for (int round = 0; measured.at.size() <= marks.size(); ++round) {
    measured.answers += traffic(round);
    const double now = megabytes_of(pids);
    measured.peak = std::max(measured.peak, now);
    const auto when = marks[measured.at.size() - 1];
    if (Clock::now() - begin >= when) {
      measured.at.emplace_back(fmt::format("{} s", when.count()), now);
    }
    std::this_thread::sleep_for(pause_between_rounds);  // users pause, too
  }
  measured.agent_resident =
      memory_of(test::agent_of(bot.stack.process().pid())).resident / megabyte;
  measured.node_resident = memory_of(bot.stack.app_pid()).resident / megabyte;
  return measured;
}

std::string listed_by_time(const Measured& measured) {
  std::vector<std::string> figures;
  for (const auto& [when, size] : measured.at) {
    figures.push_back(when + " " + with_unit(size, "", 2));
  }
  return listed(figures);
}

}  // namespace

std::vector<Row> measure_footprint(Context& context) {
  if (!test::Machine::possible()) throw std::runtime_error("it takes root: a network of its own");
  VoiceBot bot;
  const auto measured = measure(bot, context.time(measured_for, quick_for));
  const std::string limit = bot.group ? "limited to 256 MB by a cgroup"
                                      : "not limited: no cgroup can be made on this machine";
  return {
      at_most(
          fmt::format("beside Node ({}): supervisor, agent and door together, most of {} answers",
                      limit, measured.answers),
          memory_goal, measured.peak,
          fmt::format("Node {}", with_unit(measured.node_resident, "MB", 0)),
          listed_by_time(measured) + fmt::format("; the agent alone {} resident",
                                                 with_unit(measured.agent_resident, "MB", 2))),
      at_most("beside Node: growth in the second half of the time", growth_goal,
              std::max(0.0, measured.at.back().second - measured.at.at(2).second))};
}

}  // namespace vitals::bench
