// Starts the servers of servers.hpp.
#include "tests/bench/servers.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "tests/support/agent.hpp"

namespace vitals::bench {
namespace {

constexpr const char* nginx_config = R"(daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  log_format moments '$msec $uri';
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_session_cache shared:sessions:1m;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    listen 127.0.0.1:{tls_port} ssl backlog=4096;
    location / {{ return 200 "ok\n"; }}
    location {noted} {{ access_log {folder}/notes moments; return 200 "ok\n"; }}
    location = /count {{ stub_status; }}
  }}
}}
)";

std::string check(const std::string& name, const std::string& kind, const std::string& setting,
                  const std::string& target) {
  return fmt::format("[checks.{}]\nkind = \"{}\"\n{} = \"{}\"\ninterval = \"10s\"\n", name, kind,
                     setting, target);
}

}  // namespace

Nginx::Nginx()
    : port_(test::free_port()),
      tls_port_(test::free_port()),
      process_({.argv = {"nginx", "-p", folder_.path().string(), "-c",
                         folder_.write("nginx.conf", config()).string(), "-e", "stderr"}}) {
  const bool up =
      test::eventually([&] { return !process_.running() || test::http(port_, "/").status == 200; });
  if (!up || !process_.running()) throw std::runtime_error("nginx: " + process_.output());
}

std::string Nginx::config() {
  const auto files = authority_.valid();
  return fmt::format(fmt::runtime(nginx_config), fmt::arg("folder", folder_.path().string()),
                     fmt::arg("certificate", files.certificate.string()),
                     fmt::arg("key", files.key.string()), fmt::arg("port", port_),
                     fmt::arg("tls_port", tls_port_), fmt::arg("noted", noted_path));
}

std::string Nginx::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::string Nginx::https_url(const std::string& path) const {
  return "https://localhost:" + std::to_string(tls_port_) + path;
}

// "server accepts handled requests", and their numbers on the next line.
double Nginx::accepted() {
  const auto body = test::http(port_, "/count").body;
  asked_ += 1;
  const auto heading = body.find("requests");
  if (heading == std::string::npos) throw std::runtime_error("nginx does not count: " + body);
  return std::strtod(body.c_str() + body.find('\n', heading), nullptr) - asked_;
}

std::vector<Nginx::Note> Nginx::notes() const {
  std::vector<Note> found;
  std::ifstream file(folder_.path() / "notes");
  for (Note note; file >> note.seconds >> note.path;) found.push_back(note);
  return found;
}

Nginx& Servers::nginx() {
  if (!nginx_) nginx_ = std::make_unique<Nginx>();
  return *nginx_;
}

test::PostgresServer& Servers::postgres() {
  if (!postgres_) postgres_ = std::make_unique<test::PostgresServer>();
  return *postgres_;
}

test::RedisServer& Servers::redis() {
  if (!redis_) redis_ = std::make_unique<test::RedisServer>();
  return *redis_;
}

std::string Servers::ten_checks() {
  const auto address = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
  std::string config;
  for (const char* name : {"web", "api", "search", "billing"}) {
    config += check(name, "http", "url", nginx().url(std::string("/") + name));
  }
  config += check("web-port", "tcp", "address", address(nginx().port()));
  config += check("cache-port", "tcp", "address", address(redis().port()));
  for (const char* name : {"db", "reports"}) {
    config += check(name, "postgres", "url", postgres().url());
  }
  for (const char* name : {"cache", "queue"}) {
    config += check(name, "redis", "url", redis().url());
  }
  return config;
}

}  // namespace vitals::bench
