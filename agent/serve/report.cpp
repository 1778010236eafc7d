// Which status each view shows, and the sentence that says why.
#include "agent/serve/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <vitals/text.hpp>

#include "agent/serve/report_parts.hpp"
#include "agent/verdict/health_state.hpp"
#include "agent/verdict/readiness.hpp"

namespace vitals {
namespace {

/// Names listed in a sentence before "and N more".
constexpr std::size_t names_max = 3;

Status yes_or_no(bool good) { return good ? Status::pass : Status::fail; }

std::size_t index_of(const Snapshot& snapshot, std::string_view name) {
  const auto found = std::find_if(snapshot.checks.begin(), snapshot.checks.end(),
                                  [&](const auto& state) { return state->spec->name == name; });
  VITALS_ASSERT(found != snapshot.checks.end());
  return static_cast<std::size_t>(found - snapshot.checks.begin());
}

/// "db: too many connections (saturated) for 28s"
std::string blame(const CheckView& check, Instant now) {
  std::string text(check.name());
  const Reason reason = check.judgement.reason;
  const std::string detail = explanation(check);
  if (!detail.empty()) text.append(": ").append(detail);
  if (reason != Reason::none) {
    text.append(detail.empty() ? ": " : " (").append(to_label(reason));
    if (!detail.empty()) text += ')';
  }
  if (check.judgement.status == Status::unknown) {
    return reason != Reason::none ? text + ", no status yet" : text;
  }
  return text + " for " + lasted(since_when(check, now), now);
}

template <typename Guilty>
std::string blame_first(const Picture& picture, Guilty guilty) {
  for (const std::size_t i : worst_first(picture.snapshot, picture.judgement)) {
    const CheckView check = view_of(picture, i);
    if (guilty(check)) return blame(check, picture.now);
  }
  return {};
}

std::string names_of(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), names_max); ++i) {
    text.append(i == 0 ? "" : ", ").append(names[i]);
  }
  if (names.size() > names_max) {
    text += " and " + std::to_string(names.size() - names_max) + " more";
  }
  return text;
}

std::string all_is_well(const Picture& picture, const std::vector<std::size_t>& checks) {
  const auto passing =
      static_cast<std::size_t>(std::count_if(checks.begin(), checks.end(), [&](std::size_t i) {
        return view_of(picture, i).judgement.status == Status::pass;
      }));
  if (checks.empty()) return "nothing to check";
  if (passing == 0) return "no check counts now";
  if (passing < checks.size()) {
    return std::to_string(passing) + " of " + std::to_string(checks.size()) +
           " checks pass, the others do not count";
  }
  return passing == 1 ? "the check passes" : "all " + std::to_string(passing) + " checks pass";
}

std::string verdict_sentence(const Picture& picture, const std::vector<std::size_t>& checks) {
  if (picture.judgement.draining) return "draining";
  const Status verdict = picture.judgement.verdict;
  if (verdict == Status::pass) return all_is_well(picture, checks);
  return blame_first(picture, [&](const CheckView& check) {
    return check.judgement.counts &&
           contribution(check.spec().impact, check.judgement.status) == verdict;
  });
}

std::string waiting_sentence(const Picture& picture) {
  std::vector<std::string_view> waiting;
  for (const auto& state : picture.snapshot.checks) {
    if (state->spec->startup && !state->ever_passed) waiting.push_back(state->spec->name);
  }
  if (waiting.empty()) return "starting: the first round is not over";
  return "starting: " + names_of(waiting) + (waiting.size() == 1 ? " has" : " have") +
         " not passed yet";
}

/// "; 7 of 8 other Machines that answer pass it", of the check that is blamed.
std::string fleet_suffix(const Picture& picture, bool gating) {
  for (const std::size_t i : worst_first(picture.snapshot, picture.judgement)) {
    const CheckView check = view_of(picture, i);
    const bool blamed = fails_critically(check) && check.spec().scope == Scope::shared &&
                        (!gating || check.judgement.gates);
    if (!blamed) continue;
    const std::string phrase = fleet_phrase(check.judgement);
    return phrase.empty() ? "" : "; " + phrase;
  }
  return {};
}

std::string ready_sentence(const Picture& picture) {
  const Judgement& judgement = picture.judgement;
  if (judgement.ready) {
    if (!judgement.fail_open) return "ready";
    return "stays ready on purpose (fail_open): " +
           blame_first(picture,
                       [](const CheckView& check) {
                         return fails_critically(check) && check.spec().scope == Scope::shared;
                       }) +
           fleet_suffix(picture, false);
  }
  if (judgement.draining) return "draining";
  if (!judgement.startup) return waiting_sentence(picture);
  std::string cause = blame_first(picture, [](const CheckView& check) {
    return check.judgement.gates && check.spec().scope == Scope::local;
  });
  if (!cause.empty()) return "not ready: " + cause;
  cause = blame_first(picture, [](const CheckView& check) { return check.judgement.gates; });
  return "not ready: " + cause + fleet_suffix(picture, true);
}

std::string live_sentence(const Picture& picture, const std::vector<std::size_t>& checks) {
  if (!picture.judgement.live) {
    return blame_first(picture, [](const CheckView& check) {
      return check.spec().live && check.judgement.status == Status::fail &&
             !check.judgement.muted() && check.judgement.suppressed_by.empty();
    });
  }
  return checks.empty() ? "the agent runs" : "alive";
}

std::string check_sentence(const Picture& picture, std::size_t index) {
  const CheckView check = view_of(picture, index);
  if (check.judgement.status == Status::pass) return "the check passes";
  return blame(check, picture.now);
}

}  // namespace

bool fails_critically(const CheckView& check) {
  return check.judgement.counts && check.spec().impact == Impact::critical &&
         check.judgement.status == Status::fail;
}

std::vector<std::size_t> listed_checks(const Picture& picture, const ReportRequest& request) {
  if (request.view == View::check) return {index_of(picture.snapshot, request.check)};
  std::vector<std::size_t> order = worst_first(picture.snapshot, picture.judgement);
  if (request.view == View::live || request.view == View::startup) {
    std::erase_if(order, [&](std::size_t i) {
      const CheckSpec& spec = *picture.snapshot.checks[i]->spec;
      return request.view == View::live ? !spec.live : !spec.startup;
    });
  }
  return order;
}

std::string output_sentence(const Picture& picture, const ReportRequest& request) {
  if (picture.judgement.stuck)
    return "no check shows a sign of life: the agent is stuck (internal)";
  const std::vector<std::size_t> checks = listed_checks(picture, request);
  switch (request.view) {
    case View::health:
      return verdict_sentence(picture, checks);
    case View::ready:
      return ready_sentence(picture);
    case View::live:
      return live_sentence(picture, checks);
    case View::startup:
      return picture.judgement.startup ? "started" : waiting_sentence(picture);
    case View::check:
      return check_sentence(picture, checks.front());
  }
  VITALS_ASSERT(false);
  return {};
}

Instant since_when(const CheckView& check, Instant now) {
  const CheckState& state = check.state;
  if (check.judgement.status == state.status) return state.since;
  // Judged stale by the reader: the moment follows from the evidence, on the monotonic clock.
  const TimePoint began = std::min(std::max(stale_from(state), state.since.mono), now.mono);
  const auto ago = std::chrono::duration_cast<WallTime::duration>(now.mono - began);
  return {began, now.wall - ago};
}

std::string lasted(Instant since, Instant now) {
  return human_duration(
      std::chrono::duration_cast<std::chrono::seconds>(now.mono - since.mono).count());
}

std::string_view glyph_of(Status status) {
  switch (status) {
    case Status::fail:
      return "✗";
    case Status::warn:
      return "!";
    case Status::unknown:
      return "?";
    case Status::pass:
      return "✓";
  }
  VITALS_ASSERT(false);
  return {};
}

std::string iso_time(WallTime time) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const auto day = floor<days>(whole);
  const year_month_day date(day);
  const hh_mm_ss clock(whole - day);
  std::array<char, 48> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string clock_text(WallTime time, Instant now) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const auto day = floor<days>(whole);
  const year_month_day date(day);
  const hh_mm_ss clock(whole - day);
  std::array<char, 48> text{};
  int length = 0;
  if (day != floor<days>(now.wall)) {
    length =
        std::snprintf(text.data(), text.size(), "%04d-%02u-%02u ", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  }
  const auto used = static_cast<std::size_t>(length);
  length += std::snprintf(text.data() + used, text.size() - used, "%02d:%02d:%02dZ",
                          static_cast<int>(clock.hours().count()),
                          static_cast<int>(clock.minutes().count()),
                          static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

WallTime wall_time_of(TimePoint moment, Instant now) {
  return now.wall + std::chrono::duration_cast<WallTime::duration>(moment - now.mono);
}

std::string explanation(const CheckView& check) {
  const CheckJudgement& judgement = check.judgement;
  const auto& last = check.state.last;
  if (!last) return judgement.detail.empty() ? "no result yet" : std::string(judgement.detail);
  const bool healthy = judgement.status == Status::pass || judgement.status == Status::warn;
  if (healthy && last->result.outcome == Outcome::fail) {
    return std::string(to_label(last->result.reason)) + ": " + last->result.detail;
  }
  return judgement.detail.empty() ? last->result.detail : std::string(judgement.detail);
}

std::chrono::seconds idle_time(const IdleState& idle, Instant now) {
  if (!idle.quiet_since || now.mono < *idle.quiet_since) return std::chrono::seconds(0);
  return std::chrono::duration_cast<std::chrono::seconds>(now.mono - *idle.quiet_since);
}

double shown_milliseconds(Elapsed time) {
  const double milliseconds = std::chrono::duration<double, std::milli>(time).count();
  const double scale = milliseconds < 1 ? 100 : 10;
  return std::round(milliseconds * scale) / scale;
}

ReportStatus report_status(const Snapshot& snapshot, const Judgement& judgement,
                           const ReportRequest& request) {
  Status status = Status::fail;
  switch (request.view) {
    case View::health:
      status = judgement.verdict;
      break;
    case View::ready:
      status = yes_or_no(judgement.ready);
      break;
    case View::live:
      status = yes_or_no(judgement.live);
      break;
    case View::startup:
      status = yes_or_no(judgement.startup);
      break;
    case View::check:
      status = judgement.checks[index_of(snapshot, request.check)].status;
      break;
  }
  if (judgement.stuck) status = Status::fail;
  return {.status = status, .ok = status == Status::pass || status == Status::warn};
}

}  // namespace vitals
