// The programs that are measured: the static binary of vitals, and those it is compared with.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::bench {

class Nginx;

/// How to start a program that answers HTTP on a loopback port, and what to ask it.
struct Program {
  std::string name;
  std::string health;   // path of its cheapest answer about itself
  std::string metrics;  // path of its metrics; empty: none
  std::function<test::Command(std::uint16_t port)> command;
};

/// `config` must have no listen line.
[[nodiscard]] Program vitals(const std::string& config);
/// Modules http, https (trusting nginx's CA) and tcp.
[[nodiscard]] Program blackbox_exporter(const Nginx& nginx);
[[nodiscard]] Program redis_exporter(const std::string& redis_url);
[[nodiscard]] Program postgres_exporter(const std::string& postgres_url);
/// One thread; answers 200 by itself. `backends`: further sections of its config.
[[nodiscard]] Program haproxy(const std::string& backends = {});

/// A program that answers its health path with 200; killed on destruction.
class Running {
 public:
  /// `wrapper`: words before its own, of a program that ends in exec (prlimit, nice). Throws when
  /// it does not answer.
  explicit Running(const Program& program, const std::vector<std::string>& wrapper = {});

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] std::string url(const std::string& path) const;
  [[nodiscard]] test::Process& process() { return process_; }

 private:
  std::uint16_t port_;
  test::Process process_;
};

/// Waits until every check of a running vitals passes; throws when that does not happen.
void wait_until_all_pass(const Running& agent);

}  // namespace vitals::bench
