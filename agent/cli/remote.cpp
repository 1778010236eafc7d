// Commands that talk to a running agent: status, drain, undrain, mute, unmute.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include <vitals/secrets.hpp>
#include <vitals/text.hpp>

#include "agent/cli/agent_url.hpp"
#include "agent/cli/client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/config/redact.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* default_url = "http://127.0.0.1:9100";

/// Where the agent of this config can be asked from this Machine: any-addresses mean loopback.
std::string url_of(const ServerConfig& server) {
  const std::size_t colon = server.listen.rfind(':');
  if (colon == std::string::npos) return default_url;
  std::string host = server.listen.substr(0, colon);
  if (host.empty() || host == "[::]" || host == "0.0.0.0") host = "127.0.0.1";
  return "http://" + host + server.listen.substr(colon);
}

struct Agent {
  std::string url;    // no slash at the end
  std::string token;  // empty: none
};

/// The URL of the command line (`url` is its place among the names), else the one of the config;
/// the token of the config, else $VITALS_TOKEN. The token goes to the agent of the config and to
/// this Machine: any other URL may be a stranger's. A config that does not load is an error only
/// when it was named.
Result<Agent> find_agent(const Arguments& arguments, std::size_t url = 0) {
  const bool has_url = arguments.names.size() > url;
  Agent agent;
  const ConfigSource source = config_source(arguments);
  agent.token = source.environment("VITALS_TOKEN").value_or("");
  agent.url = default_url;
  const auto config = load_config(source);
  if (config) {
    agent.url = url_of(config.value().server);
    if (const auto token = config.value().server.token.read()) agent.token = token.value();
  } else if (arguments.config && !has_url) {
    return Error{config.error().lines.empty() ? "the config does not load"
                                              : config.error().lines.front()};
  }
  const std::string configured = agent.url;
  if (has_url) agent.url = arguments.names[url];
  if (agent.url.find("://") == std::string::npos) agent.url = "http://" + agent.url;
  while (agent.url.ends_with('/')) agent.url.pop_back();
  if (agent.url != configured && !leads_to_loopback(agent.url)) agent.token.clear();
  return agent;
}

/// What is there may be no agent, and repeat what it was asked with.
std::string without_secrets(const Agent& agent, const std::string& text) {
  SecretSet secrets;
  secrets.add(agent.token);
  for (const auto& secret : config::url_secrets(agent.url)) secrets.add(secret);
  return secrets.scrub(text);
}

std::string field(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  return found->is_string() ? clean_text(found->get<std::string>()) : found->dump();
}

struct Row {
  std::string mark, name, status, latency, since, detail;
};

Row row_of(const Json& check) {
  Row row;
  row.status = field(check, "status");
  row.mark = row.status == "pass"   ? "✓"
             : row.status == "warn" ? "!"
             : row.status == "fail" ? "✗"
                                    : "?";
  row.name = field(check, "componentId");
  if (check.contains("observedValue")) {
    row.latency = field(check, "observedValue") + " " + field(check, "observedUnit");
  }
  row.since = field(check, "since");
  const std::string reason = field(check, "reason");
  row.detail = (reason.empty() ? "" : reason + ": ") + field(check, "output");
  return row;
}

const char* colour_of(std::string_view status) {
  if (status == "pass") return "\033[32m";
  if (status == "warn") return "\033[33m";
  return status == "fail" ? "\033[31m" : "\033[2m";
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string coloured(const std::string& text, std::string_view status, bool colour) {
  return colour ? colour_of(status) + text + "\033[0m" : text;
}

std::string table_of(const Json& document, bool colour) {
  const std::string verdict = field(document, "status");
  std::string text = coloured(verdict, verdict, colour);
  if (const std::string output = field(document, "output"); !output.empty()) text += ": " + output;
  text += "\n";
  std::vector<Row> rows;
  std::size_t name_width = 0;
  std::size_t latency_width = 0;
  if (const auto checks = document.find("checks");
      checks != document.end() && checks->is_object()) {
    for (const auto& [key, entries] : checks->items()) {
      if (!entries.is_array() || entries.empty()) continue;
      rows.push_back(row_of(entries.front()));
      name_width = std::max(name_width, rows.back().name.size());
      latency_width = std::max(latency_width, rows.back().latency.size());
    }
  }
  constexpr std::size_t status_width = 7;
  for (const Row& row : rows) {
    text += coloured(row.mark + " " + padded(row.status, status_width), row.status, colour) + "  " +
            padded(row.name, name_width) + "  " + padded(row.latency, latency_width) + "  " +
            row.since + "  " + row.detail + "\n";
  }
  return text;
}

/// One look: prints, and returns the exit code.
int show_once(const Agent& agent, const Arguments& arguments, bool redraw) {
  const bool json = arguments.format == OutputFormat::json;
  const auto answer = ask_agent({"GET", agent.url + "/health?format=json", agent.token});
  if (redraw) std::fputs("\033[H\033[2J", stdout);
  if (!answer) return complain(answer.error().message, exit_fail);
  const Json document = Json::parse(answer.value().body, nullptr, false);
  if (document.is_discarded() || !document.contains("status")) {
    return complain(config::redact_url(agent.url) + " answers, but not as vitals does (HTTP " +
                        std::to_string(answer.value().status) + "); give the agent's URL",
                    exit_fail);
  }
  const std::string text = json
                               ? document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                               : table_of(document, colour_wanted(STDOUT_FILENO));
  std::fputs(without_secrets(agent, text).c_str(), stdout);
  std::fflush(stdout);
  const std::string status = field(document, "status");
  return exit_code(status == "pass"   ? Status::pass
                   : status == "warn" ? Status::warn
                                      : Status::fail,
                   arguments.fail_on_warn);
}

/// What the command asks of the agent, and how many names stand before the URL.
struct ControlPath {
  const char* method = "POST";
  std::string target;
  std::size_t names = 0;
};

/// Like encodeURIComponent: what is no name of a check is for the agent to refuse.
std::string encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
  std::string out;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', digits[byte >> 4U], digits[byte & 0xFU]};
  }
  return out;
}

ControlPath control_path(const Arguments& arguments) {
  const std::string& command = arguments.command;
  if (command != "mute" && command != "unmute") return {"POST", "/" + command, 0};
  const std::string target = "/mute/" + encoded(arguments.names.front());
  if (command == "unmute") return {"DELETE", target, 1};
  return {"PUT", target + (arguments.ttl.empty() ? "" : "?ttl=" + arguments.ttl), 1};
}

}  // namespace

int status(const Arguments& arguments) {
  initialise_probe_libraries();
  const auto agent = find_agent(arguments);
  if (!agent) return complain(agent.error().message, exit_usage);
  if (!arguments.watch) return show_once(agent.value(), arguments, false);

  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, number);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  constexpr timespec pause{2, 0};
  while (true) {
    const int code = show_once(agent.value(), arguments, isatty(STDOUT_FILENO) == 1);
    if (sigtimedwait(&ends, nullptr, &pause) > 0) return code;
  }
}

int control(const Arguments& arguments) {
  initialise_probe_libraries();
  const ControlPath path = control_path(arguments);
  const auto agent = find_agent(arguments, path.names);
  if (!agent) return complain(agent.error().message, exit_usage);
  const auto answer =
      ask_agent({path.method, agent.value().url + path.target, agent.value().token});
  if (!answer) return complain(answer.error().message, exit_fail);
  constexpr int no_content = 204;
  constexpr int bad_request = 400;
  constexpr int not_found = 404;
  const int status = answer.value().status;
  if (status == no_content) return exit_ok;
  const bool ours = path.names > 0 && (status == not_found || status == bad_request);
  return complain(config::redact_url(agent.value().url) + " refused to " + arguments.command +
                      ": HTTP " + std::to_string(status) + " " +
                      clean_text(without_secrets(agent.value(), answer.value().body)),
                  ours ? exit_usage : exit_fail);
}

}  // namespace vitals::cli
