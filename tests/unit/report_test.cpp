// The health document in its three forms: the contract's example, every view, hostile content.
#include "agent/serve/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::ordered_json;

const Identity identity{.release_id = "registry.fly.io/my-app:deployment-1",
                        .service_id = "my-app/148e21",
                        .description = "my-app in sin"};

struct Rendered {
  std::string json;
  std::string text;
  std::string line;
  ReportStatus status;

  [[nodiscard]] Json document() const { return Json::parse(json); }
  [[nodiscard]] std::string output() const { return document()["output"]; }
};

Rendered render(const Snapshot& snapshot, double seconds = present, ReportRequest request = {}) {
  const Judgement judgement = judge(snapshot, at(seconds).mono);
  return {render_json(snapshot, judgement, request, identity, at(seconds)),
          render_text(snapshot, judgement, request, at(seconds)),
          render_line(snapshot, judgement, request, at(seconds)),
          report_status(snapshot, judgement, request)};
}

ReportRequest view(View view, std::string_view check = {}) {
  return {.view = view, .check = check};
}

Story plain(const std::string& name, Impact impact = Impact::critical,
            Scope scope = Scope::shared) {
  return Story({.name = name, .kind = &fake_http(), .impact = impact, .scope = scope, .fall = 1});
}
ProbeResult refused() { return failed(Reason::refused, "connection refused"); }

TEST_SUITE("report") {
  TEST_CASE("report: idleness is in the document with [autostop], and a paused check says so") {
    Snapshot snapshot = healthy_snapshot();
    CHECK_FALSE(render(snapshot).document().contains("idle"));
    auto first = std::make_shared<CheckState>(*snapshot.checks[0]);
    first->paused_since = first->alive_at = at(present - 20).mono;
    snapshot.checks[0] = first;
    snapshot.idle = IdleState{.quiet_since = at(present - 61.9).mono,
                              .idle = true,
                              .kept_by = "min_uptime",
                              .why = "up for less than 2m",
                              .holds = {}};
    const Rendered page = render(snapshot);
    CHECK(page.document()["idle"].dump() ==
          "{\"idle_seconds\":61,\"autostop_safe\":false,\"kept_by\":\"min_uptime\","
          "\"output\":\"up for less than 2m\",\"holds\":[]}");
    const std::string name = first->spec->name;
    CHECK(page.document()["checks"][name + ":responseTime"][0]["paused"] == true);
    CHECK(page.text.find("[✓] " + name + ": paused; ") != std::string::npos);
    CHECK(page.status.ok);

    snapshot.idle = IdleState{.kept_by = "hold", .why = "hold 'import'", .holds = {"import"}};
    CHECK(render(snapshot).document()["idle"].dump() ==
          "{\"idle_seconds\":0,\"autostop_safe\":false,\"kept_by\":\"hold\","
          "\"output\":\"hold 'import'\",\"holds\":[\"import\"]}");
  }

  TEST_CASE("report: text and line are the contract's example, to the byte") {
    const Rendered page = render(failing_snapshot());
    const std::string line =
        "fail: db saturated 28s (1 of 2 critical) | warn: billing slow | pass: app cache\n";
    CHECK(page.line == line);
    CHECK(page.text ==
          line +
              "[✗] db: saturated, 53300 sorry, too many clients already; 4 in a row since "
              "00:19:33Z, last pass 00:19:23Z (4.1ms)\n"
              "[!] billing: slow, 812ms > 500ms (812ms)\n"
              "[✓] app: 200 (1.2ms)\n"
              "[✓] cache: PONG (0.6ms)\n");
    CHECK(page.status.status == Status::fail);
    CHECK_FALSE(page.status.ok);
  }

  TEST_CASE("report: the JSON document is the golden one, keys in the contract's order") {
    CHECK(golden_difference("health_failing.json", render(failing_snapshot()).json) == "");
    CHECK(golden_difference("health_healthy.json", render(healthy_snapshot()).json) == "");
    CHECK(golden_difference("health_start.json", render(start_snapshot(), 3).json) == "");
    CHECK(golden_difference("health_unknown.json", render(unknown_snapshot()).json) == "");
  }

  TEST_CASE("report: passing checks say so, an observation replaces the response time") {
    const Rendered page = render(healthy_snapshot());
    CHECK(page.output() == "all 5 checks pass");
    CHECK(page.line == "pass: app db billing cache visitors\n");
    CHECK(page.status.ok);
    const Json visitors = page.document()["checks"]["visitors:utilization"][0];
    CHECK(visitors["observedValue"] == 83);
    CHECK(visitors["observedUnit"] == "connections");
    CHECK_FALSE(visitors.contains("reason"));
    CHECK(page.text.find("[✓] visitors: 83 of 4000 (83 connections)\n") != std::string::npos);
  }

  TEST_CASE("report: with no checks there is nothing to check, and that passes") {
    const Rendered page = render(snapshot_of({}));
    CHECK(page.output() == "nothing to check");
    CHECK(page.line == "pass: nothing to check\n");
    CHECK(page.document()["checks"].is_object());
    CHECK(page.document()["checks"].empty());
    CHECK(page.status.ok);
  }

  TEST_CASE("report: before the first results every check is unknown and the verdict fails") {
    const Rendered page = render(start_snapshot(), 3);
    CHECK(page.output() == "app: no result yet");
    CHECK(page.line == "fail: app: no result yet | unknown: app db billing cache\n");
    CHECK(page.text.find("[?] db: no result yet\n") != std::string::npos);
    const Json db = page.document()["checks"]["db:responseTime"][0];
    CHECK(db["status"] == "unknown");
    CHECK_FALSE(db.contains("observedValue"));
    CHECK_FALSE(db.contains("time"));
    CHECK_FALSE(db.contains("last_pass"));
  }

  TEST_CASE("report: a failing check before its threshold is unknown and says what it saw") {
    const Rendered page = render(unknown_snapshot());
    CHECK(page.output() == "db: connection refused (refused), no status yet");
    CHECK(page.text.find("[?] db: refused, connection refused (0.3ms)\n") != std::string::npos);
    CHECK(page.document()["checks"]["db:responseTime"][0]["failures_in_a_row"] == 2);
  }

  TEST_CASE("report: a draining Machine fails and says draining, whatever its checks say") {
    Snapshot snapshot = healthy_snapshot();
    snapshot.draining = true;
    const Rendered page = render(snapshot);
    CHECK(page.output() == "draining");
    CHECK(page.line == "fail: draining | pass: app db billing cache visitors\n");
    CHECK_FALSE(page.status.ok);
    CHECK(page.document()["draining"] == true);
    CHECK(render(snapshot, present, view(View::ready)).output() == "draining");
    CHECK(render(snapshot, present, view(View::live)).status.ok);
    CHECK(render(snapshot, present, view(View::check, "app")).status.ok);
  }

  TEST_CASE("report: a degraded failure makes the line start with warn, the status of the whole") {
    const Rendered page = render(snapshot_of(
        {plain("app").feed(1200, 1, passed("200")),
         plain("mail", Impact::degraded).feed(1190, 1, refused()).feed(1200, 1, refused())}));
    CHECK(page.status.status == Status::warn);
    CHECK(page.output() == "mail: connection refused (refused) for 11s");
    CHECK(page.line == "warn: mail refused 11s | pass: app\n");
    CHECK(render(snapshot_of({plain("app").feed(1200, 1, passed("200")),
                              plain("mail", Impact::degraded).feed(1190, 1, refused())}),
                 present, view(View::ready))
              .line == "pass: ready | warn: mail refused 11s | pass: app\n");
  }

  TEST_CASE("report: the line begins with the status of the whole, also when nothing counts") {
    const Snapshot snapshot =
        snapshot_of({plain("jobs").feed(1200, 1, refused()).mute_until(1300)});
    CHECK(render(snapshot).line == "pass: no check counts now | muted: jobs\n");
    const Snapshot silenced =
        snapshot_of({plain("db").feed(1200, 1, refused()),
                     Story({.name = "api", .kind = &fake_http(), .parent = "db", .fall = 1})
                         .feed(1200, 1, failed(Reason::timeout, "no answer"))});
    CHECK(render(silenced, present, view(View::check, "api")).line.starts_with("fail: "));
  }

  TEST_CASE("report: info, muted and suppressed checks stand under the word that says why") {
    const Snapshot snapshot = snapshot_of(
        {plain("app").feed(1200, 1, passed("200")), plain("db").feed(1200, 1, refused()),
         Story({.name = "api", .kind = &fake_http(), .parent = "db", .fall = 1})
             .feed(1200, 1, failed(Reason::timeout, "no answer")),
         plain("cdn", Impact::info).feed(1200, 1, refused()),
         plain("jobs").feed(1200, 1, refused()).mute_until(1300)});
    const Rendered page = render(snapshot);
    CHECK(page.line ==
          "fail: db refused 1s (1 of 4 critical) | pass: app | info: cdn refused | "
          "suppressed: api by db | muted: jobs\n");
    CHECK(page.text.find("[-] api: suppressed by db; timeout, no answer; 1 in a row since "
                         "00:20:00Z, never passed (1.0ms)\n") != std::string::npos);
    CHECK(page.text.find("[-] jobs: muted until 00:21:40Z; refused, connection refused; ") !=
          std::string::npos);
    const Json checks = page.document()["checks"];
    CHECK(checks["api:responseTime"][0]["suppressed_by"] == "db");
    CHECK(checks["jobs:responseTime"][0]["muted"] == true);
    CHECK(checks["jobs:responseTime"][0]["muted_until"] == "2025-12-18T00:21:40Z");
    CHECK_FALSE(checks["app:responseTime"][0].contains("muted"));
    CHECK_FALSE(checks["app:responseTime"][0].contains("suppressed_by"));
  }

  TEST_CASE(
      "report: a critical check without a status is to blame, not what merely warns beside it") {
    const Snapshot snapshot =
        snapshot_of({plain("app").feed(1200, 1, warned(Reason::slow, "32ms > 5ms")),
                     Story({.name = "db", .kind = &fake_http()}).feed(1200, 1, refused()),
                     plain("cache", Impact::degraded).feed(1200, 1, refused())});
    const Rendered page = render(snapshot);
    CHECK(page.output() == "db: connection refused (refused), no status yet");
    CHECK(page.line ==
          "fail: db: connection refused (refused), no status yet | warn: cache refused 1s, app slow"
          " | unknown: db\n");
    CHECK(page.text.find("[?] db") < page.text.find("[✗] cache"));
  }

  TEST_CASE("report: a heartbeat nobody has fed yet is unknown and does not head the line") {
    static const KindSpec heartbeat{.name = "heartbeat",
                                    .component_type = "component",
                                    .doc = "",
                                    .settings = {},
                                    .metrics = {},
                                    .counts_while_unknown = false,
                                    .measurement = "age"};
    Story backup({.name = "backup", .kind = &heartbeat, .impact = Impact::degraded});
    const Rendered page =
        render(snapshot_of({plain("app").feed(1200, 1, passed("200")),
                            backup.feed(1200, 0.01, undecided("no heartbeat yet"))}));
    CHECK(page.status.status == Status::pass);
    CHECK(page.line == "pass: app | unknown: backup\n");
    CHECK(page.text.find("[?] backup: no heartbeat yet (0.01ms)\n") != std::string::npos);
    // The key it will have when there is an age to tell; until then there is no value.
    const Json unfed = page.document()["checks"]["backup:age"][0];
    CHECK(unfed["output"] == "no heartbeat yet");
    CHECK_FALSE(unfed.contains("observedValue"));
  }

  TEST_CASE("report: what fails but does not count is no failure of the whole") {
    const Rendered page =
        render(snapshot_of({plain("app").feed(1200, 1, passed("200")),
                            plain("cdn", Impact::info).feed(1200, 1, refused())}));
    CHECK(page.status.status == Status::pass);
    CHECK(page.line == "pass: app | info: cdn refused\n");
    CHECK(page.output() == "1 of 2 checks pass, the others do not count");
  }

  TEST_CASE("report: a stale check fails since the moment it went stale") {
    // The last evidence is of 1200; 3 intervals and a timeout later is 1235.
    const Rendered page = render(snapshot_of({plain("app").feed(1200, 1, passed("200")),
                                              plain("db").feed(1250, 1, passed("ok"))}),
                                 1255);
    CHECK(page.output() == "app: no result for more than three intervals (stale) for 20s");
    const Json app = page.document()["checks"]["app:responseTime"][0];
    CHECK(app["status"] == "fail");
    CHECK(app["reason"] == "stale");
    CHECK(app["since"] == "2025-12-18T00:20:35Z");
  }

  TEST_CASE("report: when no check shows a sign of life every view fails with reason internal") {
    const Snapshot snapshot = failing_snapshot();
    for (const View which : {View::health, View::ready, View::live, View::startup, View::check}) {
      const Rendered page = render(snapshot, 5000, view(which, "app"));
      CHECK(page.status.status == Status::fail);
      CHECK_FALSE(page.status.ok);
      CHECK(page.output() == "no check shows a sign of life: the agent is stuck (internal)");
    }
  }

  TEST_CASE("report: a passing check whose streak of failures grows shows the latest complaint") {
    const Rendered page =
        render(snapshot_of({Story({.name = "app", .kind = &fake_http(), .fall = 3})
                                .feed(1190, 1, passed("200"))
                                .feed(1200, 2, failed(Reason::timeout, "no answer"))}));
    CHECK(page.status.ok);
    const Json app = page.document()["checks"]["app:responseTime"][0];
    CHECK(app["status"] == "pass");
    CHECK(app["output"] == "timeout: no answer");
    CHECK(app["failures_in_a_row"] == 1);
    CHECK_FALSE(app.contains("reason"));
  }

  TEST_CASE("report: a warning whose last attempt failed names its reason once") {
    const auto last_was = [](Reason reason) {
      return render(snapshot_of({Story({.name = "conn", .kind = &fake_http(), .fall = 3})
                                     .feed(1190, 1, warned(Reason::saturated, "3 of 4"))
                                     .feed(1200, 2, failed(reason, "5 of 4 connections"))}))
          .text;
    };
    CHECK(last_was(Reason::saturated).find("[!] conn: saturated, 5 of 4 connections (") !=
          std::string::npos);
    CHECK(last_was(Reason::timeout).find("[!] conn: saturated, timeout: 5 of 4 connections (") !=
          std::string::npos);
  }

  TEST_CASE("report: an internal error of a failing check does not hide why it fails") {
    const Rendered page = render(snapshot_of(
        {plain("app")
             .feed(1190, 1, refused())
             .feed(1200, 2, internal_error("no CA bundle found; install ca-certificates"))}));
    CHECK(page.output() == "app: connection refused (refused) for 11s");
  }
}

TEST_SUITE("report: views") {
  TEST_CASE("report: ready says why not: start, local failure, gate") {
    const ReportRequest ready = view(View::ready);
    CHECK(render(start_snapshot(), 3, ready).output() == "starting: app, db have not passed yet");
    CHECK(render(unknown_snapshot(), present, ready).output() == "starting: db has not passed yet");
    const Rendered local =
        render(snapshot_of({plain("app", Impact::critical, Scope::local).feed(1200, 1, refused()),
                            plain("db").feed(1200, 1, failed(Reason::auth, "28P01"))}),
               present, ready);
    CHECK(local.output() == "not ready: app: connection refused (refused) for 1s");
    CHECK(local.status.status == Status::fail);

    Snapshot gated = failing_snapshot();
    gated.shared_rule = SharedRule::gate;
    CHECK(render(gated, present, ready).output() ==
          "not ready: db: 53300 sorry, too many clients already (saturated) for 28s");
  }

  TEST_CASE("report: staying ready with a failing shared check is never silent") {
    const Rendered page = render(failing_snapshot(), present, view(View::ready));
    CHECK(page.status.ok);
    CHECK(page.document()["status"] == "pass");
    CHECK(page.document()["fail_open"] == true);
    CHECK(page.output() ==
          "stays ready on purpose (fail_open): db: 53300 sorry, too many clients already "
          "(saturated) for 28s");
    CHECK(page.line.starts_with("pass: stays ready on purpose (fail_open): db: "));
    CHECK(render(healthy_snapshot(), present, view(View::ready)).output() == "ready");
  }

  TEST_CASE("report: live and startup list only the checks that may decide them") {
    const Rendered live = render(failing_snapshot(), present, view(View::live));
    CHECK(live.document()["checks"].size() == 1);
    CHECK(live.document()["checks"].contains("app:responseTime"));
    CHECK(live.output() == "alive");
    CHECK(live.status.ok);
    const Rendered startup = render(failing_snapshot(), present, view(View::startup));
    CHECK(startup.document()["checks"].size() == 2);
    CHECK(startup.output() == "started");
    CHECK(render(snapshot_of({}), present, view(View::live)).output() == "the agent runs");
  }

  TEST_CASE("report: live names the check that fails it") {
    const Rendered page =
        render(snapshot_of({Story({.name = "app", .kind = &fake_http(), .live = true, .fall = 1})
                                .feed(1200, 1, refused())}),
               present, view(View::live));
    CHECK(page.output() == "app: connection refused (refused) for 1s");
    CHECK_FALSE(page.status.ok);
  }

  TEST_CASE("report: one check alone has its own status: 200 for pass and warn only") {
    const Rendered db = render(failing_snapshot(), present, view(View::check, "db"));
    CHECK(db.document()["checks"].size() == 1);
    CHECK(db.document()["status"] == "fail");
    CHECK_FALSE(db.status.ok);
    CHECK(db.line == "fail: db saturated 28s\n");
    const Rendered billing = render(failing_snapshot(), present, view(View::check, "billing"));
    CHECK(billing.status.status == Status::warn);
    CHECK(billing.status.ok);
    CHECK(render(failing_snapshot(), present, view(View::check, "app")).output() ==
          "the check passes");
    CHECK_FALSE(render(start_snapshot(), 3, view(View::check, "db")).status.ok);
    CHECK(render(start_snapshot(), 3, view(View::check, "db")).status.status == Status::unknown);
  }

  TEST_CASE("report: hidden details are the status and not one byte more") {
    for (const View which : {View::health, View::live, View::check}) {
      ReportRequest request = view(which, "db");
      request.details = false;
      const Rendered page = render(failing_snapshot(), present, request);
      const std::string status = which == View::live ? "pass" : "fail";
      CHECK(page.json == "{\"status\":\"" + status + "\"}\n");
      CHECK(page.text == status + "\n");
      CHECK(page.line == status + "\n");
    }
  }
}

TEST_SUITE("report: limits") {
  TEST_CASE("report: empty identity fields are left out") {
    const Snapshot snapshot = healthy_snapshot();
    const Judgement judgement = judge(snapshot, at(present).mono);
    const auto document =
        Json::parse(render_json(snapshot, judgement, {}, Identity{}, at(present)));
    CHECK_FALSE(document.contains("releaseId"));
    CHECK_FALSE(document.contains("serviceId"));
    CHECK_FALSE(document.contains("description"));
    CHECK(document["version"] == "1");
    CHECK(document["uptime_seconds"] == 1201);
  }

  TEST_CASE("report: any bytes in a detail leave the JSON valid and the text one row per check") {
    const Rendered page =
        render(snapshot_of({plain("app").feed(1200, 1, failed(Reason::protocol, hostile_text))}));
    const std::string output = page.document()["checks"]["app:responseTime"][0]["output"];
    CHECK(output.find("\"quoted\" back\\slash\nnew line\x1b[31m") == 0);
    CHECK(output.find("\xEF\xBF\xBD\xEF\xBF\xBD \xE2\x82\xAC") != std::string::npos);
  }

  TEST_CASE("report: a thousand checks fit 4 KiB of text, worst first, and the rest is counted") {
    std::vector<Story> stories;
    for (int i = 0; i < 999; ++i) {
      stories.push_back(plain("check-with-a-long-name-" + std::to_string(1000 + i))
                            .feed(1200, 1, i % 2 == 0 ? passed("200") : refused()));
    }
    stories.push_back(plain("zz-warns", Impact::degraded).feed(1200, 1, warned(Reason::slow, "")));
    const Rendered page = render(snapshot_of(stories));
    CHECK(page.line.size() <= 4096);
    CHECK(page.line.back() == '\n');
    CHECK(page.line.find(" more (499 of 999 critical) | warn: zz-warns slow | pass: ") !=
          std::string::npos);
    CHECK(page.text.size() <= 4096);
    CHECK(page.text.starts_with(page.line));
    CHECK(page.text.find("[✗] check-with-a-long-name-1001: refused, connection refused; ") !=
          std::string::npos);
    CHECK(page.text.find("[✓]") == std::string::npos);
    const auto rows = std::count(page.text.begin(), page.text.end(), '\n') - 2;
    CHECK(rows > 10);
    CHECK(page.text.ends_with("… and " + std::to_string(1000 - rows) + " more\n"));
    CHECK(page.document()["checks"].size() == 1000);
  }

  TEST_CASE(
      "report: a row tells the first failure of its streak, the document that of the outage") {
    Story db({.name = "db", .kind = &fake_http(), .fall = 3});
    db.feed(1100, 1, passed("200")).feed(1110, 1, refused()).feed(1112, 1, refused());
    db.feed(1114, 1, refused());
    const Rendered falling = render(snapshot_of({db}), 1115);
    CHECK(falling.output() == "db: connection refused (refused) for 5s");
    CHECK(falling.text.find("; 3 in a row since 00:18:30Z, last pass 00:18:20Z") !=
          std::string::npos);
    db.feed(1124, 1, passed("200")).feed(1126, 1, refused());
    const Rendered again = render(snapshot_of({db}), 1130);
    CHECK(again.document()["checks"]["db:responseTime"][0]["since"] == "2025-12-18T00:18:30Z");
    CHECK(again.line == "fail: db refused 20s (1 of 1 critical)\n");
    CHECK(again.text.find("; 1 in a row since 00:18:46Z, last pass 00:18:44Z") !=
          std::string::npos);
  }

  TEST_CASE("report: a moment of another day carries its date, however near it is") {
    Story app = plain("app");
    app.feed(100, 1, passed("200")).feed(110, 1, refused());
    for (double second = 120; second <= 90'000; second += 10) app.feed(second, 1, refused());
    const Rendered page = render(snapshot_of({app}), 90'001);
    CHECK(page.text.find(" since 2025-12-18 00:01:50Z, last pass 2025-12-18 00:01:40Z (1.0ms)\n") !=
          std::string::npos);
    const Story late = plain("late").feed(86'398, 1, refused()).mute_until(86'399);
    CHECK(render(snapshot_of({late}), 86'398).text.find("muted until 23:59:59Z; ") !=
          std::string::npos);
    CHECK(render(snapshot_of({late}), 86'401).text.find("since 2025-12-18 23:59:58Z,") !=
          std::string::npos);
    const Story until = plain("until").feed(1200, 1, refused()).mute_until(86'400 + 100);
    CHECK(render(snapshot_of({until})).text.find("muted until 2025-12-19 00:01:40Z; ") !=
          std::string::npos);
  }

  TEST_CASE("report: times are rounded to what a person reads") {
    const auto shown = [](double milliseconds) {
      const Rendered page =
          render(snapshot_of({plain("app").feed(1200, milliseconds, passed("ok"))}));
      return page.document()["checks"]["app:responseTime"][0]["observedValue"].dump() + " " +
             page.text.substr(page.text.rfind('('));
    };
    CHECK(shown(0.0312) == "0.03 (0.03ms)\n");
    CHECK(shown(0.62) == "0.62 (0.6ms)\n");
    CHECK(shown(4.14) == "4.1 (4.1ms)\n");
    CHECK(shown(812.46) == "812.5 (812ms)\n");
    CHECK(shown(2000) == "2000 (2000ms)\n");
  }
}

}  // namespace
}  // namespace vitals::test
