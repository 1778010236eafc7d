// Network namespaces, a bridge and cables between them, through ip(8).
#include "tests/support/machines.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace vitals::test {
namespace {

constexpr const char* names_address = "10.77.0.1";

void ip(const std::string& words) {
  Command command;
  command.argv = {"sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip " + words};
  const auto done = run(command);
  if (done.code != 0) throw std::runtime_error("ip " + words + ": " + done.output);
}

Fd network_of(const std::string& path) { return Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC)); }
const std::string own_network = "/proc/thread-self/ns/net";

void enter(const Fd& network) {
  if (setns(network.get(), CLONE_NEWNET) != 0) {
    throw std::runtime_error(std::string("setns: ") + std::strerror(errno));
  }
}

std::string v4_of(int machine) {
  constexpr int first = 16;
  return "10.77.1." + std::to_string(first + machine);
}
std::string v6_of(int machine) { return "fd77::a:" + std::to_string(machine + 1); }

}  // namespace

struct Machines::Dns {
  std::atomic<DnsReply::Kind> kind{DnsReply::Kind::addresses};
  std::vector<std::string> addresses;

  DnsReply answer(const DnsQuestion& question) const {
    if (question.name != "app.internal") return {.kind = DnsReply::Kind::nxdomain};
    DnsReply reply{.kind = kind.load()};
    if (question.v6) reply.addresses = addresses;  // as on Fly: no A records
    return reply;
  }
};

std::string Machines::forbidden() {
  std::string why;
  std::thread([&why] {
    if (unshare(CLONE_NEWNET) != 0) why = std::string("unshare: ") + std::strerror(errno);
  }).join();
  if (!why.empty()) return why;
  const std::string probe = "vitals-probe-" + std::to_string(getpid());
  try {
    ip("netns add " + probe);
    ip("netns del " + probe);
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

Machines::Machines(int count)
    : outside_(network_of(own_network)),
      prefix_("vitals-" + std::to_string(getpid()) + "-"),
      count_(count),
      dns_(std::make_shared<Dns>()) {
  if (unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare");
  hub_ = network_of(own_network);
  ip("link set lo up");
  ip("link add hub type bridge");
  ip("addr add " + std::string(names_address) + "/16 dev hub");
  ip("addr add " + std::string(dependency_address) + "/16 dev hub");
  ip("link set hub up");
  for (int machine = 0; machine < count_; ++machine) add(machine);
  names_ = std::make_unique<NameServer>(
      [dns = dns_](const DnsQuestion& question) { return dns->answer(question); }, names_address);
  folder_.write("resolv.conf", "nameserver " + names_->address() + "\n");
  agents_.resize(static_cast<std::size_t>(count_));
}

Machines::~Machines() {
  agents_.clear();
  names_.reset();
  setns(outside_.get(), CLONE_NEWNET);
  for (int machine = 0; machine < count_; ++machine) {
    run({.argv = {"sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip netns del " + name(machine)}});
  }
}

std::string Machines::name(int machine) const { return prefix_ + std::to_string(machine); }

void Machines::add(int machine) {
  const std::string network = name(machine);
  const std::string cable = "m" + std::to_string(machine);
  ip("netns add " + network);
  ip("link add " + cable + " type veth peer name eth0 netns " + network);
  ip("link set " + cable + " master hub up");
  ip("-n " + network + " link set lo up");
  ip("-n " + network + " addr add " + v4_of(machine) + "/16 dev eth0");
  ip("-n " + network + " addr add " + v6_of(machine) + "/64 dev eth0 nodad");
  ip("-n " + network + " link set eth0 up");
  dns_->addresses.push_back(v6_of(machine));
}

void Machines::serve(const std::string& config, int first) {
  const auto file = folder_.write("vitals.toml", config);
  for (int machine = first; machine < count_; ++machine) {
    Command command;
    command.argv = {"nsenter",
                    "--net=/run/netns/" + name(machine),
                    "unshare",
                    "--mount",
                    "sh",
                    "-c",
                    "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"",
                    (folder_.path() / "resolv.conf").string(),
                    vitals_binary(),
                    "serve",
                    "--config",
                    file.string()};
    command.environment = {{"FLY_APP_NAME", "app"}, {"FLY_PRIVATE_IP", v6_of(machine)}};
    agents_[static_cast<std::size_t>(machine)] = std::make_unique<Process>(std::move(command));
  }
  for (int machine = first; machine < count_; ++machine) {
    const bool up = eventually(
        [&] { return get(machine, "/health/live").status == 200 || !agent(machine).running(); },
        std::chrono::seconds(30));
    if (!up || !agent(machine).running()) {
      throw std::runtime_error("no agent in Machine " + std::to_string(machine) + ":\n" +
                               agent(machine).output());
    }
  }
}

void Machines::inside(int machine, const std::function<void()>& what) const {
  enter(network_of("/run/netns/" + name(machine)));
  try {
    what();
  } catch (...) {
    enter(hub_);
    throw;
  }
  enter(hub_);
}

HttpAnswer Machines::get(int machine, const std::string& target) const {
  HttpAnswer answer;
  inside(machine, [&] { answer = http(agent_port, target); });
  return answer;
}

bool Machines::ready(int machine) const { return get(machine, "/health/ready").status == 200; }

bool Machines::fail_open(int machine) const {
  return get(machine, "/health/ready").body.find("\"fail_open\": true") != std::string::npos;
}

int Machines::ready_count(int first) const {
  int count = 0;
  for (int machine = first; machine < count_; ++machine) count += ready(machine) ? 1 : 0;
  return count;
}

void Machines::cut_off(int machine) const {
  ip("-n " + name(machine) + " route add unreachable " + dependency_address + "/32");
  // Connections that are open already end, too.
  ip("-n " + name(machine) + " neigh flush all");
}

void Machines::heal(int machine) const {
  ip("-n " + name(machine) + " route del unreachable " + std::string(dependency_address) + "/32");
}

void Machines::unplug(int machine) const { ip("link set m" + std::to_string(machine) + " down"); }
void Machines::plug_in(int machine) const { ip("link set m" + std::to_string(machine) + " up"); }

void Machines::set_dns(DnsReply::Kind kind) { dns_->kind = kind; }

}  // namespace vitals::test
