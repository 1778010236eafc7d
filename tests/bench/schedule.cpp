// 1,000 checks a second: rounds that come late, by the log of the server they ask.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"

namespace vitals::bench {
namespace {

constexpr int checks = 1'000;
constexpr double interval_s = 1;
/// A round that comes this much after its time is late; the server writes whole milliseconds.
constexpr double late_s = 0.1;
constexpr std::chrono::seconds settling{3};

std::string thousand_checks(const Nginx& nginx) {
  // Without jitter every gap between two rounds should be the interval.
  std::string config =
      "[defaults]\ninterval = \"1s\"\nretry_interval = \"1s\"\ntimeout = \"800ms\"\njitter = 0\n";
  for (int i = 0; i < checks; ++i) {
    config +=
        fmt::format("[checks.c{}]\nkind = \"http\"\nurl = \"{}{}\"\n", i, nginx.url(noted_path), i);
  }
  return config;
}

struct Rounds {
  int seen = 0;
  int late = 0;
  double worst_s = 0;  // of all gaps, beyond the interval
};

/// Gaps between rounds of one check, of those that began after `from`.
Rounds rounds_since(const Nginx& nginx, double from) {
  std::map<std::string, double> last;
  Rounds rounds;
  for (const auto& note : nginx.notes()) {
    const auto [entry, first] = last.try_emplace(note.path, note.seconds);
    if (first || entry->second < from) {
      entry->second = note.seconds;
      continue;
    }
    const double beyond = note.seconds - entry->second - interval_s;
    ++rounds.seen;
    rounds.late += beyond > late_s ? 1 : 0;
    rounds.worst_s = std::max(rounds.worst_s, beyond);
    entry->second = note.seconds;
  }
  if (last.size() != checks) throw std::runtime_error("not every check was asked");
  return rounds;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::vector<Row> measure_schedule(Context& context) {
  Nginx nginx;  // its notes are of this run alone
  const Running agent(vitals(thousand_checks(nginx)));
  wait_until_all_pass(agent);
  std::this_thread::sleep_for(settling);
  const double from = wall_seconds();
  const auto accepted = nginx.accepted();
  const auto before = cpu_time(agent.pid());
  // The passing of time is what is measured.
  std::this_thread::sleep_for(context.time(std::chrono::seconds(20), std::chrono::seconds(5)));
  const double attempts = nginx.accepted() - accepted;
  const auto spent = cpu_time(agent.pid()) - before;
  const double share = microseconds(spent) / 1e6 / (wall_seconds() - from);
  const auto memory = memory_of(agent.pid());
  const auto rounds = rounds_since(nginx, from);
  const std::string name = fmt::format("{} http checks at 1 s: ", checks);
  return {at_most(name + "late rounds", {.most = 0, .decimals = 0}, rounds.late, "",
                  fmt::format("of {}, worst {:.0f} ms behind", rounds.seen, rounds.worst_s * 1e3)),
          {.name = name + "CPU of one core, memory",
           .goal = "",
           .measured =
               fmt::format("{:.1f} % ({:.0f} ms per 1,000 attempts), {:.0f} MB", share * 100,
                           milliseconds(spent) / attempts * 1'000, memory.resident / megabyte)}};
}

}  // namespace vitals::bench
