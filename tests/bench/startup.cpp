// How long from the start of a process to its first answer.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <stdexcept>
#include <thread>

#include <vitals/fd.hpp>

#include "tests/bench/bench.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"

namespace vitals::bench {
namespace {

constexpr Goal startup_goal{.most = 4.0, .unit = "ms", .decimals = 2};
constexpr std::chrono::seconds patience{10};
constexpr int warm_up_rounds = 3;

/// One connection and one question; false while nobody listens.
bool answers(std::uint16_t port, const std::string& request) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return false;
  }
  const timeval limit{std::chrono::seconds(patience).count(), 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char first = 0;
  return send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0 &&
         recv(fd.get(), &first, 1, 0) == 1;
}

/// Between two questions. Without a pause the refused connections themselves (hundreds of thousands
/// a second, on two cores) are what is measured.
constexpr std::chrono::microseconds ask_again_after{50};

double first_answer_ms(const Program& program) {
  const auto port = test::free_port();
  const auto command = program.command(port);
  const std::string request = "GET " + program.health + " HTTP/1.1\r\nHost: bench\r\n\r\n";
  const auto begin = Clock::now();
  test::Process process(command);
  while (!answers(port, request)) {
    if (Clock::now() - begin > patience) throw std::runtime_error("no answer after its start");
    std::this_thread::sleep_for(ask_again_after);
  }
  return milliseconds(Clock::now() - begin);
}

double median_of_starts(const Program& program, int rounds) {
  for (int i = 0; i < warm_up_rounds; ++i) first_answer_ms(program);
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) times.push_back(first_answer_ms(program));
  return percentile(std::move(times), 0.5);
}

}  // namespace

std::vector<Row> measure_startup(Context& context) {
  const int rounds = context.rounds(50, 10);
  auto& servers = context.servers;
  const auto figure = [&](const Program& program) {
    return beside(program.name,
                  [&] { return with_unit(median_of_starts(program, rounds), "ms", 1); });
  };
  const double ours = median_of_starts(vitals(servers.ten_checks()), rounds);
  return {at_most("exec to the first answer on /health, median", startup_goal, ours,
                  listed({figure(redis_exporter(servers.redis().url())),
                          figure(blackbox_exporter(servers.nginx()))}))};
}

}  // namespace vitals::bench
