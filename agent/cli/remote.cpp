// Commands that tell a running agent what to do: drain, undrain, heartbeat,
// busy, idle, mute, unmute.
#include "agent/cli/remote.hpp"

#include <vitals/secrets.hpp>
#include <vitals/text.hpp>

#include "agent/cli/agent_url.hpp"
#include "agent/cli/client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/config/redact.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

constexpr const char* token_stays_home =
    "; no token was sent: it goes to loopback and to the configured address alone, so run the "
    "command on that Machine";

constexpr const char* default_url = "http://127.0.0.1:9100";

/// Where the agent of this config can be asked from this Machine: any-addresses mean loopback.
std::string url_of(const ServerConfig& server) {
  const std::size_t colon = server.listen.rfind(':');
  if (colon == std::string::npos) return default_url;
  std::string host = server.listen.substr(0, colon);
  if (host.empty() || host == "[::]" || host == "0.0.0.0") host = "127.0.0.1";
  return "http://" + host + server.listen.substr(colon);
}

bool is_http_url(const std::string& given) {
  const std::string url = to_lower(given);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (url.starts_with(scheme)) return url.find_first_not_of('/', scheme.size()) == scheme.size();
  }
  return false;
}

/// What the command asks of the agent, and how many names stand before the URL.
struct ControlPath {
  const char* method = "POST";
  std::string target;
  std::size_t names = 0;
};

ControlPath control_path(const Arguments& arguments) {
  const std::string& command = arguments.command;
  if (command == "drain" || command == "undrain") return {"POST", "/" + command, 0};
  const std::string name = encoded(arguments.names.front());
  if (command == "heartbeat") return {"POST", "/heartbeat/" + name, 1};
  const bool of_work = command == "busy" || command == "idle";
  const std::string target = (of_work ? "/busy/" : "/mute/") + name;
  if (command == "unmute" || command == "idle") return {"DELETE", target, 1};
  return {"PUT", target + (arguments.ttl.empty() ? "" : "?ttl=" + arguments.ttl), 1};
}

}  // namespace

Result<RemoteAgent> find_agent(const Arguments& arguments, std::size_t url) {
  const bool has_url = arguments.names.size() > url;
  RemoteAgent agent;
  const ConfigSource source = config_source(arguments);
  agent.token = source.environment("VITALS_TOKEN").value_or("");
  agent.url = default_url;
  const auto server = load_server_access(source);
  if (server) {
    agent.url = url_of(server.value());
    if (const auto token = server.value().token.read()) agent.token = token.value();
  } else if (!has_url) {
    return Error{server.error().lines.front() +
                 "; so where the agent listens is not known: give its URL, http://127.0.0.1:9100 "
                 "unless [server] listen says otherwise"};
  }
  // A file that was named is asked to be right as a whole.
  if (arguments.config && !has_url) {
    if (const auto config = load_config(source); !config)
      return Error{config.error().lines.front()};
  }
  const std::string configured = agent.url;
  if (has_url) agent.url = arguments.names[url];
  if (agent.url.find("://") == std::string::npos) agent.url = "http://" + agent.url;
  if (!is_http_url(agent.url)) {
    return Error{"the agent's URL must be http:// or https:// with a host, such as " +
                 std::string(default_url)};
  }
  while (agent.url.ends_with('/')) agent.url.pop_back();
  if (agent.url != configured && !leads_to_loopback(agent.url)) agent.token.clear();
  return agent;
}

std::string without_secrets(const RemoteAgent& agent, const std::string& text) {
  SecretSet secrets;
  secrets.add(agent.token);
  for (const auto& secret : config::url_secrets(agent.url)) secrets.add(secret);
  return secrets.scrub(text);
}

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
  constexpr int forbidden = 403;
  constexpr int not_found = 404;
  const int status = answer.value().status;
  if (status == no_content) return exit_ok;
  const bool ours = path.names > 0 && (status == not_found || status == bad_request);
  const bool elsewhere = status == forbidden && agent.value().token.empty();
  return complain(config::redact_url(agent.value().url) + " refused to " + arguments.command +
                      ": HTTP " + std::to_string(status) + " " +
                      clean_text(without_secrets(agent.value(), answer.value().body)) +
                      (elsewhere ? token_stays_home : ""),
                  ours ? exit_usage : exit_fail);
}

}  // namespace vitals::cli
