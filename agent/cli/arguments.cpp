// One table of commands and flags; usage and parser both come from it.
#include "agent/cli/arguments.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include <vitals/text.hpp>

#include "agent/config/quantity.hpp"

namespace vitals::cli {
namespace {

struct Flag {
  std::string_view name;
  std::string_view value;  // empty: takes none
  std::string_view doc;
};

constexpr Flag config_flag{"--config", "FILE",
                           "read this file (else $VITALS_CONFIG, ./vitals.toml, "
                           "/etc/vitals.toml, else the environment)"};
constexpr Flag format_flag{"--format", "text|json", "how to print"};
constexpr Flag fail_on_flag{"--fail-on", "warn", "exit 1 for a warn, too"};
constexpr Flag wait_flag{"--wait", "60s", "ask again until the verdict is pass or warn"};
constexpr Flag print_flag{"--print", "", "show the effective config, secrets as ***"};
constexpr Flag ttl_flag{"--ttl", "1h", "for how long; at most 24h"};
constexpr Flag busy_ttl_flag{"--ttl", "10m", ttl_flag.doc};
/// Without words for --help: the supervisor alone gives it.
constexpr Flag link_flag{"--link", "FD", ""};
constexpr Flag watch_flag{"--watch", "", "draw again every two seconds until Ctrl-C"};

struct CommandSpec {
  std::string_view name;
  std::string_view arguments;
  std::string_view doc;
  std::size_t names_max;
  std::vector<Flag> flags;
  std::size_t names_min = 0;
};

const std::vector<CommandSpec>& commands() {
  constexpr std::size_t many = 1'000;
  static const std::vector<CommandSpec> all{
      {"serve", "", "run the agent", 0, {config_flag}},
      {"run",
       "-- CMD [ARG...]",
       "run the agent with CMD as its child",
       many,
       {config_flag, link_flag}},
      {"check",
       "[NAME...]",
       "every check once, in parallel, no server",
       many,
       {config_flag, wait_flag, format_flag, fail_on_flag}},
      {"validate", "", "strict check of a config", 0, {config_flag, print_flag}},
      {"status",
       "[URL]",
       "ask a running agent, print a table",
       1,
       {config_flag, watch_flag, format_flag, fail_on_flag}},
      {"explain",
       "NAME [URL]",
       "why a check is what it is, and what Fly makes of it",
       2,
       {config_flag, format_flag},
       1},
      {"drain", "[URL]", "make the agent answer fail, so that traffic leaves", 1, {config_flag}},
      {"undrain", "[URL]", "take a drain back", 1, {config_flag}},
      {"heartbeat", "NAME [URL]", "call in to a heartbeat check", 2, {config_flag}, 1},
      {"busy",
       "NAME [URL]",
       "say that work is going on: no auto-stop",
       2,
       {config_flag, busy_ttl_flag},
       1},
      {"idle", "NAME [URL]", "that work is over", 2, {config_flag}, 1},
      {"mute", "NAME [URL]", "leave a check out of the verdict", 2, {config_flag, ttl_flag}, 1},
      {"unmute", "NAME [URL]", "let it count again", 2, {config_flag}, 1},
      {"kinds", "", "the probe kinds, their settings and defaults", 0, {format_flag}},
      {"lint",
       "FILE...",
       "offline check of fly.toml files, with what stands beside them",
       many,
       {}},
      {"version", "", "revision and the versions of the libraries inside", 0, {format_flag}},
  };
  return all;
}

const CommandSpec* find_command(std::string_view name) {
  for (const CommandSpec& command : commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

Error unknown_command(const std::string& word) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : commands()) names.push_back(command.name);
  const std::string guess = closest(word, names);
  return Error{"unknown command '" + word + "'" +
               (guess.empty() ? "" : "; did you mean '" + guess + "'?")};
}

Error unknown_flag(const CommandSpec& command, const std::string& word) {
  std::vector<std::string_view> names{"--help"};
  for (const Flag& flag : command.flags) {
    if (!flag.doc.empty()) names.push_back(flag.name);
  }
  const std::string guess = closest(word, names);
  return Error{"vitals " + std::string(command.name) + ": unknown option '" + word + "'" +
               (guess.empty() ? "" : "; did you mean '" + guess + "'?")};
}

std::optional<Error> set_flag(Arguments& arguments, std::string_view flag,
                              const std::string& value) {
  if (flag == "--config") {
    arguments.config = value;
  } else if (flag == "--print") {
    arguments.print = true;
  } else if (flag == "--watch") {
    arguments.watch = true;
  } else if (flag == "--ttl") {
    if (const auto ttl = config::parse_duration(value); !ttl) {
      return Error{"--ttl: " + ttl.error().message};
    }
    arguments.ttl = value;
  } else if (flag == "--fail-on") {
    if (value != "warn") return Error{"--fail-on takes 'warn', not '" + value + "'"};
    arguments.fail_on_warn = true;
  } else if (flag == "--format") {
    if (value != "text" && value != "json") {
      return Error{"--format takes 'text' or 'json', not '" + value + "'"};
    }
    arguments.format = value == "json" ? OutputFormat::json : OutputFormat::text;
  } else if (flag == "--link") {
    int number = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), number).ptr;
    if (end != value.data() + value.size()) return Error{"--link takes a descriptor"};
    arguments.link = number;
  } else if (flag == "--wait") {
    const auto wait = config::parse_duration(value);
    if (!wait) return Error{"--wait: " + wait.error().message};
    constexpr Duration wait_max = std::chrono::hours(24);
    if (wait.value() > wait_max) return Error{"--wait: at most 24h"};
    arguments.wait = wait.value();
  } else {
    VITALS_ASSERT(!"a flag of the table that nobody reads");
  }
  return std::nullopt;
}

/// Takes words[i], and the next one when the flag wants a value that does not follow a '='.
std::optional<Error> take_flag(Arguments& arguments, const CommandSpec& command,
                               const std::vector<std::string>& words, std::size_t& i) {
  const std::string& word = words[i];
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const auto flag = std::find_if(command.flags.begin(), command.flags.end(),
                                 [&](const Flag& candidate) { return candidate.name == name; });
  if (flag == command.flags.end()) return unknown_flag(command, name);
  if (flag->value.empty()) {
    if (equals != std::string::npos) return Error{name + " takes no value"};
    return set_flag(arguments, flag->name, "");
  }
  if (equals != std::string::npos) return set_flag(arguments, flag->name, word.substr(equals + 1));
  if (i + 1 == words.size()) {
    return Error{name + " needs a value: " + name + " " + std::string(flag->value)};
  }
  return set_flag(arguments, flag->name, words[++i]);
}

}  // namespace

Result<Arguments> parse_arguments(const std::vector<std::string>& words) {
  Arguments arguments;
  if (words.empty()) return Error{"no command"};
  if (words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    arguments.help = true;
    return arguments;
  }
  arguments.command = words[0] == "--version" ? "version" : words[0];
  const CommandSpec* const command = find_command(arguments.command);
  if (command == nullptr) return unknown_command(words[0]);
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--help" || words[i] == "-h") {
      arguments.help = true;
    } else if (words[i] == "--" && command->name == "run") {
      break;
    } else if (words[i].starts_with("-")) {
      if (auto error = take_flag(arguments, *command, words, i)) return *error;
    } else {
      arguments.names.push_back(words[i]);
    }
  }
  if (arguments.names.size() > command->names_max) {
    return Error{"vitals " + arguments.command + ": too many arguments, at '" +
                 arguments.names[command->names_max] + "'"};
  }
  if (!arguments.help && arguments.names.size() < command->names_min) {
    const bool of_work = arguments.command == "busy" || arguments.command == "idle";
    return Error{"vitals " + arguments.command +
                 (of_work ? ": which work? vitals " : ": which check? vitals ") +
                 arguments.command + " " + std::string(command->arguments)};
  }
  return arguments;
}

std::string usage() {
  std::string text = "vitals probes an app and what it needs, and serves one honest verdict\n\n";
  for (const CommandSpec& command : commands()) {
    std::string line = "  vitals " + std::string(command.name);
    const bool options_first = command.name == "run";
    if (!command.arguments.empty() && !options_first) line += " " + std::string(command.arguments);
    for (const Flag& flag : command.flags) {
      if (flag.doc.empty()) continue;
      line += " [" + std::string(flag.name);
      if (!flag.value.empty()) line += " " + std::string(flag.value);
      line += "]";
    }
    if (options_first) line += " " + std::string(command.arguments);
    text += line + "\n      " + std::string(command.doc) + "\n";
  }
  text += "\nOptions\n";
  for (const Flag& flag :
       {config_flag, format_flag, fail_on_flag, wait_flag, ttl_flag, print_flag, watch_flag}) {
    std::string name = "  " + std::string(flag.name) + " " + std::string(flag.value);
    constexpr std::size_t column = 22;
    name.resize(std::max(name.size() + 1, column), ' ');
    text += name + std::string(flag.doc) + "\n";
  }
  text +=
      "\nControl\n"
      "  drain, undrain, heartbeat, mute and unmute are for the agent of this Machine: the token "
      "goes "
      "to\n"
      "  loopback and to the configured address alone. An agent of another host answers 403; run "
      "the "
      "command\n"
      "  there (fly ssh console -C \"vitals drain\").\n"
      "\nExit codes\n"
      "  check, status   0 pass or warn, 1 warn with --fail-on warn, 2 fail or no agent, 3 usage "
      "or config\n"
      "  explain         0 explained, 2 no agent, 3 no such check, usage or config\n"
      "  validate        0 fine, 3 mistakes\n"
      "  lint            0 nothing found, 2 findings, 3 usage or a file that can't be read\n"
      "  serve           0 after a clean stop, 3 for a bad config, 1 otherwise\n"
      "  run             CMD's own, 128 + n for signal n; 127 not found, 126 can't be executed, 3 "
      "bad config\n";
  return text;
}

}  // namespace vitals::cli
