// Who is whose parent, and how a Machine stops.
#include <algorithm>
#include <array>
#include <sstream>

#include "agent/config/quantity.hpp"
#include "agent/lint/rules.hpp"

namespace vitals::lint {
namespace {

using config::format_duration;
using Words = std::vector<std::string>;

constexpr Duration kill_timeout_default{5'000};

Words split(const std::string& text) {
  std::istringstream stream(text);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// The words from "vitals" on when they begin with `vitals run`; empty otherwise. Something else,
/// such as tini, may stand before.
Words after_parent(const Words& words) {
  for (auto at = words.begin(); at != words.end(); ++at) {
    const Words rest(at, words.end());
    if (starts_vitals(rest) && rest.size() > 1 && rest[1] == "run") return rest;
  }
  return {};
}

/// Whether `vitals run …` names the program to run, and does not leave it to CMD.
bool holds_command(const Words& words) {
  const Words run = after_parent(words);
  if (run.empty()) return false;
  const auto dashes = std::find(run.begin(), run.end(), "--");
  return dashes != run.end() && dashes + 1 != run.end();
}

constexpr std::string_view held =
    "release_command and [processes] replace CMD alone, so they would become arguments of the app; "
    "end ENTRYPOINT with \"--\" and move the command to CMD";

void entrypoint_command(const Files& files, Findings& findings) {
  for (const Value* table : tables_at(files.fly.document, "experimental")) {
    auto words = texts_at(*table, "entrypoint");
    if (const auto text = text_at(*table, "entrypoint")) words = split(*text);
    if (!holds_command(words)) continue;
    findings.fly.add(place_of(*table, "entrypoint"), "experimental",
                     "'entrypoint' holds the command of the app; " + std::string(held));
  }
  if (!files.dockerfile || !files.dockerfile->entrypoint) return;
  const DockerCommand& entrypoint = *files.dockerfile->entrypoint;
  if (entrypoint.shell || !holds_command(entrypoint.words)) return;
  findings.dockerfile.add({entrypoint.line, 1, {}}, "",
                          "ENTRYPOINT holds the command of the app; " + std::string(held));
}

void entrypoint_shell(const Files& files, Findings& findings) {
  if (!files.dockerfile || !files.dockerfile->entrypoint) return;
  const DockerCommand& entrypoint = *files.dockerfile->entrypoint;
  Words words = entrypoint.words;
  if (!words.empty() && words[0] == "exec") words.erase(words.begin());
  if (!entrypoint.shell || !starts_vitals(words)) return;
  findings.dockerfile.add({entrypoint.line, 1, {}}, "",
                          "ENTRYPOINT without brackets; /bin/sh becomes the parent, CMD is ignored "
                          "and a FROM scratch image has no shell; write ENTRYPOINT [\"vitals\", "
                          "\"run\", \"--\"]");
}

void sidecar_process_group(const Files& files, Findings& findings) {
  for (const Value* groups : tables_at(files.fly.document, "processes")) {
    if (!groups->key.empty() && groups->children.size() < 2) continue;
    for (const Value& group : groups->children) {
      const Words words = split(group.text);
      if (!starts_vitals(words) || words.size() < 2 || words[1] != "serve") continue;
      findings.fly.add(group.place, "processes",
                       "'" + group.key +
                           "' runs the agent alone; process groups are separate Machines, so it "
                           "would not see the app; start both in one group: \"vitals run -- "
                           "COMMAND\"");
    }
  }
}

void doubled_parent(const Files& files, Findings& findings) {
  if (!files.dockerfile || !files.dockerfile->entrypoint) return;
  if (after_parent(files.dockerfile->entrypoint->words).empty()) return;
  for (const Value* groups : tables_at(files.fly.document, "processes")) {
    for (const Value& group : groups->children) {
      if (after_parent(split(group.text)).empty()) continue;
      findings.fly.add(group.place, "processes",
                       "'" + group.key +
                           "' starts vitals again; [processes] replaces CMD alone and ENTRYPOINT "
                           "is vitals already; write the app's command only");
    }
  }
}

void kill_signal(const Files& files, Findings& findings) {
  const auto signal = text_at(files.fly.document, "kill_signal");
  if (!signal || (*signal != "SIGKILL" && *signal != "SIGSTOP")) return;
  findings.fly.add(place_of(files.fly.document, "kill_signal"), "",
                   "'kill_signal' is " + *signal +
                       "; no process can catch it, so there is no drain and requests are cut off; "
                       "write \"SIGTERM\"");
}

bool agent_is_parent(const Files& files) {
  if (files.vitals && files.vitals->has_app) return true;
  return files.dockerfile && files.dockerfile->entrypoint &&
         !after_parent(files.dockerfile->entrypoint->words).empty();
}

void kill_timeout_short(const Files& files, Findings& findings) {
  if (!files.vitals || !agent_is_parent(files)) return;
  const auto& vitals = *files.vitals;
  if (!vitals.drain_delay || !vitals.stop_timeout) return;
  const bool written = files.fly.document.find("kill_timeout") != nullptr;
  const auto timeout = written ? duration_at(files.fly.document, "kill_timeout", BareUnit::seconds)
                               : std::optional(kill_timeout_default);
  const Duration needed = *vitals.drain_delay + *vitals.stop_timeout;
  if (!timeout || *timeout >= needed) return;
  Place place = place_of(files.fly.document, "kill_timeout");
  if (!written) place = {1, 1, {}};
  findings.fly.add(place, "",
                   "'kill_timeout' is " + format_duration(*timeout) +
                       (written ? "" : " when nothing is said") + ", but drain_delay " +
                       format_duration(*vitals.drain_delay) + " and stop_timeout " +
                       format_duration(*vitals.stop_timeout) +
                       " in vitals.toml need more; Fly kills the Machine in the middle; write "
                       "kill_timeout = \"" +
                       format_duration(needed + Duration(1'000)) + "\"");
}

void self_stop(const Files& files, Findings& findings) {
  if (!files.vitals) return;
  const std::string& action = files.vitals->autostop_action;
  if (action != "exit" && action != "suspend" && action != "stop") return;
  const std::string ours = "[autostop] action = \"" + action + "\" in vitals.toml";
  for (const FlyService& service : files.fly.services) {
    const Value* stop = service.table->find("auto_stop_machines");
    if (stop != nullptr && (stop->flag || stop->text == "stop" || stop->text == "suspend")) {
      findings.fly.add(
          stop->place, service.path,
          "'auto_stop_machines' and " + ours +
              " both stop this Machine; the proxy sees its own traffic alone and knows "
              "no busy holds; write auto_stop_machines = \"off\"");
    }
    const Value* start = service.table->find("auto_start_machines");
    if (start != nullptr && start->type == Value::Type::flag && !start->flag) {
      findings.fly.add(start->place, service.path,
                       "'auto_start_machines' is false with " + ours +
                           "; nothing would start the Machine again; write auto_start_machines = "
                           "true");
    }
  }
  if (action != "exit") return;
  for (const Value* restart : tables_at(files.fly.document, "restart")) {
    if (text_at(*restart, "policy") != "always") continue;
    findings.fly.add(place_of(*restart, "policy"), "restart",
                     "'policy' is \"always\" with " + ours +
                         "; the Machine would start again at once; write \"on-failure\"");
  }
}

void socket_user(const Files& files, Findings& findings) {
  if (!files.vitals || !files.dockerfile || !files.dockerfile->user) return;
  const std::string& action = files.vitals->autostop_action;
  const DockerUser& user = *files.dockerfile->user;
  if (action != "suspend" && action != "stop") return;
  if (user.name == "root" || user.name == "0" || user.name.find('$') != std::string::npos) return;
  findings.dockerfile.add(
      {user.line, 1, {}}, "",
      "USER " + user.name + " with [autostop] action = \"" + action +
          "\" in vitals.toml; the socket /.fly/api is root's alone; remove USER "
          "and let [app] user = \"" +
          user.name + "\" drop privileges for the app");
}

constexpr std::array<Rule, 8> rules{{
    {"entrypoint_command", entrypoint_command},
    {"entrypoint_shell", entrypoint_shell},
    {"sidecar_process_group", sidecar_process_group},
    {"doubled_parent", doubled_parent},
    {"kill_signal", kill_signal},
    {"kill_timeout_short", kill_timeout_short},
    {"self_stop", self_stop},
    {"socket_user", socket_user},
}};

}  // namespace

std::span<const Rule> process_rules() { return rules; }

}  // namespace vitals::lint
