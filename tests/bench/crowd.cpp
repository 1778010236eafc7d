// Clients that connect and say nothing, or half of it: what they take, and whether others notice.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <stdexcept>

#include <vitals/fd.hpp>

#include "tests/bench/bench.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/programs.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/usage.hpp"
#include "tests/support/agent.hpp"

namespace vitals::bench {
namespace {

constexpr Goal answer_goal{.most = 2.0, .unit = "ms", .decimals = 2};
constexpr Goal memory_goal{.most = 4.0, .unit = "MB"};
constexpr std::size_t crowd_size = 2'000;
constexpr std::size_t descriptors_few = 128;
constexpr std::size_t crowd_for_few = 256;
constexpr int connect_limit_ms = 1'000;
constexpr const char* half_a_request = "GET /health HTTP/1.1\r\nHost: bench\r\nX-Half";

/// As many descriptors as this process may have; what it starts later inherits them.
void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 20'000);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Connections that are held open: half of them silent, half of them in the middle of a request.
class Crowd {
 public:
  Crowd(std::uint16_t port, std::size_t size) {
    raise_descriptor_limit();
    for (std::size_t i = 0; i < size; ++i) join(port);
    const std::string half = half_a_request;
    for (std::size_t i = 0; i < size; i += 2) {
      (void)send(members_[i].get(), half.data(), half.size(), MSG_NOSIGNAL);
    }
  }

  /// How many the other side has not closed.
  [[nodiscard]] std::size_t present() const {
    return static_cast<std::size_t>(
        std::count_if(members_.begin(), members_.end(), [](const Fd& fd) {
          pollfd entry{fd.get(), POLLIN | POLLRDHUP, 0};
          return poll(&entry, 1, 0) == 0;
        }));
  }

 private:
  void join(std::uint16_t port) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    pollfd entry{fd.get(), POLLOUT, 0};
    if (!fd || poll(&entry, 1, connect_limit_ms) != 1) {
      throw std::runtime_error("takes no more than " + std::to_string(members_.size()) +
                               " connections");
    }
    members_.push_back(std::move(fd));
  }

  std::vector<Fd> members_;
};

struct Crowded {
  double p50_ms = 0;
  double p95_ms = 0;
  double memory_mb = 0;
  std::size_t present = 0;
};

Crowded crowded(const Running& program, const std::string& path, int requests) {
  (void)answer_times(program, path, {requests});  // what it needs for answers alone is not counted
  const double before = memory_of(program.pid()).anonymous;
  const Crowd crowd(program.port(), crowd_size);
  auto times = answer_times(program, path, {requests});
  Crowded result;
  result.memory_mb = (memory_of(program.pid()).anonymous - before) / megabyte;
  result.present = crowd.present();
  result.p50_ms = percentile(times, 0.5);
  result.p95_ms = percentile(std::move(times), 0.95);
  return result;
}

std::string answers_among_idle(const Program& program) {
  const Running running(program, {"prlimit", "--nofile=" + std::to_string(descriptors_few)});
  const auto answers = [&] { return test::http(running.port(), program.health).status == 200; };
  if (!test::eventually(answers)) throw std::runtime_error("does not come up");
  const Crowd crowd(running.port(), crowd_for_few);
  return answers() ? "yes" : "no";
}

}  // namespace

std::vector<Row> measure_crowd(Context& context) {
  const int requests = context.rounds(500, 100);
  const Running agent(vitals(context.servers.ten_checks()));
  wait_until_all_pass(agent);
  const auto ours = crowded(agent, "/health", requests);
  const auto other = blackbox_exporter(context.servers.nginx());
  Crowded theirs;
  const auto note = beside(other.name, [&] {
    theirs = crowded(Running(other), other.health, requests);
    return with_unit(theirs.p95_ms, "ms", 2);
  });
  const std::string name = std::to_string(crowd_size) + " idle and half-sent connections: ";
  return {at_most(name + "p95 of another client's /health", answer_goal, ours.p95_ms, note,
                  "p50 " + with_unit(ours.p50_ms, "ms", 2) + ", " + std::to_string(ours.present) +
                      " held to the end"),
          at_most(name + "more memory", memory_goal, ours.memory_mb,
                  other.name + " " + with_unit(theirs.memory_mb, "MB"))};
}

std::vector<Row> measure_descriptors(Context& context) {
  auto& servers = context.servers;
  const auto figure = [](const Program& program) {
    return beside(program.name, [&] { return answers_among_idle(program); });
  };
  const auto ours = answers_among_idle(vitals(servers.ten_checks()));
  return {{.name = std::to_string(descriptors_few) + " descriptors, " +
                   std::to_string(crowd_for_few) + " idle clients: still answers",
           .goal = "yes",
           .measured = ours,
           .beside = listed({figure(blackbox_exporter(servers.nginx())),
                             figure(redis_exporter(servers.redis().url())),
                             figure(postgres_exporter(servers.postgres().url()))}),
           .met = ours == "yes"}};
}

}  // namespace vitals::bench
