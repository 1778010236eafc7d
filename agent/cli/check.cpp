// `vitals check`: every check once, in parallel, with the verdict as exit code.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <set>

#include <vitals/text.hpp>

#include "agent/cli/commands.hpp"
#include "agent/schedule/keeper.hpp"
#include "agent/schedule/scheduler.hpp"
#include "agent/verdict/board.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

using Groups = std::vector<std::shared_ptr<const CheckSpec>>;

/// What is wrong with each name that is no check of this config.
std::vector<std::string> unknown_names(const Config& config,
                                       const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const ConfiguredCheck& check : config.checks) known.push_back(check.spec->name);
  for (const auto& group : config.groups) known.push_back(group->name);
  std::vector<std::string> unknown;
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string guess = closest(name, known);
    unknown.push_back("no check '" + name + "' in " + config.source +
                      (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
  }
  return unknown;
}

/// What was asked for; to ask for a group is to ask for its members.
std::set<std::string> named_checks(const Config& config, const std::vector<std::string>& names) {
  std::set<std::string> named(names.begin(), names.end());
  for (const auto& group : config.groups) {
    if (named.contains(group->name)) named.insert(group->members.begin(), group->members.end());
  }
  return named;
}

/// Groups can be judged only with all of their members.
Groups groups_within(const Config& config, const std::vector<std::string>& names) {
  Groups groups;
  for (const auto& group : config.groups) {
    const bool wanted =
        names.empty() || std::find(names.begin(), names.end(), group->name) != names.end();
    if (wanted) groups.push_back(group);
  }
  return groups;
}

bool is_among(const Groups& groups, const std::string& member) {
  return std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
    return std::find(group->members.begin(), group->members.end(), member) != group->members.end();
  });
}

/// A member counts through its group; asked for without it, it counts for what the group does.
Impact impact_of(const CheckSpec& check, const Config& config, const Groups& judged) {
  if (is_among(judged, check.name)) return check.impact;
  Impact impact = check.impact;
  for (const auto& group : config.groups) {
    if (is_among({group}, check.name)) impact = std::min(impact, group->impact);
  }
  return impact;
}

/// Only the named ones (all when none is named), where one attempt is the whole truth: no streaks.
std::vector<ConfiguredCheck> once(Config& config, const Groups& groups,
                                  const std::set<std::string>& names, bool wait) {
  constexpr Duration ask_once = std::chrono::hours(24);
  std::vector<ConfiguredCheck> chosen;
  for (ConfiguredCheck& check : config.checks) {
    if (!names.empty() && !names.contains(check.spec->name)) continue;
    auto spec = std::make_shared<CheckSpec>(*check.spec);
    spec->impact = impact_of(*spec, config, groups);
    spec->fall = 1;
    spec->rise = 1;
    // Without a wait nobody is asked twice, however long the slowest takes.
    spec->interval = wait ? spec->retry_interval : ask_once;
    spec->retry_interval = spec->interval;
    check.spec = std::move(spec);
    chosen.push_back(std::move(check));
  }
  return chosen;
}

bool all_asked(const Snapshot& snapshot) {
  return std::all_of(snapshot.checks.begin(), snapshot.checks.end(),
                     [](const auto& check) { return check->ever_finished; });
}

/// Until every check has answered and, with a wait, the verdict is good or the time is up.
void wait_for_verdict(const StatusBoard& board, std::optional<Duration> wait) {
  const TimePoint end = Clock::now() + wait.value_or(Duration(0));
  while (true) {
    const auto snapshot = board.latest();
    const TimePoint now = Clock::now();
    if (all_asked(*snapshot)) {
      if (judge(*snapshot, now).verdict != Status::fail) return;
      if (!wait) return;
    }
    if (wait && now >= end) return;
    constexpr timespec pause{0, 2'000'000};
    nanosleep(&pause, nullptr);
  }
}

int print_verdict(const Snapshot& snapshot, const Arguments& arguments,
                  const Environment& environment) {
  const Instant now = Instant::now();
  const Judgement judgement = judge(snapshot, now.mono);
  const ReportRequest request;
  const std::string text =
      arguments.format == OutputFormat::json
          ? render_json(snapshot, judgement, request, identity_of(environment), now)
          : render_text(snapshot, judgement, request, now);
  std::fputs(text.c_str(), stdout);
  if (!text.ends_with('\n')) std::fputc('\n', stdout);
  return exit_code(judgement.verdict, arguments.fail_on_warn);
}

}  // namespace

int check(const Arguments& arguments) {
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const ConfigSource source = config_source(arguments);
  auto loaded = load_config(source);
  if (!loaded) return report_mistakes(loaded.error());
  Config config = std::move(loaded).value();
  const auto unknown = unknown_names(config, arguments.names);
  for (const std::string& message : unknown) static_cast<void>(complain(message, exit_usage));
  if (!unknown.empty()) return exit_usage;
  for (const std::string& remark : config.remarks) std::fprintf(stderr, "%s\n", remark.c_str());

  initialise_probe_libraries();
  const auto groups = groups_within(config, arguments.names);
  auto checks =
      once(config, groups, named_checks(config, arguments.names), arguments.wait.has_value());
  std::vector<std::shared_ptr<const CheckSpec>> specs;
  for (const ConfiguredCheck& check : checks) specs.push_back(check.spec);
  specs.insert(specs.end(), groups.begin(), groups.end());

  StatusBoard board(Instant::now(), nullptr);
  board.set_checks(specs, config.shared_rule, Instant::now());
  Keeper keeper(board);
  Scheduler scheduler(board, keeper);
  if (const auto error = keeper.start([&scheduler] { scheduler.run_all_now(); })) {
    return complain(error->message, exit_fail);
  }
  if (const auto error = scheduler.run(std::move(checks), Duration(0))) {
    return complain(error->message, exit_fail);
  }
  wait_for_verdict(board, arguments.wait);
  const auto snapshot = board.latest();
  const int code = print_verdict(*snapshot, arguments, source.environment);
  std::fflush(stdout);
  keeper.stop();
  // A probe that hangs in a library must not keep the answer from whoever waits for it.
  if (!scheduler.stop(Duration(0))) std::_Exit(delivered(code));
  return code;
}

}  // namespace vitals::cli
