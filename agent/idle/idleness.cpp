// Which look is work, how long it has been quiet, and what speaks against stopping.
#include "agent/idle/idleness.hpp"

#include <algorithm>
#include <utility>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

#include "agent/config/quantity.hpp"

namespace vitals::idle {
namespace {

std::string counted(std::uint64_t count, const char* one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

std::string traffic_text(const Traffic& traffic) {
  if (traffic.in_flight > 0) return counted(traffic.in_flight, "request") + " in flight";
  if (traffic.connections > 0) return counted(traffic.connections, "connection");
  return "connections a moment ago";
}

/// "hold 'import' and 2 more"
std::string named(const char* what, const std::vector<std::string>& names) {
  std::string text = std::string(what) + " '" + clean_text(names.front()) + "'";
  if (names.size() > 1) text += " and " + std::to_string(names.size() - 1) + " more";
  return text;
}

}  // namespace

Watch::Watch(TimePoint started, TimePoint now) : started_(started), quiet_since_(now) {}

Keeps Watch::work_in(const Facts& facts) {
  const Traffic& traffic = facts.traffic;
  const bool there = traffic.connections > 0 || traffic.in_flight > 0;
  seen_[looks_++ % looks_kept] = there;
  if (!traffic.unknown.empty()) return Keeps::unknown_traffic;
  if (traffic.by_door) {
    if (there) return Keeps::connections;
  } else if (std::count(seen_.begin(), seen_.end(), true) >= std::ptrdiff_t{looks_needed}) {
    return Keeps::connections;
  }
  if (!facts.holds.empty()) return Keeps::hold;
  return facts.jobs.empty() ? Keeps::nothing : Keeps::job;
}

const Idleness& Watch::look(const Facts& facts, const AutostopConfig& rules) {
  if (std::exchange(resumes_, facts.resumes) != facts.resumes) new_life(facts.now);
  const Keeps work = work_in(facts);
  // It went on for an unknown time after the last look that saw it.
  const bool worked = std::exchange(working_, work != Keeps::nothing);
  if (working_ || worked) {
    quiet_since_ = facts.now;
    forget_pause();
  } else if (facts.traffic.last_active && *facts.traffic.last_active > quiet_since_) {
    quiet_since_ = *facts.traffic.last_active;
    forget_pause();
  }
  tell(facts, rules, work);
  return idleness_;
}

void Watch::new_life(TimePoint now) {
  // It was woken for a reason; the time asleep was no idleness of this life.
  started_ = quiet_since_ = now;
  working_ = false;
  seen_.fill(false);
  forget_pause();
  idleness_ = {};
  idleness_.quiet_since = now;
  keep(Keeps::quiet_too_short, "counting anew after a suspend");
}

void Watch::forget_pause() {
  pause_ = Duration(0);
  not_before_ = {};
}

void Watch::keep(Keeps keeps, std::string why) {
  idleness_.keeps = keeps;
  idleness_.why = std::move(why);
}

void Watch::tell(const Facts& facts, const AutostopConfig& rules, Keeps work) {
  idleness_ = {};
  if (work == Keeps::nothing) idleness_.quiet_since = quiet_since_;
  idleness_.idle = work == Keeps::nothing && facts.now - quiet_since_ >= rules.idle_after;
  if (work == Keeps::connections) {
    keep(work, traffic_text(facts.traffic));
  } else if (work == Keeps::unknown_traffic) {
    keep(work, "connections of the app can't be counted: " + facts.traffic.unknown);
  } else if (work == Keeps::hold) {
    keep(work, named("hold", facts.holds));
  } else if (work == Keeps::job) {
    keep(work, named("job", facts.jobs) + " beside the app");
  } else if (!idleness_.idle) {
    keep(Keeps::quiet_too_short,
         "quiet, but not for " + config::format_duration(rules.idle_after) + " yet");
  } else if (facts.now - started_ < rules.min_uptime) {
    keep(Keeps::min_uptime, "up for less than " + config::format_duration(rules.min_uptime));
  } else if (facts.draining) {
    keep(Keeps::draining, "it drains");
  } else if (!facts.app_runs) {
    keep(Keeps::unhealthy, "the app does not run");
  } else if (facts.verdict == Status::fail && !rules.even_if_unhealthy) {
    keep(Keeps::unhealthy, "the verdict is fail: a sick Machine stays up for its operator");
  } else {
    idleness_.safe = true;
    if (facts.now < not_before_) keep(pausing_, pausing_why_);
  }
}

Duration Watch::pause(TimePoint now, Keeps keeps, std::string why) {
  pause_ = std::clamp(2 * pause_, pause_min, pause_max);
  not_before_ = now + pause_;
  pausing_ = keeps;
  pausing_why_ = std::move(why);
  keep(pausing_, pausing_why_);
  return pause_;
}

Duration Watch::asked(TimePoint now, std::string what) {
  return pause(now, Keeps::asked, std::move(what));
}

Duration Watch::refused(TimePoint now, std::string why) {
  return pause(now, Keeps::refused, std::move(why));
}

bool Watch::may_act(TimePoint now) const { return idleness_.safe && now >= not_before_; }

std::string_view to_word(Keeps keeps) {
  switch (keeps) {
    case Keeps::connections:
      return "connections";
    case Keeps::unknown_traffic:
      return "unknown_traffic";
    case Keeps::hold:
      return "hold";
    case Keeps::job:
      return "job";
    case Keeps::quiet_too_short:
      return "quiet_too_short";
    case Keeps::min_uptime:
      return "min_uptime";
    case Keeps::draining:
      return "draining";
    case Keeps::unhealthy:
      return "unhealthy";
    case Keeps::asked:
      return "asked";
    case Keeps::refused:
      return "refused";
    case Keeps::nothing:
      return "";
  }
  VITALS_ASSERT(false);
  return {};
}

}  // namespace vitals::idle
