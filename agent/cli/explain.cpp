// `vitals explain NAME`: why a check is what it is, from the running agent's own account.
#include <cstdio>

#include <vitals/text.hpp>

#include "agent/cli/answer.hpp"
#include "agent/cli/client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/cli/remote.hpp"
#include "agent/config/redact.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

std::string seconds_text(std::chrono::system_clock::duration time) {
  return human_duration(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

/// "db: fail (saturated) for 28s", and what it says.
std::string heading(const Answer& check) {
  std::string text = check.text("check") + ": " + check.text("status");
  if (check.has("reason")) text += " (" + check.text("reason") + ")";
  const auto now = check.time("time");
  const auto since = check.time("since");
  if (now && since) text += " for " + seconds_text(*now - *since);
  text += ", since " + check.text("since") + "\n";
  if (const std::string output = check.text("output"); !output.empty())
    text += "  " + output + "\n";
  text += "  " + check.text("kind") + ", " + check.text("impact") + ", " + check.text("scope");
  // Neither a group nor a heartbeat without a file is about one place.
  const std::string target = check.text("target");
  return text + (target.empty() ? "" : ", " + target) + "\n";
}

std::string members(const Answer& group) {
  if (!group.has("members")) return {};
  const auto all = group.at("members").children();
  std::string text = "\nMembers\n  " + group.text("need") + " of " + std::to_string(all.size()) +
                     " must be well\n";
  for (const auto& [name, status] : all) text += "  " + name + ": " + status.text() + "\n";
  return text;
}

std::string streaks(const Answer& check) {
  std::string text = "\nStreaks\n  " + check.text("failures_in_a_row") + " failures in a row (" +
                     check.text("fall") + " turn it to fail), " + check.text("successes_in_a_row") +
                     " successes in a row (" + check.text("rise") + " bring it back)\n";
  text += "  last pass: " + (check.has("last_pass") ? check.text("last_pass") : "never") + "\n";
  if (check.has("muted_until")) text += "  muted until " + check.text("muted_until") + "\n";
  if (check.has("paused")) text += "  paused while the Machine is idle\n";
  if (check.has("suppressed_by")) text += "  suppressed by " + check.text("suppressed_by") + "\n";
  return text;
}

/// "2026-11-21T00:20:01Z  saturated  4.1 ms  53300 sorry"
std::string attempt_line(const Answer& attempt) {
  const std::string reason = attempt.text("reason");
  return "  " + attempt.text("time") + "  " + (reason.empty() ? attempt.text("outcome") : reason) +
         "  " + attempt.text("duration_ms") + " ms  " + attempt.text("output") + "\n";
}

std::string last_attempt(const Answer& check) {
  std::string text = "\nLast attempt\n";
  if (!check.has("last_attempt")) return text + "  none yet\n";
  const Answer attempt = check.at("last_attempt");
  text += attempt_line(attempt);
  std::string phases;
  for (const auto& [phase, time] : attempt.at("phases_ms").children()) {
    phases += (phases.empty() ? "  " : ", ") + phase + " " + time.text() + " ms";
  }
  if (!phases.empty()) text += phases + "\n";
  if (check.has("p95_ms")) {
    text += "  95 of 100 of the last good ones within " + check.text("p95_ms") + " ms\n";
  }
  return text;
}

std::string next_attempt(const Answer& check) {
  const auto now = check.time("time");
  const auto next = check.time("next_attempt");
  std::string text = "\nNext attempt\n  ";
  if (check.has("paused")) return text + "as soon as there is work again\n";
  if (!now || !next) return text + "not known\n";
  return text + (*next <= *now ? std::string("now") : "in " + seconds_text(*next - *now)) +
         ", at " + check.text("next_attempt") + "\n";
}

std::string last_failures(const Answer& check) {
  std::string text = "\nLast failures\n";
  const auto failures = check.at("failures").children();
  if (failures.empty()) return text + "  none that it remembers\n";
  for (const auto& [key, failure] : failures) text += attempt_line(failure);
  return text;
}

std::string section(const std::string& title, const Answer& check, std::string_view list) {
  std::string text = "\n" + title + "\n";
  for (const auto& [key, line] : check.at(list).children()) text += "  " + line.text() + "\n";
  return text;
}

std::string detection(const Answer& check) {
  return "\nDetection\n  at worst " + check.text("worst_case_detection_seconds") +
         " s from the moment it dies: " + check.text("worst_case_detection_rule") +
         "\n  without any result it is fail(stale) after " + check.text("stale_after_seconds") +
         " s\n";
}

std::string account_of(const Answer& check) {
  return heading(check) + members(check) + streaks(check) + last_attempt(check) +
         next_attempt(check) + last_failures(check) + detection(check) +
         section("What Fly makes of it", check, "effects") +
         section("Effective settings", check, "settings");
}

/// What stands in {"error": …}; else the code alone.
std::string refusal(const ClientAnswer& answer) {
  const auto body = Answer::parse(answer.body);
  const std::string said = body ? body->text("error") : "";
  return said.empty() ? "HTTP " + std::to_string(answer.status) : said;
}

}  // namespace

int explain(const Arguments& arguments) {
  initialise_probe_libraries();
  const auto agent = find_agent(arguments, 1);
  if (!agent) return complain(agent.error().message, exit_usage);
  const auto answer =
      ask_agent({"GET", agent.value().url + "/history?check=" + encoded(arguments.names.front()),
                 agent.value().token});
  if (!answer) return complain(answer.error().message, exit_fail);
  constexpr int ok = 200;
  constexpr int not_found = 404;
  const std::string url = config::redact_url(agent.value().url);
  const auto document = Answer::parse(answer.value().body);
  if (answer.value().status == ok && document && document->has("check")) {
    const std::string text =
        arguments.format == OutputFormat::json ? document->document() : account_of(*document);
    std::fputs(without_secrets(agent.value(), text).c_str(), stdout);
    return exit_ok;
  }
  const std::string said = without_secrets(agent.value(), refusal(answer.value()));
  if (answer.value().status == not_found && said.find("check") != std::string::npos) {
    return complain(said, exit_usage);
  }
  return complain(url + " does not explain '" + clean_text(arguments.names.front()) + "': " + said,
                  exit_fail);
}

}  // namespace vitals::cli
