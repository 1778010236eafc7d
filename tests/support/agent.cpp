// Starts the release binary and reads its answers.
#include "tests/support/agent.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include <vitals/fd.hpp>

#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::json;

constexpr int answer_limit_ms = 20'000;

std::string read_to_end(int fd) {
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    pollfd entry{fd, POLLIN, 0};
    if (poll(&entry, 1, answer_limit_ms) <= 0) return text;
    const ssize_t count = recv(fd, buffer, sizeof(buffer), 0);
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

Fd connect_to(std::uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
  return fd;
}

std::string listen_line(std::uint16_t port) {
  return "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n";
}

Command serve_command(const std::filesystem::path& config, const Agent::Options& options) {
  Command command;
  const bool parent = !options.command.empty();
  command.argv = {vitals_binary(), parent ? "run" : "serve", "--config", config.string()};
  if (parent) {
    command.argv.emplace_back("--");
    command.argv.insert(command.argv.end(), options.command.begin(), options.command.end());
  }
  command.environment = options.environment;
  command.user = options.user;
  return command;
}

Json check_entry(const HttpAnswer& answer, const std::string& check) {
  const Json document = Json::parse(answer.body, nullptr, false);
  if (document.is_discarded() || !document.contains("checks")) return {};
  for (const auto& [key, entries] : document["checks"].items()) {
    if (entries.at(0).value("componentId", "") == check) return entries.at(0);
  }
  return {};
}

bool has_labels(const std::string& line, const std::map<std::string, std::string>& labels) {
  for (const auto& [name, value] : labels) {
    const std::string label = name + "=\"" + value + "\"";
    if (line.find("{" + label) == std::string::npos &&
        line.find("," + label) == std::string::npos) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string vitals_binary() {
  const char* const path = std::getenv("VITALS_BINARY");
  if (path == nullptr || access(path, X_OK) != 0) {
    throw std::runtime_error(
        "no static binary: run ./dev build, and give its path in VITALS_BINARY");
  }
  return path;
}

std::string HttpAnswer::header(const std::string& name) const {
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos ||
        strcasecmp(line.substr(0, colon).c_str(), name.c_str()) != 0) {
      continue;
    }
    const auto begin = line.find_first_not_of(' ', colon + 1);
    const auto end = line.find_last_not_of("\r ");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

HttpAnswer http(std::uint16_t port, const std::string& target,
                const std::map<std::string, std::string>& headers, const std::string& method) {
  const Fd fd = connect_to(port);
  if (!fd) return {};
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  request += "\r\n";
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  const std::string text = read_to_end(fd.get());
  const auto end = text.find("\r\n\r\n");
  if (end == std::string::npos || !text.starts_with("HTTP/1.1 ")) return {};
  return {std::atoi(text.c_str() + std::string("HTTP/1.1 ").size()), text.substr(0, end + 2),
          text.substr(end + 4)};
}

Agent::Agent(const std::string& config, const Options& options)
    : port_(free_port()),
      server_lines_(options.server_lines),
      is_parent_(!options.command.empty()),
      process_(serve_command(directory_.write("vitals.toml", whole(config)), options)) {
  const bool up = eventually([&] { return accepts_tcp(port_) || !process_.running(); });
  if (!up || !process_.running()) {
    throw std::runtime_error("vitals serve did not come up:\n" + process_.output());
  }
}

Agent::~Agent() {
  if (is_parent_) process_.stop();
}

std::string Agent::whole(const std::string& config) const {
  return listen_line(port_) + server_lines_ + "\n" + config;
}

void Agent::reload(const std::string& config) {
  directory_.write("vitals.toml", whole(config));
  process_.signal(SIGHUP);
}

double Agent::metric(const std::string& name,
                     const std::map<std::string, std::string>& labels) const {
  std::istringstream lines(get("/metrics").body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
    if (has_labels(line, labels)) return std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return std::nan("");
}

std::string Agent::field_of(const std::string& check, const std::string& field) const {
  const Json entry = check_entry(get("/health"), check);
  if (!entry.is_object() || !entry.contains(field)) return "";
  return entry[field].is_string() ? entry[field].get<std::string>() : entry[field].dump();
}

std::chrono::milliseconds Agent::until_health(int code, std::chrono::milliseconds limit) const {
  const Stopwatch watch;
  REQUIRE(eventually([&] { return get("/health?format=line").status == code; }, limit));
  return std::chrono::duration_cast<std::chrono::milliseconds>(watch.took().own());
}

std::string Agent::status_of(const std::string& check) const { return field_of(check, "status"); }

Finished vitals(const std::vector<std::string>& words,
                const std::map<std::string, std::string>& environment,
                std::chrono::milliseconds limit) {
  Command command;
  command.argv = {vitals_binary()};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.environment = environment;
  command.clean_environment = true;
  return run(std::move(command), limit);
}

}  // namespace vitals::test
