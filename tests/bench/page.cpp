// What the status page costs: time to render, bytes to send.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "agent/serve/page.hpp"
#include "tests/bench/bench.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::bench {
namespace {

constexpr Goal page_goal{.most = 5.0, .unit = "ms", .decimals = 2};
constexpr Goal size_goal{.most = 40.0, .unit = "KB"};
constexpr int checks = 100;

struct World {
  Snapshot snapshot;
  History history;
};

/// Every third check fails, all have sixty results, and fifty changes are kept.
void fill(World& world) {
  using test::at;
  std::vector<test::Story> stories;
  for (int i = 0; i < checks; ++i) {
    const std::string name = fmt::format("check-{}", i);
    test::Story story({.name = name, .kind = &test::fake_http(), .fall = 1});
    for (int second = 0; second < 60; ++second) {
      const bool fails = i % 3 == 0 && second % 7 == 0;
      ProbeResult result =
          fails ? failed(Reason::timeout, "no answer within the timeout") : passed("200");
      const double took = 1.0 + second % 9;
      world.history.note_result(name, {at(second - took / 1e3), at(second), result});
      story.feed(second, took, std::move(result));
    }
    world.history.note_transition({.at = at(60).wall,
                                   .check = name,
                                   .from = Status::pass,
                                   .to = Status::fail,
                                   .reason = Reason::timeout,
                                   .detail = "no answer within the timeout"});
    stories.push_back(std::move(story));
  }
  world.snapshot = test::snapshot_of(stories);
}

}  // namespace

std::vector<Row> measure_page(Context& context) {
  World world;
  fill(world);
  const Identity identity{.description = "my-app in sin", .app = "my-app", .region = "sin"};
  std::vector<double> times;
  std::size_t size = 0;
  for (int i = 0; i < context.rounds(200, 20); ++i) {
    const TimePoint begin = Clock::now();
    const Judgement judgement = judge(world.snapshot, test::at(61).mono);
    const std::string page =
        render_page({world.snapshot, judgement, {}, world.history, identity, test::at(61)});
    times.push_back(milliseconds(Clock::now() - begin));
    size = page.size();
  }
  return {
      at_most("the status page of 100 checks: p99 of rendering", page_goal,
              percentile(times, 0.99)),
      at_most("the status page of 100 checks: size", size_goal, static_cast<double>(size) / 1'000)};
}

}  // namespace vitals::bench
