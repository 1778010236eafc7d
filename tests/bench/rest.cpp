// What the agent costs while nothing happens: ten checks, every ten seconds.
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"

namespace vitals::bench {
namespace {

constexpr Goal memory_goal{.most = 10.0, .unit = "MB"};
constexpr Goal cpu_goal{.most = 0.2, .unit = "%", .decimals = 3};

}  // namespace

std::vector<Row> measure_rest(Context& context) {
  const Running agent(vitals(context.servers.ten_checks()));
  wait_until_all_pass(agent);
  const auto begin = Clock::now();
  const auto before = cpu_time(agent.pid());
  // The passing of time is what is measured.
  std::this_thread::sleep_for(context.time(std::chrono::seconds(60), std::chrono::seconds(15)));
  const auto spent = cpu_time(agent.pid()) - before;
  const double share = microseconds(spent) / microseconds(Clock::now() - begin);
  const auto memory = memory_of(agent.pid());
  return {at_most("10 checks at rest: resident memory", memory_goal, memory.resident / megabyte, "",
                  with_unit(memory.anonymous / megabyte, "MB") + " of it not backed by the file"),
          at_most("10 checks at rest: CPU of one core", cpu_goal, share * 100)};
}

}  // namespace vitals::bench
