// Starts and ends PgBouncer for tests.
#include "tests/support/pgbouncer_server.hpp"

#include <csignal>
#include <sstream>
#include <stdexcept>

namespace vitals::test {

PgBouncerServer::PgBouncerServer(const PostgresServer& server, const PgBouncerOptions& options)
    : port_(options.port == 0 ? free_port() : options.port) {
  give_to_server(folder_.path());
  const auto users = folder_.write(
      "users.txt", "\"" + std::string(app_user) + "\" \"" + options.password + "\"\n");
  std::map<std::string, std::string> settings{
      {"listen_addr", "127.0.0.1"},
      {"listen_port", std::to_string(port_)},
      {"unix_socket_dir", folder_.path().string()},
      {"auth_type", "scram-sha-256"},
      {"auth_file", users.string()},
      {"pool_mode", "transaction"},
      {"default_pool_size", "2"},
      {"max_client_conn", "20"},
  };
  for (const auto& [name, value] : options.settings) settings[name] = value;
  std::ostringstream lines;
  lines << "[databases]\napp = host=127.0.0.1 port=" << server.port()
        << " dbname=app\n[pgbouncer]\n";
  for (const auto& [name, value] : settings) lines << name << " = " << value << "\n";
  folder_.write("pgbouncer.ini", lines.str());
  start();
}

PgBouncerServer::~PgBouncerServer() {
  if (!process_) return;
  thaw();
  process_->stop(SIGTERM);
}

void PgBouncerServer::start() {
  process_ = std::make_unique<Process>(Command{
      .argv = {"pgbouncer", (folder_.path() / "pgbouncer.ini").string()}, .user = "postgres"});
  const bool up = eventually([&] { return accepts_tcp(port_) || !process_->running(); });
  if (!up || !process_->running()) throw std::runtime_error("pgbouncer does not start: " + log());
}

void PgBouncerServer::stop() { process_->stop(SIGTERM); }

void PgBouncerServer::freeze() {
  process_->signal(SIGSTOP);
  frozen_ = true;
}

void PgBouncerServer::thaw() {
  if (frozen_) process_->signal(SIGCONT);
  frozen_ = false;
}

std::string PgBouncerServer::url(const std::string& parameters) const {
  return std::string("postgres://") + app_user + ":" + app_password +
         "@127.0.0.1:" + std::to_string(port_) + "/" + app_user +
         (parameters.empty() ? "" : "?" + parameters);
}

Command PgBouncerServer::psql(const std::string& statement) const {
  return {.argv = {"psql", "-X", "-A", "-t", "-q", url(), "-c", statement},
          .environment = {{"PGAPPNAME", "test"}}};
}

Finished PgBouncerServer::sql(const std::string& statement) const { return run(psql(statement)); }

Process PgBouncerServer::session(const std::string& statement) const {
  return Process(psql(statement));
}

}  // namespace vitals::test
