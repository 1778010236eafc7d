// A real PgBouncer for tests, in front of a PostgresServer, in a folder and on a port of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/support/postgres_server.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

struct PgBouncerOptions {
  /// Settings of [pgbouncer]; they win over ours (transaction pooling, SCRAM, pool of 2).
  std::map<std::string, std::string> settings{};
  /// Password it uses for `app`, towards clients and the server.
  std::string password = app_password;
  /// 0: a free one.
  std::uint16_t port = 0;
};

/// Pools the database `app` of `server`, which it does not own. Runs as a user other than root.
class PgBouncerServer {
 public:
  explicit PgBouncerServer(const PostgresServer& server, const PgBouncerOptions& options = {});
  ~PgBouncerServer();
  PgBouncerServer(const PgBouncerServer&) = delete;
  PgBouncerServer& operator=(const PgBouncerServer&) = delete;

  void start();
  void stop();
  void freeze();
  void thaw();

  [[nodiscard]] bool running() const { return process_ && process_->running(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& parameters = {}) const;
  [[nodiscard]] std::string log() const { return process_ ? process_->output() : std::string(); }
  /// psql of role `app` through the pool; what it prints.
  [[nodiscard]] Finished sql(const std::string& statement) const;
  /// As sql(), but stays until destroyed.
  [[nodiscard]] Process session(const std::string& statement) const;

 private:
  [[nodiscard]] Command psql(const std::string& statement) const;

  TempDir folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
  bool frozen_ = false;
};

}  // namespace vitals::test
