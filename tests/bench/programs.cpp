// The command lines and configs of programs.hpp.
#include "tests/bench/programs.hpp"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>

#include "tests/bench/servers.hpp"
#include "tests/support/agent.hpp"

namespace vitals::bench {
namespace {

constexpr const char* blackbox_config = R"(modules:
  http: {{prober: http, timeout: 2s, http: {{preferred_ip_protocol: ip4}}}}
  https: {{prober: http, timeout: 2s, http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca}}}}}}}
  tcp: {{prober: tcp, timeout: 2s, tcp: {{preferred_ip_protocol: ip4}}}}
)";

constexpr const char* haproxy_config = R"(global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout connect 2s
  timeout server 2s
  timeout check 2s
frontend health
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string ok
{backends})";

std::string address(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

test::Command wrapped(test::Command command, const std::vector<std::string>& wrapper) {
  command.argv.insert(command.argv.begin(), wrapper.begin(), wrapper.end());
  return command;
}

}  // namespace

Program vitals(const std::string& config) {
  const auto folder = std::make_shared<test::TempDir>();
  const auto file = folder->write("vitals.toml", config);
  return {"vitals", "/health", "/metrics", [folder, file](std::uint16_t port) {
            return test::Command{
                .argv = {test::vitals_binary(), "serve", "--config", file.string()},
                .environment = {{"VITALS_LISTEN", address(port)}}};
          }};
}

Program blackbox_exporter(const Nginx& nginx) {
  const auto folder = std::make_shared<test::TempDir>();
  const auto file = folder->write(
      "blackbox.yml", fmt::format(fmt::runtime(blackbox_config), fmt::arg("ca", nginx.ca_file())));
  return {"blackbox_exporter", "/-/healthy", "/metrics", [folder, file](std::uint16_t port) {
            return test::Command{.argv = {"prometheus-blackbox-exporter",
                                          "--config.file=" + file.string(), "--log.level=error",
                                          "--web.listen-address=" + address(port)}};
          }};
}

Program redis_exporter(const std::string& redis_url) {
  return {"redis_exporter", "/health", "/metrics", [redis_url](std::uint16_t port) {
            return test::Command{.argv = {"prometheus-redis-exporter", "-web.listen-address",
                                          address(port), "-redis.addr", redis_url}};
          }};
}

Program postgres_exporter(const std::string& postgres_url) {
  return {"postgres_exporter", "/", "/metrics", [postgres_url](std::uint16_t port) {
            return test::Command{.argv = {"prometheus-postgres-exporter", "--log.level=error",
                                          "--web.listen-address=" + address(port)},
                                 .environment = {{"DATA_SOURCE_NAME", postgres_url}}};
          }};
}

Program haproxy(const std::string& backends) {
  const auto folder = std::make_shared<test::TempDir>();
  return {"HAProxy", "/", "", [folder, backends](std::uint16_t port) {
            const auto file = folder->write(
                "haproxy.cfg", fmt::format(fmt::runtime(haproxy_config), fmt::arg("port", port),
                                           fmt::arg("backends", backends)));
            return test::Command{.argv = {"haproxy", "-db", "-q", "-f", file.string()}};
          }};
}

Running::Running(const Program& program, const std::vector<std::string>& wrapper)
    : port_(test::free_port()), process_(wrapped(program.command(port_), wrapper)) {
  const bool up = test::eventually(
      [&] { return !process_.running() || test::http(port_, program.health).status != 0; });
  if (up && process_.running()) return;
  const auto said = process_.output();
  throw std::runtime_error("does not come up" + (said.empty() ? "" : ": " + said));
}

std::string Running::url(const std::string& path) const {
  return "http://" + address(port_) + path;
}

void wait_until_all_pass(const Running& agent) {
  const auto passing = [&] {
    const auto answer = test::http(agent.port(), "/health?format=line");
    return answer.status == 200 && answer.body.starts_with("pass");
  };
  if (test::eventually(passing, std::chrono::seconds(20))) return;
  throw std::runtime_error("checks do not pass: " +
                           test::http(agent.port(), "/health?format=line").body);
}

}  // namespace vitals::bench
