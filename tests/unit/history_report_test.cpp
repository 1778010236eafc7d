// /history as a document, and what is said of a failure's effect.
#include "agent/serve/history_report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "agent/verdict/group.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::ordered_json;

void fill(History& history) {
  history.note_result("db", {at(1162.998), at(1163), passed("ok")});
  history.note_result("db", {at(1172.9945), at(1173),
                             failed(Reason::saturated, "53300 sorry, too many clients already")});
  history.note_result("app", {at(1199.9988), at(1200), passed("200")});
  history.note_transition({.at = at(1173).wall,
                           .check = "db",
                           .from = Status::pass,
                           .to = Status::fail,
                           .reason = Reason::saturated,
                           .detail = "53300 sorry, too many clients already",
                           .lasted = std::chrono::seconds(1'163)});
  history.note_transition({.at = at(1163).wall,
                           .check = "app",
                           .from = Status::unknown,
                           .to = Status::pass,
                           .detail = "200"});
  history.note_transition({.at = at(1173).wall,
                           .from = Status::pass,
                           .to = Status::fail,
                           .reason = Reason::saturated,
                           .detail = "db: 53300 sorry, too many clients already",
                           .lasted = std::chrono::seconds(1'100)});
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

struct Case {
  Impact impact = Impact::critical;
  Scope scope = Scope::shared;
  bool live = false;
  bool startup = true;
  SharedRule rule = SharedRule::fleet;
  Status status = Status::fail;
  bool muted = false;
  bool gates = false;
};

std::string effects(const Case& given) {
  auto made = spec("db");
  made->impact = given.impact;
  made->scope = given.scope;
  made->live = given.live;
  made->startup = true;
  CheckJudgement check;
  check.status = given.status;
  if (given.muted) check.muted_until = TimePoint::max();
  check.gates = given.gates;
  check.counts = !given.muted && given.impact != Impact::info;
  Judgement machine;
  machine.startup = given.startup;
  return joined(effects_of({*made, check, machine, given.rule}));
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_SUITE("history report") {
  TEST_CASE("history report: verdicts, transitions, and the results of each check") {
    History history;
    fill(history);
    const Snapshot snapshot = failing_snapshot();
    const Judgement judgement = judge(snapshot, at(present).mono);
    const std::string document = render_history(snapshot, judgement, history, at(present));
    CHECK(golden_difference("history.json", document) == "");
    const Json json = Json::parse(document);
    CHECK(json["checks"]["db"]["results"][0]["reason"] == "saturated");
    CHECK(json["checks"]["db"]["p95_ms"] == 2.0);
    CHECK(json["checks"]["cache"]["results"].empty());
    CHECK(json["transitions"][0]["check"] == "app");
    CHECK(json["verdicts"][0]["lasted_seconds"] == 1'100);
  }

  TEST_CASE("history report: one check, with all that explains it") {
    History history;
    fill(history);
    const Snapshot snapshot = failing_snapshot();
    const Judgement judgement = judge(snapshot, at(present).mono);
    const std::string document =
        render_check_history(snapshot, judgement, history,
                             {.check = "db", .next_attempt = at(present + 2).mono}, at(present));
    CHECK(golden_difference("history_check.json", document) == "");
    const Json json = Json::parse(document);
    CHECK(json["next_attempt"] == "2025-12-18T00:20:03Z");
    CHECK(json["transitions"].size() == 1);
    CHECK(json["worst_case_detection_seconds"] == 26);
    CHECK(
        json["worst_case_detection_rule"].get<std::string>().starts_with("interval·(1 + jitter)"));
    CHECK(json["since"] == "2025-12-18T00:19:33Z");
    CHECK(json["last_attempt"]["reason"] == "saturated");
  }

  TEST_CASE("history report: with more than 100 checks results are asked for one by one") {
    std::vector<Story> stories;
    for (std::size_t i = 0; i <= history_overview_max; ++i) {
      stories.push_back(Story({.name = "c" + std::to_string(i), .kind = &fake_http()}));
    }
    const Snapshot snapshot = snapshot_of(stories);
    const Judgement judgement = judge(snapshot, at(present).mono);
    const Json json = Json::parse(render_history(snapshot, judgement, History(), at(present)));
    CHECK(json["checks"].size() == history_overview_max + 1);
    CHECK_FALSE(json["checks"]["c0"].contains("results"));
    CHECK(has(json["note"], "/history?check=NAME"));
  }

  TEST_CASE("history report: a group shows what it needs, and how each of its members is") {
    Snapshot snapshot = failing_snapshot();
    auto group = spec("search");
    group->kind = &group_kind();
    group->members = {"db", "app"};
    group->need = 1;
    auto state = std::make_shared<CheckState>(*snapshot.checks.front());
    state->spec = group;
    snapshot.checks.push_back(state);
    const Judgement judgement = judge(snapshot, at(present).mono);
    const auto document = [&](const std::string& name) {
      return Json::parse(render_check_history(snapshot, judgement, History(), {.check = name}, {}));
    };
    CHECK(document("search")["need"] == 1);
    CHECK(document("search")["members"].dump() == R"({"db":"fail","app":"pass"})");
    CHECK_FALSE(document("db").contains("members"));
    CHECK_FALSE(document("db").contains("need"));
  }

  TEST_CASE("history report: text from outside is JSON text") {
    History history;
    history.note_transition({.check = "db", .to = Status::fail, .detail = hostile_text});
    const Snapshot snapshot = failing_snapshot();
    const Judgement judgement = judge(snapshot, at(present).mono);
    const std::string document = render_history(snapshot, judgement, history, at(present));
    CHECK(Json::accept(document));
    CHECK_FALSE(has(document, "\x1b"));
    CHECK_FALSE(has(document, "\xff"));
  }

  TEST_CASE("history report: a critical local failure takes the Machine out, a shared one not") {
    CHECK(has(effects({.scope = Scope::local}), "/health/ready: now answers 503: Fly Proxy"));
    // Nobody has said yet that it is this Machine's alone; then it is out, and says so.
    CHECK(has(effects({}), "/health/ready: now stays 200 with fail_open"));
    CHECK(has(effects({.gates = true}),
              "/health/ready: now answers 503 here alone: fewer than half"));
    CHECK(has(effects({.status = Status::pass}),
              "/health/ready: on a failure stays 200 with fail_open, for taking one out helps "
              "nobody; it answers 503 here once other Machines answer and fewer than half"));
    CHECK(has(effects({.rule = SharedRule::gate}), "/health/ready: now answers 503 on every"));
    CHECK(has(effects({.rule = SharedRule::report}), "(shared = \"report\")"));
    CHECK(has(effects({}), "/health: now answers 503"));
    CHECK(has(effects({.impact = Impact::degraded}), "/health: now stays 200 with status warn"));
    CHECK(has(effects({.impact = Impact::degraded}), "/health/ready: now does not change"));
    CHECK(has(effects({.impact = Impact::info}), "/health: now does not change"));
  }

  TEST_CASE("history report: what only would happen is told so") {
    CHECK(has(effects({.status = Status::pass}), "/health: on a failure answers 503"));
    CHECK(has(effects({.muted = true}), "now nothing changes: it is muted; otherwise:"));
    CHECK(has(effects({.live = true}), "/health/live: now answers 503"));
    CHECK(has(effects({}), "/health/live: never changes"));
    CHECK(has(effects({.startup = false}),
              "/health/ready: answers 503 until startup is over, and that waits for this check"));
  }
}

}  // namespace
}  // namespace vitals::test
