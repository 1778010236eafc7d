// Starts stacks and looks at them.
#include "tests/support/stack.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "tests/support/golden.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Debian's, for which the packages of the test machine are.
constexpr const char* python = "/usr/bin/python3";

fs::path script(const std::string& name) { return source_dir() / "tests/stacks" / name; }

/// The folder of npm's packages that ./dev installed for tests/stacks.
fs::path node_modules() {
  const char* const places = std::getenv("NODE_PATH");
  std::istringstream stream(places == nullptr ? "" : places);
  for (std::string place; std::getline(stream, place, ':');) {
    if (fs::exists(fs::path(place) / "pg")) return place;
  }
  throw std::runtime_error(
      "no package 'pg' in NODE_PATH: ./dev test installs what tests/stacks needs, and sets it");
}

/// The app with all it takes in a folder that everybody may read: it runs as nobody, who may not
/// see the checkout.
fs::path install(const std::string& name, const TempDir& folder) {
  if (name.ends_with(".js")) {
    fs::copy(node_modules(), folder.path() / "node_modules", fs::copy_options::recursive);
  }
  return folder.write("app" + fs::path(name).extension().string(), read_file(script(name)));
}

/// The example's file as it is, but asked each second, and with a user that every Debian has.
std::string asked_often(std::string text) {
  text = std::regex_replace(text, std::regex("interval( *)= \"[^\"]*\""), "interval$1= \"1s\"");
  text = std::regex_replace(text, std::regex("user( *)= \"node\""), "user$1= \"nobody\"");
  if (text.find("[defaults]") == std::string::npos) text = "[defaults]\ninterval = \"1s\"\n" + text;
  return text;
}

std::string text_in(const Json& object, const std::string& key) {
  if (!object.is_object() || !object.contains(key)) return "";
  return object[key].is_string() ? object[key].get<std::string>() : object[key].dump();
}

bool one_of(const std::string& choices, const std::string& value) {
  std::istringstream stream(choices);
  for (std::string choice; std::getline(stream, choice, '|');) {
    if (choice == value) return true;
  }
  return false;
}

Json entry_of(const Json& document, const std::string& name) {
  if (!document.is_object() || !document.contains("checks")) return {};
  for (const auto& [key, entries] : document["checks"].items()) {
    if (entries.at(0).value("componentId", "") == name) return entries.at(0);
  }
  return {};
}

Json parse(const HttpAnswer& answer) {
  Json document = Json::parse(answer.body, nullptr, false);
  return document.is_discarded() ? Json() : document;
}

}  // namespace

std::map<std::string, std::string> Providers::addresses(const std::vector<std::string>& names) {
  std::map<std::string, std::string> all;
  int last = 0;
  for (const std::string& name : names) all[name] = "127.0.1." + std::to_string(++last);
  return all;
}

Providers::Providers(const std::vector<std::string>& names) {
  Wanted wanted{.name = names.at(0), .names = {}};
  for (const std::string& name : names) wanted.names.push_back("DNS:" + name);
  const Certificate certificate = authority_.issue(wanted);
  Command command{{python, script("providers.py"), certificate.certificate, certificate.key,
                   folder_.write("faults", "").string()}};
  const auto hosts = addresses(names);
  for (const auto& [name, address] : hosts) command.argv.push_back(name + "=" + address);
  process_ = std::make_unique<Process>(std::move(command));
  const auto listens = [](const std::string& address) {
    return run({{"bash", "-c", ": </dev/tcp/" + address + "/443"}}).code == 0;
  };
  for (const auto& [name, address] : hosts) {
    if (!eventually([&, at = address] { return listens(at); })) {
      throw std::runtime_error("providers did not come up: " + process_->output());
    }
  }
}

void Providers::set(const std::string& name, const std::string& fault) {
  faults_[name] = fault;
  std::string lines;
  for (const auto& [host, what] : faults_) {
    if (!what.empty()) lines += host + " " + what + "\n";
  }
  // Whole or not at all: the servers may be reading what an earlier call said.
  fs::rename(folder_.write("faults.new", lines), folder_.path() / "faults");
  process_->signal(SIGHUP);
}

Stack::Stack(Options options) : options_(std::move(options)) {
  std::string text = read_file(source_dir() / "examples" / options_.example / "vitals.toml");
  text = asked_often(text);
  for (const auto& [from, to] : options_.changes) {
    const auto at = text.find(from);
    if (at == std::string::npos) throw std::runtime_error("not in the example: " + from);
    text.replace(at, from.size(), to);
  }
  folder_.write("vitals.toml", text);
  app_ = install(options_.app.at(0), folder_);
  Command command{options_.wrapper};
  const auto interpreter = app_.extension() == ".js" ? "node" : python;
  for (const std::string& word :
       {vitals_binary(), std::string("run"), std::string("--config"), config().string(),
        std::string("--"), std::string(interpreter), app_.string()}) {
    command.argv.push_back(word);
  }
  command.argv.insert(command.argv.end(), options_.app.begin() + 1, options_.app.end());
  command.environment = options_.environment;
  process_ = std::make_unique<Process>(std::move(command));
}

Json Stack::document() const { return parse(http(agent_port, "/health")); }

Json Stack::check(const std::string& name) const { return entry_of(document(), name); }

std::string Stack::turns(const Seen& expected, std::chrono::milliseconds within) {
  std::string last;
  const auto seen = [&] {
    const HttpAnswer health = http(agent_port, "/health");
    const int ready = http(agent_port, "/health/ready").status;
    const Json document = parse(health);
    const Json entry = entry_of(document, expected.check);
    last = std::to_string(health.status) + " " + std::to_string(ready) + " " + health.body;
    const auto equal = [](const std::string& wanted, const std::string& found) {
      return wanted.empty() || wanted == found;
    };
    return equal(expected.verdict, text_in(document, "status")) &&
           equal(expected.fail_open, text_in(document, "fail_open")) &&
           (expected.health == 0 || expected.health == health.status) &&
           (expected.ready == 0 || expected.ready == ready) &&
           equal(expected.status, text_in(entry, "status")) &&
           equal(expected.suppressed, text_in(entry, "suppressed_by")) &&
           (expected.reason.empty() || one_of(expected.reason, text_in(entry, "reason")));
  };
  if (eventually(seen, within)) return "";
  return last + "\n" + process_->output();
}

double Stack::metric(const std::string& series) const {
  std::istringstream lines(http(agent_port, "/metrics").body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(series + " ")) {
      return std::strtod(line.c_str() + series.size() + 1, nullptr);
    }
  }
  return std::nan("");
}

pid_t Stack::app_pid() const {
  const Finished found = run({{"pgrep", "-f", app_.string() + "$"}});
  std::istringstream lines(found.output);
  // The supervisor and the agent have the same words behind their own.
  for (pid_t pid = 0; lines >> pid;) {
    std::error_code error;
    const auto program = fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", error);
    const std::string name = program.filename().string();
    if (name.starts_with("python") || name.starts_with("node")) return pid;
  }
  return -1;
}

void Stack::signal_app(int signal) const {
  const pid_t pid = app_pid();
  if (pid > 0) kill(pid, signal);
}

}  // namespace vitals::test
