// What one attempt of each kind costs, in our own process and in those who do the same.
#include <fmt/format.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/check_fixture.hpp"

namespace vitals::bench {
namespace {

constexpr int warm_up_attempts = 50;
constexpr int per = 1'000;  // attempts a figure is given for
constexpr int haproxy_servers = 100;
constexpr Duration haproxy_interval{100};
constexpr std::chrono::seconds others_time{3};

Goal goal(double most) { return {.most = most, .unit = "ms", .decimals = 0}; }

/// CPU of this process, in ms per 1,000 attempts; nothing else runs in it meanwhile.
double own_cost(const std::string& check_lines, int attempts) {
  const auto check = test::make_check(check_lines);
  const auto attempt = [&] {
    const auto result = test::ask(check);
    if (result.outcome != Outcome::pass) throw std::runtime_error("attempt: " + result.detail);
  };
  for (int i = 0; i < warm_up_attempts; ++i) attempt();
  const auto before = cpu_time(getpid());
  for (int i = 0; i < attempts; ++i) attempt();
  return milliseconds(cpu_time(getpid()) - before) / attempts * per;
}

std::string as_figure(double cost) { return with_unit(cost, "ms", 0); }

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
  return at_most("CPU per 1,000 attempts: http, fresh connection", goal(100),
                 own_cost("kind = \"http\"\nurl = \"" + url + "\"", attempts),
                 listed({exporter(blackbox_exporter(nginx), probe_path("http", url)),
                         haproxy_checks(nginx, "  option httpchk GET /\n",
                                        "127.0.0.1:" + std::to_string(nginx.port()))}));
}

Row tcp_row(Nginx& nginx, int attempts) {
  const auto address = "127.0.0.1:" + std::to_string(nginx.port());
  return at_most("CPU per 1,000 attempts: tcp", goal(80),
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
  return at_most("CPU per 1,000 attempts: https, sessions resumed", goal(500),
                 own_cost(lines, attempts),
                 listed({exporter(blackbox_exporter(nginx), probe_path("https", url)),
                         haproxy_checks(nginx, "  option httpchk GET /\n", server)}));
}

std::vector<Row> postgres_rows(test::PostgresServer& server, int attempts) {
  const auto lines = "kind = \"postgres\"\nurl = \"" + server.url() + "\"\n";
  return {at_most("CPU per 1,000 attempts: postgres, kept connection", goal(120),
                  own_cost(lines + "fresh_every = 1000000", attempts),
                  exporter(postgres_exporter(server.url("sslmode=disable")), "/metrics")),
          {.name = "CPU per 1,000 attempts: postgres, every 6th on a new one (the default)",
           .goal = "",
           .measured = as_figure(own_cost(lines, attempts))}};
}

Row redis_row(const test::RedisServer& server, int attempts) {
  return at_most("CPU per 1,000 attempts: redis, kept connection", goal(80),
                 own_cost("kind = \"redis\"\nurl = \"" + server.url() + "\"", attempts),
                 exporter(redis_exporter(server.url()), "/metrics"));
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
    rows.push_back(
        {.name = "CPU per 1,000 attempts: " + kind,
         .goal = "",
         .measured = as_figure(own_cost("kind = \"" + kind + "\"\n" + lines, attempts))});
  }
  return rows;
}

}  // namespace

std::vector<Row> measure_attempts(Context& context) {
  const int attempts = context.rounds(2'000, 300);
  auto& servers = context.servers;
  std::vector<Row> rows{http_row(servers.nginx(), attempts), tcp_row(servers.nginx(), attempts),
                        https_row(servers.nginx(), attempts)};
  for (auto& row : postgres_rows(servers.postgres(), attempts)) rows.push_back(std::move(row));
  rows.push_back(redis_row(servers.redis(), attempts));
  for (auto& row : local_rows(attempts)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace vitals::bench
