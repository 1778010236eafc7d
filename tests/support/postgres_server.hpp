// Real PostgreSQL servers for tests: each in a folder and on a port of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::test {

/// The role every template has, with a SCRAM password and a database of its own name.
inline constexpr const char* app_user = "app";
inline constexpr const char* app_password = "canary-Pw1";

struct PostgresOptions {
  /// postgresql.conf settings: {"max_connections", "5"}; they win over ours.
  std::map<std::string, std::string> settings{};
  /// Lines that go before our pg_hba.conf (there: socket trusts all, TCP asks for SCRAM).
  std::string hba{};
  /// False: call start() later.
  bool start = true;
};

/// One server (initdb once per test process, then copies). Thaws and ends everything on
/// destruction.
class PostgresServer {
 public:
  explicit PostgresServer(PostgresOptions options = {});
  /// A streaming replica of `primary`, which must allow replication (it does by default).
  static std::unique_ptr<PostgresServer> replica_of(const PostgresServer& primary,
                                                    PostgresOptions options = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// Returns when it accepts connections; throws with the log when it does not come up.
  void start();
  /// Returns at once: for servers that are to be caught while they start.
  void launch();
  /// fast, immediate or smart; waits for the end.
  void stop(const std::string& mode = "fast");
  /// Sends the signal of that mode and returns.
  void begin_stop(const std::string& mode);
  /// SIGSTOP to the postmaster and all its children; SIGCONT.
  void freeze();
  void thaw();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// The folder of the Unix socket.
  [[nodiscard]] std::string socket_folder() const { return folder_.path().string(); }
  [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }
  [[nodiscard]] std::string url(const std::string& parameters = {}) const;
  [[nodiscard]] std::string log() const { return process_ ? process_->output() : std::string(); }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }
  [[nodiscard]] std::vector<pid_t> children() const;

  /// As superuser over the socket; what psql prints, unaligned. Throws when it fails.
  std::string sql(const std::string& statement, const std::string& database = app_user) const;
  /// A psql of that role which stays inside `statement` (pg_sleep) until destroyed.
  [[nodiscard]] Process session(const std::string& statement,
                                const std::string& user = "postgres") const;
  /// Sessions with application_name = vitals.
  [[nodiscard]] int our_sessions() const;

 private:
  struct Empty {};
  PostgresServer(Empty, PostgresOptions options);
  void configure() const;
  [[nodiscard]] Command psql(const std::string& statement, const std::string& database,
                             const std::string& user) const;

  PostgresOptions options_;
  TempDir folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
  bool frozen_ = false;
};

/// Changes the owner to the user that servers run as, when we are root.
void give_to_server(const std::filesystem::path& path);

}  // namespace vitals::test
