// Renders the status page: verdict, facts, checks worst first, what changed.
#include "agent/serve/page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <vitals/text.hpp>

#include "agent/serve/report_parts.hpp"

namespace vitals {
namespace {

/// Where each part of the page has to stop, in bytes from its beginning.
constexpr std::size_t rows_end = 26'000;
constexpr std::size_t others_end = 30'000;
constexpr std::size_t transitions_end = 39'000;
/// Of a detail in the list of changes; rows show it whole.
constexpr std::size_t change_detail_max = 100;

/// A page in the making: raw() is ours, text() is anybody's.
class Html {
 public:
  Html& raw(std::string_view markup) {
    out_ += markup;
    return *this;
  }
  /// Escaped for element content and quoted attributes; no byte gets through that is not UTF-8 or
  /// that a browser would act on.
  Html& text(std::string_view foreign, std::size_t limit = server_text_max) {
    for (const char c : clean_text(foreign, limit)) {
      switch (c) {
        case '&':
          out_ += "&amp;";
          break;
        case '<':
          out_ += "&lt;";
          break;
        case '>':
          out_ += "&gt;";
          break;
        case '"':
          out_ += "&quot;";
          break;
        case '\'':
          out_ += "&#39;";
          break;
        default:
          out_ += c;
      }
    }
    return *this;
  }
  Html& number(std::size_t value) { return raw(std::to_string(value)); }

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  /// Back to an earlier size: what came after did not fit.
  void cut(std::size_t size) { out_.resize(size); }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  std::string out_;
};

struct Page {
  const PageInput& input;
  Picture picture;
  Html html;
};

/// "0.62 ms", "812 ms", "5.0 s"
std::string milliseconds_text(Elapsed time) {
  const double milliseconds = std::chrono::duration<double, std::milli>(time).count();
  constexpr double second = 1'000;
  std::array<char, 32> text{};
  if (milliseconds >= 10 * second) {
    std::snprintf(text.data(), text.size(), "%.1f s", milliseconds / second);
  } else {
    const int decimals = milliseconds < 1 ? 2 : milliseconds < 99.95 ? 1 : 0;
    std::snprintf(text.data(), text.size(), "%.*f ms", decimals, milliseconds);
  }
  return text.data();
}

/// What a person says of the whole.
std::string_view headline_of(View view, Status status, const Judgement& judgement) {
  switch (view) {
    case View::health:
      if (judgement.draining) return "Draining";
      return status == Status::fail ? "Failing" : status == Status::warn ? "Degraded" : "Healthy";
    case View::ready:
      return status == Status::fail ? "Not ready" : "Ready";
    case View::live:
      return status == Status::fail ? "Not alive" : "Alive";
    case View::startup:
      return status == Status::fail ? "Starting" : "Started";
    case View::check:
      return status == Status::fail      ? "Failing"
             : status == Status::warn    ? "Warning"
             : status == Status::unknown ? "Unknown"
                                         : "Passing";
  }
  VITALS_ASSERT(false);
  return {};
}

Status status_of(const PageInput& input) {
  return report_status(input.snapshot, input.judgement, input.request).status;
}

void add_head(Page& page) {
  const Status status = status_of(page.input);
  const bool hidden = !page.input.request.details;
  // The colour of the tab's dot, where no style sheet reaches.
  const std::string_view dot = status == Status::fail      ? "d1293d"
                               : status == Status::warn    ? "e0a100"
                               : status == Status::unknown ? "8a94a0"
                                                           : "2da44e";
  page.html
      .raw(
          "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
          "viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='%23")
      .raw(dot)
      .raw("'/%3E%3C/svg%3E\">\n<title>")
      .raw(glyph_of(status))
      .raw(" ")
      .raw(headline_of(page.input.request.view, status, page.input.judgement));
  if (!hidden && !page.input.identity.description.empty()) {
    page.html.raw(" · ").text(page.input.identity.description);
  }
  page.html.raw("</title>\n<style>")
      .raw(page_style())
      .raw(
          "</style></head>\n<body><main>\n<p id=\"gone\" role=\"status\" hidden></p>\n"
          "<div id=\"page\">\n");
}

void add_verdict(Page& page) {
  const PageInput& input = page.input;
  const Status status = status_of(input);
  page.html.raw("<header class=\"")
      .raw(to_label(status))
      .raw("\"><h1>")
      .raw(glyph_of(status))
      .raw(" ")
      .raw(headline_of(input.request.view, status, input.judgement))
      .raw("</h1>\n");
  if (input.request.details) {
    // A name, a detail and a few words of ours.
    constexpr std::size_t sentence_max = 400;
    page.html.raw("<p>")
        .text(output_sentence(page.picture, input.request), sentence_max)
        .raw("</p>");
    if (input.request.view == View::health && input.snapshot.verdict == status) {
      page.html.raw("<p class=\"sub\">since ")
          .raw(clock_text(input.snapshot.verdict_since.wall, input.now))
          .raw("</p>");
    }
  }
  page.html.raw("</header>\n");
}

void add_fact(Page& page, std::string_view name, std::string_view value,
              std::string_view state = {}) {
  if (value.empty()) return;
  page.html.raw("<div><dt>").raw(name).raw("</dt><dd");
  if (!state.empty()) page.html.raw(" class=\"").raw(state).raw("\"");
  page.html.raw(">").text(value).raw("</dd></div>\n");
}

std::string ready_text(const Judgement& judgement) {
  if (!judgement.ready) return "no";
  return judgement.fail_open ? "yes, on purpose (fail_open)" : "yes";
}

/// "for 5m02s, may stop", "no: 3 connections"
std::string idle_text(const IdleState& idle, Instant now) {
  const std::string time = human_duration(idle_time(idle, now).count());
  if (!idle.idle) return "no: " + idle.why;
  return "for " + time + (idle.kept_by.empty() ? ", may stop" : ", stays up: " + idle.why);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void add_facts(Page& page) {
  const PageInput& input = page.input;
  const Judgement& judgement = input.judgement;
  const Snapshot& snapshot = input.snapshot;
  const auto muted = static_cast<std::size_t>(
      std::count_if(judgement.checks.begin(), judgement.checks.end(),
                    [](const CheckJudgement& check) { return check.muted(); }));
  page.html.raw("<dl>\n");
  add_fact(page, "App", input.identity.app);
  add_fact(page, "Region", input.identity.region);
  add_fact(page, "Machine", input.identity.machine);
  add_fact(page, "Image", input.identity.release_id);
  add_fact(page, "Ready for traffic", ready_text(judgement),
           !judgement.ready      ? "fail"
           : judgement.fail_open ? "warn"
                                 : "");
  if (judgement.draining) {
    add_fact(page, "Draining", "since " + clock_text(snapshot.draining_since.wall, input.now),
             "fail");
  }
  if (!judgement.startup) add_fact(page, "Startup", "not over", "warn");
  if (muted > 0) {
    add_fact(page, "Muted", std::to_string(muted) + (muted == 1 ? " check" : " checks"), "warn");
  }
  if (snapshot.idle) {
    add_fact(page, "Idle", idle_text(*snapshot.idle, input.now));
    add_fact(page, "Busy with", joined(snapshot.idle->holds));
  }
  add_fact(page, "Up for", lasted(snapshot.started, input.now));
  const std::string loaded = clock_text(snapshot.config_reload_success_at, input.now);
  if (snapshot.config_reload_ok) {
    add_fact(page, "Config loaded", loaded);
  } else {
    add_fact(page, "Config", "reload rejected; the one of " + loaded + " is in force", "fail");
  }
  page.html.raw("</dl>\n");
}

/// "✗ fail"; a check that does not count says why instead.
void add_badge(Page& page, const CheckView& check) {
  page.html.raw("<span class=\"b\">")
      .raw(glyph_of(check.judgement.status))
      .raw(" ")
      .raw(to_label(check.judgement.status))
      .raw("</span>");
}

/// Muted and suppressed checks are grey, whatever they say.
std::string_view class_of(const CheckView& check) {
  const bool silent = check.judgement.muted() || !check.judgement.suppressed_by.empty();
  return silent ? "off" : to_label(check.judgement.status);
}

/// Days to the end of the certificate that the last handshake saw.
std::optional<long long> certificate_days(const CheckView& check, Instant now) {
  if (!check.state.last) return std::nullopt;
  for (const Measurement& measured : check.state.last->result.measurements) {
    if (measured.metric->name != "check_tls_not_after_timestamp_seconds") continue;
    constexpr double day = 24 * 3'600;
    const double present = std::chrono::duration<double>(now.wall.time_since_epoch()).count();
    return static_cast<long long>(std::floor((measured.value - present) / day));
  }
  return std::nullopt;
}

std::string streak_text(const CheckView& check, Instant now) {
  const CheckState& state = check.state;
  const Instant since = since_when(check, now);
  std::string text = "since " + clock_text(since.wall, now) + " (" + lasted(since, now) + ")";
  if (state.failures_in_a_row > 0) {
    text += ", " + std::to_string(state.failures_in_a_row) + " failed in a row";
  }
  if (check.judgement.status == Status::pass) return text;
  if (!state.last_pass) return text + ", never passed";
  return text + ", last pass " + clock_text(*state.last_pass, now);
}

void add_why(Page& page, const CheckView& check) {
  const Instant now = page.input.now;
  Html& html = page.html;
  html.raw("<td class=\"why\">");
  if (check.judgement.reason != Reason::none) {
    html.raw("<code>").raw(to_label(check.judgement.reason)).raw("</code> ");
  }
  html.text(explanation(check)).raw("<small>").text(streak_text(check, now)).raw("</small>");
  if (check.judgement.muted()) {
    html.raw("<small>muted until ")
        .raw(clock_text(wall_time_of(*check.judgement.muted_until, now), now))
        .raw("</small>");
  }
  if (!check.judgement.suppressed_by.empty()) {
    html.raw("<small>suppressed by ").text(check.judgement.suppressed_by).raw("</small>");
  }
  if (check.judgement.paused) html.raw("<small>paused while the Machine is idle</small>");
  if (const auto days = certificate_days(check, now)) {
    html.raw("<small>certificate: ").raw(std::to_string(*days)).raw(" days left</small>");
  }
}

void add_latency(Page& page, const CheckView& check, const CheckHistory& history) {
  Html& html = page.html;
  html.raw("<td class=\"lat n\">");
  if (check.state.last) {
    const auto& observed = check.state.last->result.observed;
    if (observed) {
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), "%.4g %.*s", observed->value,
                    static_cast<int>(observed->unit.size()), observed->unit.data());
      html.text(text.data());
    } else {
      html.raw(milliseconds_text(check.state.last->duration()));
    }
  }
  if (const auto p95 = history.p95()) {
    html.raw("<small>p95 ").raw(milliseconds_text(*p95)).raw("</small>");
  }
}

/// Geometry of a sparkline: one slot per kept result, newest at the right.
constexpr int slot_width = 3;
constexpr int spark_height = 24;
constexpr int bar_min = 2;
constexpr int bar_max = 22;

int bar_height(Elapsed duration, Elapsed longest) {
  if (longest <= Elapsed::zero()) return bar_min;
  const double share = static_cast<double>(duration.count()) / static_cast<double>(longest.count());
  // One slow answer must not flatten the others.
  return bar_min + static_cast<int>(std::lround(std::sqrt(share) * (bar_max - bar_min)));
}

/// Latency as an area; warnings and failures stand in it as lines, failures over the whole height.
void add_sparkline(Page& page, const CheckHistory& history) {
  Html& html = page.html;
  html.raw("<td class=\"sp\">");
  const auto& results = history.results;
  if (results.empty()) return;
  Elapsed longest{};
  std::size_t failed = 0;
  for (const PastResult& result : results) {
    if (result.outcome == Outcome::fail) ++failed;
    if (result.outcome != Outcome::fail) longest = std::max(longest, result.duration);
  }
  int x = slot_width * static_cast<int>(results_kept - results.size());
  const auto to_text = [](int value) { return std::to_string(value); };
  std::string area = "M" + to_text(x) + " " + to_text(spark_height);
  std::string warnings;
  std::string failures;
  for (auto result = results.rbegin(); result != results.rend(); ++result, x += slot_width) {
    const bool fails = result->outcome == Outcome::fail;
    const int height = fails ? 0 : bar_height(result->duration, longest);
    const std::string top = to_text(spark_height - height);
    area += "V" + top + "h" + to_text(slot_width);
    const std::string middle = "M" + to_text(x + 1) + ".5 ";
    if (fails) failures += middle + "0v" + to_text(spark_height);
    if (result->outcome == Outcome::warn) warnings += middle + top + "V" + to_text(spark_height);
  }
  html.raw("<svg viewBox=\"0 0 180 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"")
      .number(failed)
      .raw(" of the last ")
      .number(results.size())
      .raw(" failed\"><path d=\"")
      .raw(area)
      .raw("V24z\"/>");
  if (!warnings.empty()) html.raw("<path class=\"w\" d=\"").raw(warnings).raw("\"/>");
  if (!failures.empty()) html.raw("<path class=\"x\" d=\"").raw(failures).raw("\"/>");
  html.raw("</svg><small>")
      .number(failed)
      .raw(" of ")
      .number(results.size())
      .raw(" failed</small>");
}

void add_row(Page& page, const CheckView& check) {
  const CheckHistory history = page.input.history.of(check.name());
  page.html.raw("<tr class=\"").raw(class_of(check)).raw("\"><td class=\"s\">");
  add_badge(page, check);
  page.html.raw("</td><th scope=\"row\">")
      .text(check.name())
      .raw("<small>")
      .raw(check.spec().kind->name)
      .raw(", ")
      .raw(to_label(check.spec().impact))
      .raw(", ")
      .raw(to_label(check.spec().scope))
      .raw("</small></th>");
  add_why(page, check);
  page.html.raw("</td>");
  add_latency(page, check, history);
  page.html.raw("</td>");
  add_sparkline(page, history);
  page.html.raw("</td></tr>\n");
}

/// Those that found no place in the table, in the same order.
void add_others(Page& page, const std::vector<std::size_t>& listed, std::size_t first) {
  if (first == listed.size()) return;
  Html& html = page.html;
  html.raw("<h2>And ").number(listed.size() - first).raw(" more</h2>\n<ul class=\"card\">\n");
  for (std::size_t i = first; i < listed.size(); ++i) {
    const CheckView check = view_of(page.picture, listed[i]);
    const std::size_t before = html.size();
    html.raw("<li class=\"").raw(class_of(check)).raw("\">");
    add_badge(page, check);
    html.raw(" ").text(check.name());
    if (check.judgement.reason != Reason::none) html.raw(" ").raw(to_label(check.judgement.reason));
    if (check.state.last) {
      html.raw(" <small>").raw(milliseconds_text(check.state.last->duration())).raw("</small>");
    }
    html.raw("</li>\n");
    if (html.size() <= others_end) continue;
    html.cut(before);
    html.raw("<li>… and ").number(listed.size() - i).raw(" more: see /health</li>\n");
    break;
  }
  html.raw("</ul>\n");
}

void add_checks(Page& page) {
  const auto listed = listed_checks(page.picture, page.input.request);
  Html& html = page.html;
  html.raw("<h2>Checks</h2>\n");
  if (listed.empty()) {
    html.raw("<p>There is nothing to check.</p>\n");
    return;
  }
  html.raw(
      "<div class=\"card\"><table class=\"c\"><caption class=\"h\">Checks, worst first</caption>"
      "<thead><tr><th scope=\"col\">Status</th><th scope=\"col\">Check</th>"
      "<th scope=\"col\">Why</th><th scope=\"col\">Latency</th>"
      "<th scope=\"col\">Last 60 results</th></tr></thead><tbody>\n");
  std::size_t shown = 0;
  for (; shown < std::min(listed.size(), page_rows_max); ++shown) {
    const std::size_t before = html.size();
    add_row(page, view_of(page.picture, listed[shown]));
    if (html.size() <= rows_end) continue;
    html.cut(before);
    break;
  }
  html.raw("</tbody></table></div>\n");
  add_others(page, listed, shown);
}

void add_change(Page& page, const PastTransition& change) {
  Html& html = page.html;
  html.raw(change.check.empty() ? "<tr class=\"v " : "<tr class=\"")
      .raw(to_label(change.to))
      .raw("\"><td class=\"n\">")
      .raw(clock_text(change.at, page.input.now))
      .raw("</td><td>");
  if (change.check.empty()) {
    html.raw("Verdict");
  } else {
    html.text(change.check);
  }
  html.raw("</td><td class=\"n\">").raw(to_label(change.from)).raw(" → <span class=\"b\">");
  html.raw(to_label(change.to)).raw("</span></td><td class=\"d\">");
  if (change.reason != Reason::none) {
    html.raw("<code>").raw(to_label(change.reason)).raw("</code> ");
  }
  html.text(change.detail, change_detail_max).raw("</td></tr>\n");
}

/// Of one check, when the page is of one; else of all and of the verdict, newest first.
std::vector<PastTransition> changes_of(const PageInput& input) {
  std::vector<PastTransition> changes = input.history.transitions();
  if (input.request.view == View::check) {
    std::erase_if(changes, [&](const auto& change) { return change.check != input.request.check; });
    return changes;
  }
  // A verdict comes after the change that brought it about, so it stands above.
  std::vector<PastTransition> verdicts = input.history.verdicts();
  verdicts.insert(verdicts.end(), changes.begin(), changes.end());
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const auto& a, const auto& b) { return a.at > b.at; });
  if (verdicts.size() > transitions_kept) verdicts.resize(transitions_kept);
  return verdicts;
}

void add_changes(Page& page) {
  const auto changes = changes_of(page.input);
  if (changes.empty()) return;
  Html& html = page.html;
  html.raw(
      "<h2>What changed</h2>\n<div class=\"card\"><table class=\"t\"><caption class=\"h\">The last "
      "changes, newest first</caption><thead><tr><th scope=\"col\">Time</th><th "
      "scope=\"col\">Check</th><th scope=\"col\">Status</th><th scope=\"col\">Why</th></tr></thead>"
      "<tbody>\n");
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::size_t before = html.size();
    add_change(page, changes[i]);
    if (html.size() <= transitions_end) continue;
    html.cut(before);
    html.raw("<tr><td colspan=\"4\">… and ")
        .number(changes.size() - i)
        .raw(" more: see /history</td></tr>\n");
    break;
  }
  html.raw("</tbody></table></div>\n");
}

void add_foot(Page& page) {
  page.html.raw("<footer>Seen at ").raw(clock_text(page.input.now.wall, page.input.now));
  if (page.input.request.details) {
    page.html.raw(
        ". The same as <a href=\"/health?format=json\">JSON</a>, <a "
        "href=\"/health?format=text\">text</a>, <a href=\"/history\">history</a>, <a "
        "href=\"/metrics\">metrics</a>.");
  }
  page.html.raw("</footer>\n</div></main>\n<script>")
      .raw(page_script())
      .raw("</script></body></html>\n");
}

}  // namespace

std::string render_page(const PageInput& input) {
  Page page{input, {input.snapshot, input.judgement, input.now}, {}};
  add_head(page);
  add_verdict(page);
  if (input.request.details) {
    add_facts(page);
    add_checks(page);
    add_changes(page);
  }
  add_foot(page);
  return std::move(page.html).take();
}

}  // namespace vitals
