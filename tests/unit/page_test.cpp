// The status page as bytes: golden pages, its bounds, its policy, and text that wants to be markup.
#include "agent/serve/page.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <cmath>
#include <string>

#include <vitals/text.hpp>

#include "tests/support/golden.hpp"
#include "tests/support/occurrences.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

const Identity identity{.release_id = "registry.fly.io/my-app:deployment-1",
                        .service_id = "my-app/148e21",
                        .description = "my-app in sin",
                        .app = "my-app",
                        .region = "sin",
                        .machine = "148e21"};

std::string page_of(const Snapshot& snapshot, const History& history, ReportRequest request = {},
                    double seconds = present) {
  const Judgement judgement = judge(snapshot, at(seconds).mono);
  return render_page({snapshot, judgement, request, history, identity, at(seconds)});
}

bool has(const std::string& text, std::string_view part) { return occurrences(text, part) > 0; }

/// Sixty results of every check of the snapshot: waves, with some failures and warnings.
void fill(History& history, const Snapshot& snapshot, const std::string& detail = "no answer") {
  for (const auto& check : snapshot.checks) {
    for (std::size_t i = 0; i < results_kept; ++i) {
      const double now = 600 + 10 * static_cast<double>(i);
      const double seconds = (20 + 10 * std::sin(static_cast<double>(i))) / 1e3;
      ProbeResult result = i % 20 == 7   ? failed(Reason::timeout, detail)
                           : i % 20 == 9 ? warned(Reason::slow, detail)
                                         : passed("ok");
      history.note_result(check->spec->name, {at(now - seconds), at(now), std::move(result)});
    }
  }
}

void change(History& history, double seconds, const std::string& check, Status from, Status to,
            Reason reason, const std::string& detail) {
  history.note_transition({.at = at(seconds).wall,
                           .check = check,
                           .from = from,
                           .to = to,
                           .reason = reason,
                           .detail = detail,
                           .lasted = std::chrono::seconds(60)});
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 64> encoded{};
  const int size = EVP_EncodeBlock(encoded.data(), digest.data(), digest.size());
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

TEST_SUITE("page") {
  TEST_CASE("page: a failing Machine, worst check first") {
    const Snapshot snapshot = failing_snapshot();
    History history;
    fill(history, snapshot);
    change(history, 1173, "db", Status::pass, Status::fail, Reason::saturated,
           "53300 sorry, too many clients already");
    change(history, 1173, "", Status::pass, Status::fail, Reason::saturated,
           "db: 53300 sorry, too many clients already");
    const std::string page = page_of(snapshot, history);
    CHECK(golden_difference("page_failing.html", page) == "");
    CHECK(page.find(">db<small>") < page.find(">billing<small>"));
    CHECK(page.find(">billing<small>") < page.find(">app<small>"));
  }

  TEST_CASE("page: a healthy Machine, and one that nobody has asked yet") {
    History history;
    fill(history, healthy_snapshot());
    CHECK(golden_difference("page_healthy.html", page_of(healthy_snapshot(), history)) == "");
    CHECK(golden_difference("page_unknown.html", page_of(unknown_snapshot(), History())) == "");
  }

  TEST_CASE("page: with details hidden it says the verdict and nothing else") {
    const Snapshot snapshot = failing_snapshot();
    History history;
    fill(history, snapshot);
    const std::string page = page_of(snapshot, history, {.details = false});
    CHECK(golden_difference("page_hidden.html", page) == "");
    for (const char* word : {"db", "sorry", "saturated", "my-app", "148e21", "sin", "/history"}) {
      CAPTURE(word);
      const auto body =
          page.substr(page.find("<body>"), page.find("<script>") - page.find("<body>"));
      CHECK_FALSE(has(body, word));
    }
  }

  TEST_CASE("page: draining, mutes, a rejected config and fail_open are said") {
    Snapshot snapshot = failing_snapshot();
    CHECK(has(page_of(snapshot, History()), "yes, on purpose (fail_open)"));
    snapshot.draining = true;
    snapshot.draining_since = at(1190);
    snapshot.config_reload_ok = false;
    auto muted = std::make_shared<CheckState>(*snapshot.checks[1]);
    muted->muted_until = at(present + 600).mono;
    snapshot.checks[1] = muted;
    const std::string page = page_of(snapshot, History());
    CHECK(has(page, "Draining</h1>"));
    CHECK(has(page, "<dt>Draining</dt><dd class=\"fail\">since 00:19:50Z</dd>"));
    CHECK(has(page, "reload rejected; the one of 00:00:00Z is in force"));
    CHECK(has(page, "<dt>Muted</dt><dd class=\"warn\">1 check</dd>"));
    CHECK(has(page, "muted until 00:30:01Z"));
  }

  TEST_CASE("page: with [autostop] it says what keeps the Machine up, and what is paused") {
    Snapshot snapshot = healthy_snapshot();
    CHECK_FALSE(has(page_of(snapshot, History()), "<dt>Idle</dt>"));
    snapshot.idle = IdleState{.kept_by = "hold", .why = "hold '<b>'", .holds = {"a", "b"}};
    const std::string held = page_of(snapshot, History());
    CHECK(has(held, "<dt>Idle</dt><dd>no: hold &#39;&lt;b&gt;&#39;</dd>"));
    CHECK(has(held, "<dt>Busy with</dt><dd>a, b</dd>"));
    snapshot.idle = IdleState{.quiet_since = at(present - 62).mono, .idle = true, .safe = true};
    auto paused = std::make_shared<CheckState>(*snapshot.checks[0]);
    paused->paused_since = paused->alive_at = at(present - 2).mono;
    snapshot.checks[0] = paused;
    const std::string quiet = page_of(snapshot, History());
    CHECK(has(quiet, "<dt>Idle</dt><dd>for 1m02s, may stop</dd>"));
    CHECK(has(quiet, "paused while the Machine is idle"));
  }

  TEST_CASE("page: a sparkline draws what happened and marks each failure") {
    const Snapshot snapshot = failing_snapshot();
    History history;
    fill(history, snapshot);
    const std::string page = page_of(snapshot, history, {.view = View::check, .check = "db"});
    CHECK(occurrences(page, "<svg") == 1);
    CHECK(has(page, "aria-label=\"3 of the last 60 failed\""));
    const auto begin = page.find("<path class=\"x\"");
    const std::string failures = page.substr(begin, page.find("/>", begin) - begin);
    CHECK(occurrences(failures, "M") == 3);
    CHECK(has(failures, "M22.5 0v24"));
    CHECK(has(page, "<small>p95 29.9 ms</small>"));
    CHECK_FALSE(has(page, ">app<small>"));
  }

  TEST_CASE("page: the end of a certificate is told in days") {
    Snapshot snapshot = healthy_snapshot();
    CHECK(has(page_of(snapshot, History()), "certificate: 277 days left"));
  }

  TEST_CASE("page: text from outside stays text") {
    const std::string attack =
        "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b]0;x\x07\xff\xfe&amp;";
    Story story({.name = "app", .kind = &fake_http(), .fall = 1});
    story.feed(1200, 1, failed(Reason::status, attack));
    const Snapshot snapshot = snapshot_of({story});
    History history;
    change(history, 1200, "app", Status::unknown, Status::fail, Reason::status, attack);
    change(history, 1200, "", Status::unknown, Status::fail, Reason::status, attack);
    const Identity hostile{.release_id = attack,
                           .description = attack,
                           .app = attack,
                           .region = attack,
                           .machine = attack};
    const Judgement judgement = judge(snapshot, at(present).mono);
    const std::string page = render_page({snapshot, judgement, {}, history, hostile, at(present)});
    CHECK(occurrences(page, "<script>") == 1);
    CHECK_FALSE(has(page, "<img"));
    CHECK_FALSE(has(page, "\x1b"));
    CHECK_FALSE(has(page, "\x07"));
    CHECK_FALSE(has(page, "\xff"));
    CHECK(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img"));
    CHECK(has(page, "\xEF\xBF\xBD"));
    CHECK(has(page, "&amp;amp;"));
  }

  TEST_CASE("page: it stays below 40 KB with 1,000 checks and the longest text there is") {
    const std::string longest(server_text_max, '<');
    std::vector<Story> stories;
    for (int i = 0; i < 1'000; ++i) {
      const std::string name =
          "a-check-with-a-long-name-that-is-really-quite-long-indeed-" + std::to_string(10'000 + i);
      stories.push_back(Story({.name = name, .kind = &fake_http(), .fall = 1})
                            .feed(1200, 1, failed(Reason::connect_timeout, longest)));
    }
    const Snapshot snapshot = snapshot_of(stories);
    History history;
    fill(history, snapshot, longest);
    for (int i = 0; i < 60; ++i) {
      change(history, i, stories.front().state()->spec->name, Status::pass, Status::fail,
             Reason::connect_timeout, longest);
      change(history, i, "", Status::pass, Status::fail, Reason::connect_timeout, longest);
    }
    const std::string page = page_of(snapshot, history);
    CHECK(page.size() <= page_max);
    CHECK(page.ends_with("</script></body></html>\n"));
    CHECK(has(page, " more: see /health</li>"));
    CHECK(has(page, " more: see /history</td>"));
    CHECK(occurrences(page, "<tr") == occurrences(page, "</tr>"));
    CHECK(occurrences(page, "<li>") + occurrences(page, "<li ") == occurrences(page, "</li>"));
  }

  TEST_CASE("page: with 100 checks every one is named, and all 50 changes have their place") {
    std::vector<Story> stories;
    for (int i = 0; i < 100; ++i) {
      stories.push_back(Story({.name = "check-" + std::to_string(100 + i), .kind = &fake_http()})
                            .feed(1200, 1.2, passed("200")));
    }
    const Snapshot snapshot = snapshot_of(stories);
    History history;
    fill(history, snapshot);
    for (int i = 0; i < 50; ++i) {
      change(history, i, "check-" + std::to_string(100 + i), Status::pass, Status::fail,
             Reason::timeout, "no answer within the timeout");
    }
    const std::string page = page_of(snapshot, history);
    CHECK(page.size() <= page_max);
    CHECK(occurrences(page, "<svg") == page_rows_max);
    CHECK(has(page, "And 84 more"));
    for (const Story& story : stories) {
      const std::string name = story.state()->spec->name;
      CAPTURE(name);
      CHECK(occurrences(page, name) >= 1);
    }
    CHECK(occurrences(page, "no answer within the timeout") == 50);
  }

  TEST_CASE("page: its policy allows its own style and script, by their hashes") {
    const std::string policy(page_policy());
    CHECK(has(policy, "default-src 'none'"));
    CHECK(has(policy, "style-src 'sha256-" + sha256(page_style()) + "'"));
    CHECK(has(policy, "script-src 'sha256-" + sha256(page_script()) + "'"));
    CHECK_FALSE(has(policy, "unsafe"));
    const std::string page = page_of(healthy_snapshot(), History());
    CHECK(has(page, "<style>" + std::string(page_style()) + "</style>"));
    CHECK(has(page, "<script>" + std::string(page_script()) + "</script>"));
    CHECK_FALSE(has(page, " style="));
    CHECK_FALSE(has(page, "http://127"));
  }
}

}  // namespace
}  // namespace vitals::test
