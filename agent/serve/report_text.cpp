// The health document for terminals and for `fly checks list` (contract §5).
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "agent/serve/report_parts.hpp"

namespace vitals {
namespace {

/// A page of text in all (contract §5), and the share of its first line, so that rows fit below.
constexpr std::size_t text_max = 4 * 1024;
constexpr std::size_t line_max = 2 * 1024;
/// Room kept for "+1000 more" in each group, and for "… and 1000 more".
constexpr std::size_t group_reserve = 48;
constexpr std::size_t rest_reserve = 24;

/// Checks that share a word in the first line: "warn: billing slow, mail refused".
struct Group {
  std::string_view title;
  std::string_view separator;
  std::vector<std::string> entries{};
  std::string suffix{};
};

/// In the order of the line. A check that does not count stands under the word that says why.
struct Groups {
  Group fail{"fail", ", "};
  Group warn{"warn", ", "};
  Group unknown{"unknown", " "};
  Group pass{"pass", " "};
  Group waiting{"unknown", " "};  // heartbeats before the first, checks that a reload added
  Group info{"info", ", "};
  Group suppressed{"suppressed", ", "};
  Group muted{"muted", " "};

  [[nodiscard]] std::array<const Group*, 8> in_order() const {
    return {&fail, &warn, &unknown, &pass, &waiting, &info, &suppressed, &muted};
  }
};

std::string with_reason(const CheckView& check) {
  std::string entry(check.name());
  if (check.judgement.reason != Reason::none) {
    entry.append(" ").append(to_label(check.judgement.reason));
  }
  return entry;
}

void sort_in(Groups& groups, const CheckView& check, Instant now) {
  const CheckJudgement& judgement = check.judgement;
  const std::string name(check.name());
  if (judgement.muted()) {
    groups.muted.entries.push_back(name);
    return;
  }
  if (!judgement.suppressed_by.empty()) {
    groups.suppressed.entries.push_back(name + " by " + std::string(judgement.suppressed_by));
    return;
  }
  if (check.spec().impact == Impact::info && judgement.status != Status::pass) {
    groups.info.entries.push_back(with_reason(check));
    return;
  }
  switch (judgement.status) {
    case Status::fail:
      groups.fail.entries.push_back(with_reason(check) + " " + lasted(since_when(check, now), now));
      return;
    case Status::warn:
      groups.warn.entries.push_back(with_reason(check));
      return;
    case Status::unknown:
      (judgement.counts ? groups.unknown : groups.waiting).entries.push_back(name);
      return;
    case Status::pass:
      groups.pass.entries.push_back(name);
      return;
  }
  VITALS_ASSERT(false);
}

/// " (1 of 2 critical)": how many of the critical checks fail; nothing when there are none.
std::string critical_share(const Picture& picture, const std::vector<std::size_t>& listed) {
  std::size_t failing = 0;
  std::size_t critical = 0;
  for (const std::size_t i : listed) {
    const CheckView check = view_of(picture, i);
    if (check.spec().impact != Impact::critical) continue;
    ++critical;
    if (check.judgement.counts && check.judgement.status == Status::fail) ++failing;
  }
  if (critical == 0) return {};
  return " (" + std::to_string(failing) + " of " + std::to_string(critical) + " critical)";
}

/// Appends as many entries as fit into `limit` bytes of `line`, then "+12 more".
void append_group(std::string& line, const Group& group, std::size_t limit) {
  if (group.entries.empty()) return;
  if (!line.empty()) line += " | ";
  line.append(group.title).append(": ");
  std::size_t shown = 0;
  for (const std::string& entry : group.entries) {
    const std::size_t needed = entry.size() + group.separator.size() + group.suffix.size();
    if (line.size() + needed + group_reserve > limit) break;
    if (shown > 0) line.append(group.separator);
    line.append(entry);
    ++shown;
  }
  if (shown < group.entries.size()) {
    line += (shown > 0 ? " +" : "+") + std::to_string(group.entries.size() - shown) + " more";
  }
  line.append(group.suffix);
}

/// What the groups say before anything else; nothing when they begin with checks that don't count.
std::optional<Status> first_word(const Groups& groups) {
  if (!groups.fail.entries.empty()) return Status::fail;
  if (!groups.warn.entries.empty()) return Status::warn;
  if (!groups.unknown.entries.empty()) return Status::unknown;
  if (!groups.pass.entries.empty()) return Status::pass;
  return std::nullopt;
}

/// A failure that only warns stands under "warn" while nothing worse does: the line is known by its
/// first word.
void soften(Groups& groups) {
  auto& warnings = groups.warn.entries;
  warnings.insert(warnings.begin(), groups.fail.entries.begin(), groups.fail.entries.end());
  groups.fail.entries.clear();
}

/// What has to be said before the groups, because they alone would tell another status: a drain, a
/// Machine that stays ready on purpose, nothing that counts.
std::string headline(const Picture& picture, const ReportRequest& request, const Groups& groups,
                     Status status) {
  const Judgement& judgement = picture.judgement;
  const bool drains = judgement.draining && status == Status::fail &&
                      (request.view == View::health || request.view == View::ready);
  if (first_word(groups) == status && !drains && !judgement.stuck) return {};
  return std::string(to_label(status)) + ": " + output_sentence(picture, request);
}

/// The first line, without its newline.
std::string first_line(const Picture& picture, const ReportRequest& request,
                       const std::vector<std::size_t>& listed) {
  Groups groups;
  for (const std::size_t i : listed) sort_in(groups, view_of(picture, i), picture.now);
  if (request.view != View::check) groups.fail.suffix = critical_share(picture, listed);
  const Status status = report_status(picture.snapshot, picture.judgement, request).status;
  const bool of_all = request.view == View::health || request.view == View::ready;
  const bool failing = std::any_of(listed.begin(), listed.end(), [&](std::size_t i) {
    return fails_critically(view_of(picture, i));
  });
  if (of_all && !failing) soften(groups);
  std::string line = headline(picture, request, groups, status);
  const auto order = groups.in_order();
  for (std::size_t i = 0; i < order.size(); ++i) {
    append_group(line, *order[i], line_max - group_reserve * (order.size() - 1 - i));
  }
  return line;
}

/// " (4.1ms)", " (83 connections)"; nothing before the first attempt.
std::string observed_text(const CheckState& state) {
  if (!state.last) return {};
  std::array<char, 64> text{};
  int length = 0;
  if (const auto& observed = state.last->result.observed) {
    length = std::snprintf(text.data(), text.size(), " (%.4g %.*s)", observed->value,
                           static_cast<int>(observed->unit.size()), observed->unit.data());
  } else {
    const double milliseconds =
        std::chrono::duration<double, std::milli>(state.last->duration()).count();
    const int decimals = milliseconds < 0.095 ? 2 : milliseconds < 99.95 ? 1 : 0;
    length = std::snprintf(text.data(), text.size(), " (%.*fms)", decimals, milliseconds);
  }
  return {text.data(), std::min(static_cast<std::size_t>(length), text.size() - 1)};
}

std::string reason_and_detail(const CheckView& check) {
  const std::string detail = explanation(check);
  const Reason reason = check.judgement.reason;
  if (reason == Reason::none) return detail.empty() ? "ok" : detail;
  std::string text(to_label(reason));
  if (detail.empty()) return text;
  // Of a warning whose last attempt failed the explanation begins with that attempt's reason.
  const std::string same = text + ": ";
  return text + ", " + (detail.starts_with(same) ? detail.substr(same.size()) : detail);
}

std::string streak(const CheckView& check, Instant now) {
  const CheckState& state = check.state;
  std::string text = "; ";
  Instant since = since_when(check, now);
  if (state.failures_in_a_row > 0) {
    text += std::to_string(state.failures_in_a_row) + " in a row ";
    since = state.streak_began;
  }
  text += "since " + clock_text(since.wall, now);
  if (state.last_pass) return text + ", last pass " + clock_text(*state.last_pass, now);
  return text + ", never passed";
}

std::string_view symbol(const CheckView& check) {
  if (check.judgement.muted() || !check.judgement.suppressed_by.empty()) return "-";
  return glyph_of(check.judgement.status);
}

/// "muted until 01:20:00Z; ", "suppressed by db; ", "paused; " before what the check itself has to
/// say.
std::string silence(const CheckView& check, Instant now) {
  if (check.judgement.paused) return "paused; ";
  if (check.judgement.muted()) {
    return "muted until " + clock_text(wall_time_of(*check.judgement.muted_until, now), now) + "; ";
  }
  if (check.judgement.suppressed_by.empty()) return {};
  return "suppressed by " + std::string(check.judgement.suppressed_by) + "; ";
}

/// "[✗] db: saturated, too many clients; 4 in a row since 00:19:33Z (4.1ms)"
std::string row(const CheckView& check, Instant now) {
  std::string text = "[" + std::string(symbol(check)) + "] " + std::string(check.name()) + ": " +
                     silence(check, now) + reason_and_detail(check);
  if (check.judgement.status == Status::fail) text += streak(check, now);
  return text + observed_text(check.state) + "\n";
}

}  // namespace

std::string render_line(const Snapshot& snapshot, const Judgement& judgement,
                        const ReportRequest& request, Instant now) {
  if (!request.details) {
    return std::string(to_label(report_status(snapshot, judgement, request).status)) + "\n";
  }
  const Picture picture{snapshot, judgement, now};
  return first_line(picture, request, listed_checks(picture, request)) + "\n";
}

std::string render_text(const Snapshot& snapshot, const Judgement& judgement,
                        const ReportRequest& request, Instant now) {
  if (!request.details) return render_line(snapshot, judgement, request, now);
  const Picture picture{snapshot, judgement, now};
  const std::vector<std::size_t> listed = listed_checks(picture, request);
  std::string text = first_line(picture, request, listed) + "\n";
  for (std::size_t shown = 0; shown < listed.size(); ++shown) {
    const std::string next = row(view_of(picture, listed[shown]), now);
    const std::size_t reserve = shown + 1 < listed.size() ? rest_reserve : 0;
    if (text.size() + next.size() + reserve > text_max) {
      return text + "… and " + std::to_string(listed.size() - shown) + " more\n";
    }
    text += next;
  }
  return text;
}

}  // namespace vitals
