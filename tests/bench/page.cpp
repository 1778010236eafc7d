// What the status page costs: time to render, bytes to send, memory of what it tells.
#include <fmt/format.h>
#include <malloc.h>

#include <string>
#include <vector>

#include <vitals/text.hpp>

#include "agent/serve/page.hpp"
#include "tests/bench/bench.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::bench {
namespace {

constexpr Goal page_goal{.most = 5.0, .unit = "ms", .decimals = 2};
constexpr Goal size_goal{.most = 40.0, .unit = "KB"};
constexpr int checks = 100;
constexpr std::size_t checks_with_history = 1'000;
constexpr Goal history_goal{
    .most =
        static_cast<double>(checks_with_history * history_bytes_per_check + history_bytes_shared) /
        1e6,
    .unit = "MB",
    .decimals = 2};

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

/// As many checks as there may be, each with every ring full and the longest texts there are.
double history_megabytes() {
  const std::string longest(server_text_max, 'x');
  const std::size_t before = mallinfo2().uordblks;
  History history;
  for (std::size_t check = 0; check < checks_with_history; ++check) {
    const std::string name = fmt::format("a-check-with-a-name-of-63-characters-{}", check);
    for (std::size_t i = 0; i <= results_kept; ++i) {
      const auto second = static_cast<double>(i);
      history.note_result(name,
                          {test::at(second), test::at(second), failed(Reason::status, longest)});
    }
    history.note_transition({.check = name, .detail = longest + longest});
  }
  return static_cast<double>(mallinfo2().uordblks - before) / 1e6;
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
      at_most("the status page of 100 checks: size", size_goal, static_cast<double>(size) / 1'000),
      at_most("history of 1,000 checks at their worst", history_goal, history_megabytes())};
}

}  // namespace vitals::bench
