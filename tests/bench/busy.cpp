// An app that keeps every CPU busy: how long /health takes meanwhile.
#include <exception>
#include <list>
#include <thread>

#include "agent/schedule/thread.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"

namespace vitals::bench {
namespace {

constexpr unsigned spinners_per_cpu = 2;
/// Fly asks each few seconds; who asks without a pause uses up his own share of the CPU.
constexpr std::chrono::milliseconds pause{20};

class BusyMachine {
 public:
  BusyMachine() {
    for (unsigned i = 0; i < spinners_per_cpu * std::thread::hardware_concurrency(); ++i) {
      spinners_.emplace_back(test::Command{.argv = {"sh", "-c", "while :; do :; done"}});
    }
  }

 private:
  std::list<test::Process> spinners_;
};

/// In ms, of all rounds; asked by a thread with turns as short as those of the agent, so that the
/// asker's own waiting is the least part of it.
class Asked {
 public:
  Asked(const Program& program, int count)
      : running_(program), path_(program.health), count_(count) {}

  [[nodiscard]] const Running& running() const { return running_; }
  void ask() {
    std::exception_ptr failed;
    auto asker = Thread::start("asker", [&] {
      try {
        const auto more = answer_times(running_, path_, {count_, pause});
        times_.insert(times_.end(), more.begin(), more.end());
      } catch (...) {
        failed = std::current_exception();
      }
    });
    asker.value().join();
    if (failed) std::rethrow_exception(failed);
  }
  [[nodiscard]] std::string p99() const { return with_unit(percentile(times_, 0.99), "ms", 2); }
  [[nodiscard]] std::string p50() const { return with_unit(percentile(times_, 0.5), "ms", 2); }

 private:
  Running running_;
  std::string path_;
  int count_;
  std::vector<double> times_;
};

}  // namespace

std::vector<Row> measure_busy(Context& context) {
  const int count = context.rounds(200, 50);
  Asked ours(vitals(context.servers.ten_checks()), count);
  wait_until_all_pass(ours.running());
  Asked balancer(haproxy(), count);
  Asked exporter(blackbox_exporter(context.servers.nginx()), count);
  const BusyMachine busy;
  for (int i = 0; i < context.rounds(5, 1); ++i) {
    for (auto* asked : {&ours, &balancer, &exporter}) asked->ask();
  }
  const std::string name =
      "/health beside " + std::to_string(spinners_per_cpu) + " spinning processes a CPU: ";
  return {{.name = name + "p99",
           .goal = "",
           .measured = ours.p99() + "; p50 " + ours.p50(),
           .beside = listed({"HAProxy " + balancer.p99(), "blackbox_exporter " + exporter.p99()})}};
}

}  // namespace vitals::bench
