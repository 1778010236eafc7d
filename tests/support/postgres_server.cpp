// Starts, freezes and ends PostgreSQL servers for tests.
#include "tests/support/postgres_server.hpp"

#include <dirent.h>
#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* server_user = "postgres";

void run_or_throw(Command command) {
  const auto name = command.argv[0];
  const auto finished = run(std::move(command), std::chrono::seconds(60));
  if (finished.code != 0) throw std::runtime_error(name + " failed: " + finished.output);
}

void copy_tree(const fs::path& from, const fs::path& to) {
  run_or_throw({.argv = {"cp", "-a", from.string(), to.string()}, .user = server_user});
}

/// initdb and the role `app`, once per process.
class Template {
 public:
  static const Template& instance() {
    static const Template one;
    return one;
  }
  [[nodiscard]] fs::path data() const { return folder_.path() / "data"; }

 private:
  Template() {
    give_to_server(folder_.path());
    run_or_throw({.argv = {"initdb", "-D", data().string(), "-U", "postgres", "-A", "trust", "-E",
                           "UTF8", "--locale=C", "--no-sync", "--no-instructions"},
                  .user = server_user});
    single_user("CREATE ROLE app LOGIN PASSWORD '" + std::string(app_password) + "';", "postgres");
    single_user("CREATE DATABASE app OWNER app;", "postgres");
  }

  void single_user(const std::string& statement, const std::string& database) {
    const auto file = folder_.write("statement.sql", statement + "\n");
    run_or_throw({.argv = {"sh", "-c",
                           "'" + (postgres_bin() / "postgres").string() + "' --single -F -D '" +
                               data().string() + "' " + database + " < '" + file.string() + "'"},
                  .user = server_user});
  }

  TempDir folder_;
};

}  // namespace

void give_to_server(const fs::path& path) {
  if (geteuid() != 0) return;
  const passwd* account = getpwnam(server_user);
  if (account == nullptr) throw std::runtime_error("no user postgres: install postgresql");
  if (chown(path.c_str(), account->pw_uid, account->pw_gid) != 0) {
    throw std::runtime_error("chown " + path.string() + " failed");
  }
}

PostgresServer::PostgresServer(Empty, PostgresOptions options)
    : options_(std::move(options)), port_(free_port()) {
  give_to_server(folder_.path());
}

PostgresServer::PostgresServer(PostgresOptions options)
    : PostgresServer(Empty(), std::move(options)) {
  copy_tree(Template::instance().data(), data());
  configure();
  if (options_.start) start();
}

std::unique_ptr<PostgresServer> PostgresServer::replica_of(const PostgresServer& primary,
                                                           PostgresOptions options) {
  std::unique_ptr<PostgresServer> replica(new PostgresServer(Empty(), std::move(options)));
  run_or_throw({.argv = {"pg_basebackup", "-h", primary.socket_folder(), "-p",
                         std::to_string(primary.port()), "-U", "postgres", "-D",
                         replica->data().string(), "-R", "--no-sync", "-c", "fast"},
                .user = server_user});
  replica->configure();
  if (replica->options_.start) replica->start();
  return replica;
}

PostgresServer::~PostgresServer() {
  if (!process_) return;
  thaw();
  process_->stop(SIGQUIT);
}

void PostgresServer::configure() const {
  std::map<std::string, std::string> settings{
      {"listen_addresses", "127.0.0.1"},
      {"port", std::to_string(port_)},
      {"unix_socket_directories", socket_folder()},
      {"fsync", "off"},
      {"shared_buffers", "16MB"},
      // In its folder, which goes with it also when it is killed.
      {"dynamic_shared_memory_type", "mmap"},
      {"max_connections", "20"},
      {"max_wal_senders", "4"},
      {"autovacuum", "off"},
      // Sessions of a killed psql go at once, not when their query ends.
      {"client_connection_check_interval", "50ms"},
      {"log_min_messages", "info"},
      {"logging_collector", "off"},
  };
  for (const auto& [name, value] : options_.settings) settings[name] = value;
  std::ostringstream lines;
  for (const auto& [name, value] : settings) lines << name << " = '" << value << "'\n";
  std::ofstream(data() / "postgresql.conf", std::ios::trunc) << lines.str();
  std::ofstream(data() / "pg_hba.conf", std::ios::trunc)
      << options_.hba
      << "local all all trust\nlocal replication all trust\nhost all all all scram-sha-256\n";
}

void PostgresServer::launch() {
  process_ = std::make_unique<Process>(
      Command{.argv = {"postgres", "-D", data().string()}, .user = server_user});
}

void PostgresServer::start() {
  launch();
  const bool up = eventually(
      [&] {
        if (!process_->running()) return true;
        return log().find("ready to accept") != std::string::npos;
      },
      std::chrono::seconds(30));
  if (!up || !process_->running()) throw std::runtime_error("postgres does not start: " + log());
}

void PostgresServer::begin_stop(const std::string& mode) {
  process_->signal(mode == "immediate" ? SIGQUIT : mode == "smart" ? SIGTERM : SIGINT);
}

void PostgresServer::stop(const std::string& mode) {
  begin_stop(mode);
  if (!process_->wait(std::chrono::seconds(20))) {
    throw std::runtime_error("postgres does not stop: " + log());
  }
}

std::vector<pid_t> PostgresServer::children() const {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // A process may end while it is read: iterators would throw.
    std::ostringstream stat;
    stat << std::ifstream(entry.path() / "stat").rdbuf();
    const std::string text = stat.str();
    std::istringstream rest(text.substr(std::min(text.rfind(')') + 1, text.size())));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    if (parent == process_->pid()) found.push_back(std::stoi(name));
  }
  return found;
}

void PostgresServer::freeze() {
  process_->signal(SIGSTOP);  // first: it starts no further child
  for (const auto child : children()) ::kill(child, SIGSTOP);
  frozen_ = true;
}

void PostgresServer::thaw() {
  if (!frozen_) return;
  for (const auto child : children()) ::kill(child, SIGCONT);
  process_->signal(SIGCONT);
  frozen_ = false;
}

std::string PostgresServer::url(const std::string& parameters) const {
  return std::string("postgres://") + app_user + ":" + app_password +
         "@127.0.0.1:" + std::to_string(port_) + "/" + app_user +
         (parameters.empty() ? "" : "?" + parameters);
}

Command PostgresServer::psql(const std::string& statement, const std::string& database,
                             const std::string& user) const {
  return {.argv = {"psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", socket_folder(),
                   "-p", std::to_string(port_), "-U", user, "-d", database, "-c", statement},
          .environment = {{"PGAPPNAME", "test"}}};
}

std::string PostgresServer::sql(const std::string& statement, const std::string& database) const {
  auto finished = run(psql(statement, database, "postgres"));
  if (finished.code != 0) throw std::runtime_error(statement + ": " + finished.output);
  while (finished.output.ends_with('\n')) finished.output.pop_back();
  return finished.output;
}

Process PostgresServer::session(const std::string& statement, const std::string& user) const {
  return Process(psql(statement, app_user, user));
}

int PostgresServer::our_sessions() const {
  return std::stoi(
      sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vitals'", "postgres"));
}

}  // namespace vitals::test
