// A real redis-server in a folder of its own, in whatever state a test wants it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vitals/fd.hpp>

#include "tests/support/certificates.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

struct RedisOptions {
  /// Words for the command line: {"--maxmemory", "1mb"}.
  std::vector<std::string> arguments{};
  std::string password{};  // requirepass
  /// The TCP port speaks TLS with this certificate alone.
  std::optional<Certificate> certificate{};
  /// Do not wait for PONG: the server is meant to start unwell (loading, cut off).
  bool may_be_unwell = false;
  /// Data of an earlier server, for dump.rdb.
  std::filesystem::path data{};
};

/// Listens on a loopback port and on a Unix socket; nothing is saved unless asked. Killed with its
/// folder on destruction.
class RedisServer {
 public:
  /// Throws std::runtime_error with the server's log when it does not come up.
  explicit RedisServer(RedisOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::filesystem::path socket() const { return folder_.path() / "redis.sock"; }
  [[nodiscard]] std::filesystem::path data() const { return data_; }
  /// redis://127.0.0.1:port, or rediss://localhost:port; no password.
  [[nodiscard]] std::string url() const;

  /// One command as the default user through redis-cli and the Unix socket; its raw output without
  /// the last newline, an error reply with its code first.
  std::string command(const std::vector<std::string>& words) const;
  /// The same, left running in the background (a script that never ends).
  [[nodiscard]] Process background(const std::vector<std::string>& words) const;
  /// A field of INFO; empty when it is not there.
  std::string info(const std::string& field) const;
  /// How often the server executed a command since CONFIG RESETSTAT; refused ones do not count.
  int calls(const std::string& name) const;

  void freeze() const { process_->signal(SIGSTOP); }
  void thaw() const { process_->signal(SIGCONT); }
  void stop() { process_->stop(); }
  /// Again on the same port, with the same folder and options.
  void start();

 private:
  Command client(const std::vector<std::string>& words) const;

  RedisOptions options_;
  TempDir folder_;
  std::filesystem::path data_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

/// A plain TCP connection to a loopback port, held open until destroyed. Empty when refused.
Fd hold_connection(std::uint16_t port);

}  // namespace vitals::test
