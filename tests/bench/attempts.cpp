// What one attempt of each kind costs, in our own process and in those who do the same.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>

#include <vitals/fd.hpp>

#include "probes/registry.hpp"
#include "tests/bench/allocations.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/name_server.hpp"

namespace vitals::bench {
namespace {

constexpr int warm_up_attempts = 50;
constexpr int per = 1'000;  // attempts a figure is given for
constexpr int haproxy_servers = 100;
constexpr Duration haproxy_interval{100};
constexpr std::chrono::seconds others_time{3};

Goal goal(double most) { return {.most = most, .unit = "ms", .decimals = 0}; }

struct Cost {
  double cpu_ms = 0;       // per 1,000 attempts
  double allocations = 0;  // per attempt, by us and by the libraries
};

/// Of this process; nothing else runs in it meanwhile.
Cost own_cost(const std::string& check_lines, int attempts) {
  const auto check = test::make_check(check_lines);
  const auto attempt = [&] {
    const auto result = test::ask(check);
    if (result.outcome != Outcome::pass) throw std::runtime_error("attempt: " + result.detail);
  };
  for (int i = 0; i < warm_up_attempts; ++i) attempt();
  const auto asked_before = allocations();
  const auto before = cpu_time(getpid());
  for (int i = 0; i < attempts; ++i) attempt();
  const auto spent = cpu_time(getpid()) - before;
  return {.cpu_ms = milliseconds(spent) / attempts * per,
          .allocations = static_cast<double>(allocations() - asked_before) / attempts};
}

std::string as_figure(double cost) { return with_unit(cost, "ms", 0); }

std::string allocated(const Cost& cost) {
  return with_unit(cost.allocations, "allocations each", 0);
}

Row row_of(const std::string& what, const Goal& most, const Cost& cost, std::string beside) {
  return at_most("CPU per 1,000 attempts: " + what, most, cost.cpu_ms, std::move(beside),
                 allocated(cost));
}

/// One whose figure is reported only.
Row row_of(const std::string& what, const Cost& cost, std::string beside = {}) {
  return {.name = "CPU per 1,000 attempts: " + what,
          .goal = "",
          .measured = with_unit(cost.cpu_ms, "ms", 1) + "; " + allocated(cost),
          .beside = std::move(beside)};
}

/// An exporter that does one attempt for each scrape of `path`.
std::string exporter(const Program& program, const std::string& path) {
  return beside(program.name, [&] {
    const Running running(program);
    const auto result = load(running, path, {1, others_time});
    return as_figure(result.cpu_us / 1'000 * per);
  });
}

std::string probe_path(const std::string& module, const std::string& target) {
  return "/probe?module=" + module + "&target=" + target;
}

/// HAProxy's own checks of many servers that are all the same one.
std::string haproxy_checks(Nginx& nginx, const std::string& options, const std::string& server) {
  std::string backend = "backend checked\n" + options;
  for (int i = 0; i < haproxy_servers; ++i) {
    backend +=
        fmt::format("  server s{} {} check inter {}ms\n", i, server, haproxy_interval.count());
  }
  const auto program = haproxy(backend);
  return beside(program.name, [&] {
    const Running running(program);
    const auto accepted = nginx.accepted();
    const auto before = cpu_time(running.pid());
    std::this_thread::sleep_for(others_time);  // its checks take their time
    const auto spent = cpu_time(running.pid()) - before;
    double attempts = nginx.accepted() - accepted;
    // A connect without a question is reset before the server accepts it: the config's word counts.
    if (attempts <= 0) attempts = haproxy_servers * (others_time / haproxy_interval);
    return as_figure(milliseconds(spent) / attempts * per);
  });
}

Row http_row(Nginx& nginx, int attempts) {
  const auto url = nginx.url("/");
  return row_of("http, fresh connection", goal(100),
                own_cost("kind = \"http\"\nurl = \"" + url + "\"", attempts),
                listed({exporter(blackbox_exporter(nginx), probe_path("http", url)),
                        haproxy_checks(nginx, "  option httpchk GET /\n",
                                       "127.0.0.1:" + std::to_string(nginx.port()))}));
}

Row tcp_row(Nginx& nginx, int attempts) {
  const auto address = "127.0.0.1:" + std::to_string(nginx.port());
  return row_of("tcp", goal(80),
                own_cost("kind = \"tcp\"\naddress = \"" + address + "\"", attempts),
                listed({exporter(blackbox_exporter(nginx), probe_path("tcp", address)),
                        haproxy_checks(nginx, "", address)}));
}

Row https_row(Nginx& nginx, int attempts) {
  const auto url = nginx.https_url("/");
  // At the same address as HAProxy: "localhost" begins with ::1, where nobody listens.
  const auto lines =
      "kind = \"http\"\nip = \"4\"\nurl = \"" + url + "\"\nca_file = \"" + nginx.ca_file() + "\"";
  const auto server = fmt::format("127.0.0.1:{} ssl verify required ca-file {} sni str(localhost)",
                                  nginx.tls_port(), nginx.ca_file());
  return row_of("https, sessions resumed", goal(500), own_cost(lines, attempts),
                listed({exporter(blackbox_exporter(nginx), probe_path("https", url)),
                        haproxy_checks(nginx, "  option httpchk GET /\n", server)}));
}

Row tls_row(Nginx& nginx, int attempts) {
  return row_of(
      "tls",
      own_cost("kind = \"tls\"\nserver_name = \"localhost\"\naddress = \"127.0.0.1:" +
                   std::to_string(nginx.tls_port()) + "\"\nca_file = \"" + nginx.ca_file() + "\"",
               attempts));
}

std::vector<Row> postgres_rows(test::PostgresServer& server, int attempts) {
  const auto lines = "kind = \"postgres\"\nurl = \"" + server.url() + "\"\n";
  return {row_of("postgres, kept connection", goal(120),
                 own_cost(lines + "fresh_every = 1000000", attempts),
                 exporter(postgres_exporter(server.url("sslmode=disable")), "/metrics")),
          row_of("postgres, every 6th on a new one (the default)", own_cost(lines, attempts))};
}

Row redis_row(const test::RedisServer& server, int attempts) {
  return row_of("redis, kept connection", goal(80),
                own_cost("kind = \"redis\"\nurl = \"" + server.url() + "\"", attempts),
                exporter(redis_exporter(server.url()), "/metrics"));
}

/// An upgrade, a message and its echo by Node.
Row websocket_row(int attempts) {
  const test::NodeApp app;
  if (!test::eventually([&] { return test::accepts_tcp(app.port()); })) {
    throw std::runtime_error("Node does not come up");
  }
  return row_of("websocket", own_cost("kind = \"websocket\"\nurl = \"ws://127.0.0.1:" +
                                          std::to_string(app.port()) +
                                          "/ws\"\nsend = \"hello\"\nexpect = \"hello\"",
                                      attempts));
}

/// A name server in a process of its own: what it spends is not ours.
class OtherNameServer {
 public:
  OtherNameServer() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const Fd reads(ends[0]);
    const Fd writes(ends[1]);
    child_ = fork();
    if (child_ == 0) serve(writes.get());
    if (child_ < 0 || read(reads.get(), &port_, sizeof(port_)) != sizeof(port_)) {
      throw std::runtime_error("the name server does not come up");
    }
  }
  ~OtherNameServer() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  OtherNameServer(const OtherNameServer&) = delete;
  OtherNameServer& operator=(const OtherNameServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  [[noreturn]] static void serve(int told) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const test::NameServer server(
        [](const test::DnsQuestion&) { return test::DnsReply{.addresses = {"192.0.2.1"}}; });
    const auto port = server.port();
    if (write(told, &port, sizeof(port)) != sizeof(port)) _exit(1);
    for (;;) pause();
  }

  pid_t child_ = -1;
  std::uint16_t port_ = 0;
};

Row dns_row(int attempts) {
  const OtherNameServer server;
  return row_of("dns", own_cost("kind = \"dns\"\nname = \"app.example\"\nserver = \"127.0.0.1:" +
                                    std::to_string(server.port()) + "\"",
                                attempts));
}

/// Kinds that ask this machine alone; nobody's figure stands beside theirs.
std::vector<Row> local_rows(int attempts) {
  const test::TempDir folder;
  const auto file = folder.write("touched", "").string();
  const auto pid_file = folder.write("pid", std::to_string(getpid())).string();
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"heartbeat", "every = \"1h\"\nfile = \"" + file + "\""},
      {"process", "pid_file = \"" + pid_file + "\""},
      {"connections", "port = 1"},
      {"disk", "path = \"/\"\nwarn = 1\nfail = 1"},
      {"memory", "warn = 1\nfail = 1"}};
  std::vector<Row> rows;
  for (const auto& [kind, lines] : kinds) {
    rows.push_back(row_of(kind, own_cost("kind = \"" + kind + "\"\n" + lines, attempts)));
  }
  return rows;
}

/// Nobody adds a kind without saying what it costs.
void expect_every_kind(const std::vector<Row>& rows) {
  for (const KindSpec* kind : all_kinds()) {
    const auto names = [&](const Row& row) {
      return row.name.find(": " + std::string(kind->name)) != std::string::npos;
    };
    if (std::none_of(rows.begin(), rows.end(), names)) {
      throw std::runtime_error("no row says what an attempt of " + std::string(kind->name) +
                               " costs");
    }
  }
}

}  // namespace

std::vector<Row> measure_attempts(Context& context) {
  const int attempts = context.rounds(2'000, 300);
  auto& servers = context.servers;
  auto& nginx = servers.nginx();
  std::vector<Row> rows{http_row(nginx, attempts), tcp_row(nginx, attempts),
                        https_row(nginx, attempts), tls_row(nginx, attempts)};
  for (auto& row : postgres_rows(servers.postgres(), attempts)) rows.push_back(std::move(row));
  rows.push_back(redis_row(servers.redis(), attempts));
  rows.push_back(websocket_row(attempts));
  rows.push_back(dns_row(attempts));
  for (auto& row : local_rows(attempts)) rows.push_back(std::move(row));
  expect_every_kind(rows);
  return rows;
}

}  // namespace vitals::bench
