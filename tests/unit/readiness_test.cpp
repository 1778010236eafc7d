// The sentences that say why a Machine is ready or not.
#include "agent/verdict/readiness.hpp"

#include <doctest/doctest.h>

#include "agent/serve/report.hpp"
#include "agent/verdict/board.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

using test::at;

Snapshot failing_with(const FleetWord& word) {
  Snapshot snapshot;
  snapshot.startup_latched = true;
  auto state = fresh_state(test::spec("db"), at(0));
  for (const double end : {1.0, 2.0, 3.0}) {
    apply_sample(state, test::sample(failed(Reason::refused, "connection refused"), end));
  }
  snapshot.checks = {std::make_shared<CheckState>(std::move(state))};
  snapshot.fleet = {word};
  return snapshot;
}

std::string ready_line(const Snapshot& snapshot) {
  const Instant now = at(5);
  const auto text =
      render_json(snapshot, judge(snapshot, now.mono), {.view = View::ready}, {}, now);
  const std::string key = "\"output\": \"";
  const auto begin = text.find(key) + key.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

TEST_CASE("readiness: log and document say what other Machines see") {
  struct Row {
    FleetWord word;
    std::string cause;
    std::string output;
  };
  const TimePoint heard = at(4).mono;
  const std::string db = "db: connection refused (refused) for 4s";
  const std::vector<Row> rows{
      {{"db", FleetVerdict::ours, 8, 1, false, heard},
       "db: refused; 7 of 8 other Machines that answer pass it",
       "not ready: " + db + "; 7 of 8 other Machines that answer pass it"},
      {{"db", FleetVerdict::shared, 1, 1, false, heard},
       "db: refused; 1 of 1 other Machine that answers fail it, too",
       "stays ready on purpose (fail_open): " + db +
           "; 1 of 1 other Machine that answers fail it, too"},
      {{"db", FleetVerdict::alone, 0, 0, false, heard},
       "db: refused; no other Machine answers",
       "stays ready on purpose (fail_open): " + db + "; no other Machine answers"},
      {{"db", FleetVerdict::alone, 8, 1, false, heard},
       "db: refused; other Machines are being asked",
       "stays ready on purpose (fail_open): " + db + "; other Machines are being asked"},
      {{"db", FleetVerdict::ours, 8, 1, false, heard - fleet_word_good_for},
       "db: refused",
       "stays ready on purpose (fail_open): " + db},
  };
  for (const Row& row : rows) {
    const Snapshot snapshot = failing_with(row.word);
    CHECK(readiness_cause(snapshot, judge(snapshot, at(5).mono)) == row.cause);
    CHECK(ready_line(snapshot) == row.output);
  }
}

TEST_CASE("board: the fleet's word changes readiness at once, each way with one event") {
  std::vector<std::string> events;
  StatusBoard board(at(0), [&](const Event& event) {
    if (event.type == Event::Type::ready) {
      events.push_back((event.on ? "ready " : "not ready ") + event.detail);
    } else if (event.type == Event::Type::fail_open) {
      events.push_back((event.on ? "fail_open " : "no fail_open ") + event.detail);
    }
  });
  const auto spec = test::spec("db");
  board.set_checks({spec}, SharedRule::fleet, at(0));
  const auto feed = [&](ProbeResult result, double end) {
    const auto attempt = board.begin(*spec, at(end - 0.1));
    REQUIRE(attempt);
    CHECK(board.finish(*attempt, test::sample(std::move(result), end)));
  };
  feed(passed(""), 1);
  for (const double end : {2.0, 3.0, 4.0}) feed(failed(Reason::refused, ""), end);
  board.set_fleet({{"db", FleetVerdict::ours, 4, 0, false, at(5).mono}}, at(5));
  board.set_fleet({{"db", FleetVerdict::ours, 4, 1, false, at(15).mono}}, at(15));
  board.set_fleet({{"db", FleetVerdict::shared, 4, 2, false, at(25).mono}}, at(25));
  CHECK(events == std::vector<std::string>{
                      "ready ", "fail_open db: refused",
                      "not ready db: refused; 4 of 4 other Machines that answer pass it",
                      "no fail_open ",
                      "ready db: refused; 2 of 4 other Machines that answer fail it, too",
                      "fail_open db: refused; 2 of 4 other Machines that answer fail it, too"});
}

}  // namespace
}  // namespace vitals
