// Wording, level and keys of the log lines about checks and the verdict.
#include "agent/log_events.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

#include <vitals/text.hpp>

namespace vitals {
namespace {

std::string milliseconds(Elapsed time) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.1f",
                                   std::chrono::duration<double, std::milli>(time).count());
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string seconds_text(Elapsed time) {
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

/// check status reason detail since duration_ms: those that say something, in this order.
LogLine line_of(LogLevel level, std::string message, const Event& event) {
  LogLine line{level, std::move(message)};
  if (!event.check.empty()) line.fields.push_back({"check", event.check});
  line.fields.push_back({"status", std::string(to_label(event.to))});
  if (event.reason != Reason::none) {
    line.fields.push_back({"reason", std::string(to_label(event.reason))});
  }
  if (!event.detail.empty()) line.fields.push_back({"detail", event.detail});
  if (event.from != event.to) line.fields.push_back({"since", seconds_text(event.since)});
  if (event.duration > Elapsed::zero()) {
    line.fields.push_back({"duration_ms", milliseconds(event.duration), true});
  }
  return line;
}

LogLine describe_transition(const Event& event) {
  switch (event.to) {
    case Status::fail:
      return line_of(event.impact == Impact::info ? LogLevel::info : LogLevel::warn, "check failed",
                     event);
    case Status::warn:
      return line_of(event.impact == Impact::info ? LogLevel::info : LogLevel::warn,
                     event.from == Status::fail ? "check recovered with a warning" : "check warns",
                     event);
    case Status::pass:
      return line_of(LogLevel::info,
                     event.from == Status::fail      ? "check recovered"
                     : event.from == Status::unknown ? "check passes"
                                                     : "check passes again",
                     event);
    case Status::unknown:
      return line_of(LogLevel::info, "check is unknown", event);
  }
  VITALS_ASSERT(false);
  return {};
}

LogLine describe_verdict(const Event& event) {
  const LogLevel level = event.to == Status::fail   ? LogLevel::error
                         : event.to == Status::warn ? LogLevel::warn
                                                    : LogLevel::info;
  return line_of(level, event.from == Status::unknown ? "first verdict" : "verdict changed", event);
}

LogLine describe_fail_open(const Event& event) {
  if (!event.on) return {LogLevel::info, "fail-open has ended"};
  LogLine line{LogLevel::warn,
               "ready on purpose although a shared critical check fails: taking one Machine out "
               "would help nobody"};
  if (!event.detail.empty()) line.fields.push_back({"detail", event.detail});
  return line;
}

LogLine describe_ready(const Event& event) {
  LogLine line{event.on ? LogLevel::info : LogLevel::warn, event.on ? "ready" : "not ready"};
  if (!event.detail.empty()) line.fields.push_back({"detail", event.detail});
  return line;
}

/// Said loudly: from here on a failure may go unnoticed.
LogLine describe_mute(const Event& event) {
  LogLine line{LogLevel::warn, "check muted"};
  line.fields = {{"check", event.check},
                 {"status", std::string(to_label(event.to))},
                 {"for", seconds_text(event.since)}};
  return line;
}

std::uint64_t failures_of(const CheckState& state) {
  return state.counters.attempts[static_cast<std::size_t>(Outcome::fail)];
}

}  // namespace

LogLine describe_event(const Event& event) {
  switch (event.type) {
    case Event::Type::transition:
      return describe_transition(event);
    case Event::Type::first_failure:
      return line_of(LogLevel::warn, "first failure", event);
    case Event::Type::internal:
      return line_of(LogLevel::error, "check can't be asked", event);
    case Event::Type::remark:
      return line_of(LogLevel::info, "remark", event);
    case Event::Type::verdict:
      return describe_verdict(event);
    case Event::Type::resumed:
      return {LogLevel::info, "resumed: every check is asked now"};
    case Event::Type::ready:
      return describe_ready(event);
    case Event::Type::fail_open:
      return describe_fail_open(event);
    case Event::Type::muted:
      return describe_mute(event);
    case Event::Type::unmuted:
      return line_of(LogLevel::info, "check counts again", event);
  }
  VITALS_ASSERT(false);
  return {};
}

LogLine describe_summary(const Snapshot& snapshot, const Judgement& judgement) {
  std::array<std::size_t, status_labels.size()> count{};
  for (const CheckJudgement& check : judgement.checks) {
    ++count[static_cast<std::size_t>(check.status)];
  }
  std::uint64_t attempts = 0;
  std::uint64_t failures = 0;
  for (const auto& state : snapshot.checks) {
    const auto& all = state->counters.attempts;
    attempts += std::accumulate(all.begin(), all.end(), std::uint64_t{0});
    failures += failures_of(*state);
  }
  LogLine line{LogLevel::info, "summary"};
  line.fields.push_back({"status", std::string(to_label(judgement.verdict))});
  for (std::size_t i = 0; i < count.size(); ++i) {
    line.fields.push_back({status_labels[i], std::to_string(count[i]), true});
  }
  line.fields.push_back({"attempts", std::to_string(attempts), true});
  line.fields.push_back({"failures", std::to_string(failures), true});
  return line;
}

void log_event(Log& log, const Event& event) { log.write(describe_event(event)); }

void log_summary(Log& log, const Snapshot& snapshot, Instant now) {
  log.write(describe_summary(snapshot, judge(snapshot, now.mono)));
}

}  // namespace vitals
