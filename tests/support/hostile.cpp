// Keeps the records of hostile.hpp.
#include "tests/support/hostile.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>

#include <vitals/fd.hpp>

namespace vitals::test {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{5};

/// One socket of the kernel's tables; ports alone would not tell a socket from its successor.
struct Socket {
  std::uint16_t remote_port = 0;
  std::uint16_t local_port = 0;
  std::uint32_t inode = 0;

  bool operator<(const Socket& other) const {
    return std::tie(remote_port, local_port, inode) <
           std::tie(other.remote_port, other.local_port, other.inode);
  }
};

/// The port in "0100007F:1F90".
std::uint16_t port_of(const std::string& hexadecimal) {
  const auto colon = hexadecimal.find(':');
  return static_cast<std::uint16_t>(std::stoul(hexadecimal.substr(colon + 1), nullptr, 16));
}

/// Connected UDP sockets, from /proc/net/udp (proc_pid_net(5)).
std::vector<Socket> datagram_sockets() {
  std::vector<Socket> sockets;
  std::ifstream table("/proc/net/udp");
  std::string line;
  std::getline(table, line);  // the heading
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    constexpr auto connected = "01";
    if (state != connected) continue;
    sockets.push_back(
        {port_of(remote), port_of(local), static_cast<std::uint32_t>(std::stoul(inode))});
  }
  return sockets;
}

/// TCP sockets that wait for the handshake, by sock_diag(7): /proc/net/tcp has every closed
/// connection of the last minute too, and takes 50 times as long to read.
class HandshakeTable {
 public:
  HandshakeTable() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {
    if (!fd_) throw std::runtime_error("no NETLINK_SOCK_DIAG");
  }

  [[nodiscard]] std::vector<Socket> read() const {
    constexpr std::uint32_t syn_sent = 1U << 2U;  // TCP_SYN_SENT of the kernel's tcp_states.h
    struct {
      nlmsghdr header{};
      inet_diag_req_v2 request{};
    } question;
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    question.request.sdiag_family = AF_INET;
    question.request.sdiag_protocol = IPPROTO_TCP;
    question.request.idiag_states = syn_sent;
    if (send(fd_.get(), &question, sizeof question, 0) < 0) return {};
    std::vector<Socket> sockets;
    while (take_block(sockets)) {
    }
    return sockets;
  }

 private:
  /// False after the last one.
  bool take_block(std::vector<Socket>& sockets) const {
    alignas(nlmsghdr) std::array<char, 32 * 1024> block;
    const auto size = recv(fd_.get(), block.data(), block.size(), 0);
    if (size <= 0) return false;
    auto left = static_cast<std::uint32_t>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(block.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_ERROR) throw std::runtime_error("no inet_diag");
      if (header->nlmsg_type == NLMSG_DONE) return false;
      const auto& entry = *static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
      sockets.push_back(
          {ntohs(entry.id.idiag_dport), ntohs(entry.id.idiag_sport), entry.idiag_inode});
    }
    return true;
  }

  Fd fd_;
};

}  // namespace

HostileServer::HostileServer(Script script, ScriptedOptions options)
    : server_(std::make_unique<ScriptedServer>(
          [this, script = std::move(script)](ScriptedConnection& connection) {
            play(script, connection);
          },
          std::move(options))) {}

void HostileServer::play(const Script& script, ScriptedConnection& connection) {
  Visit visit{connection};
  script(visit);
  connection.hang();
  const auto now = SteadyClock::now();
  const std::lock_guard lock(mutex_);
  ends_.emplace(connection.number(), now);
  if (!visit.counts) strangers_.insert(connection.number());
}

std::vector<SteadyPoint> HostileServer::starts() const {
  const auto accepts = server_->accepts();
  const std::lock_guard lock(mutex_);
  std::vector<SteadyPoint> starts;
  for (std::size_t i = 0; i < accepts.size(); ++i) {
    if (!strangers_.contains(static_cast<int>(i) + 1)) starts.push_back(accepts[i]);
  }
  return starts;
}

std::vector<Milliseconds> HostileServer::lifetimes() const {
  const auto accepts = server_->accepts();
  const std::lock_guard lock(mutex_);
  std::vector<Milliseconds> lifetimes;
  for (const auto& [number, end] : ends_) {
    if (strangers_.contains(number)) continue;
    lifetimes.emplace_back(end - accepts.at(static_cast<std::size_t>(number) - 1));
  }
  return lifetimes;
}

SilentNameServer::SilentNameServer()
    : server_(std::make_unique<NameServer>([this](const DnsQuestion& question) {
        const auto now = SteadyClock::now();
        const std::lock_guard lock(mutex_);
        asked_[question.name].push_back(now);
        return DnsReply{.kind = DnsReply::Kind::silence};
      })) {}

std::uint16_t SilentNameServer::port() const {
  const std::string text = address();
  return static_cast<std::uint16_t>(std::stoul(text.substr(text.rfind(':') + 1)));
}

std::vector<SteadyPoint> SilentNameServer::questions(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(name);
  return found == asked_.end() ? std::vector<SteadyPoint>() : found->second;
}

struct SocketWatch::Impl {
  struct Life {
    SteadyPoint first;
    SteadyPoint last;
    std::optional<SteadyPoint> gone;  // the first look that did not find it
  };

  mutable std::mutex mutex;  // guards lives and stopping
  std::condition_variable wake;
  bool stopping = false;
  std::map<Socket, Life> lives;
  HandshakeTable handshakes;
  std::set<Socket> others;
  std::thread thread;

  [[nodiscard]] std::vector<Socket> look() const {
    auto sockets = datagram_sockets();
    const auto handshaking = handshakes.read();
    sockets.insert(sockets.end(), handshaking.begin(), handshaking.end());
    return sockets;
  }

  void note(const std::vector<Socket>& sockets, SteadyPoint now) {
    for (const auto& socket : sockets) {
      if (others.contains(socket)) continue;
      lives.try_emplace(socket, Life{now, now, {}}).first->second.last = now;
    }
    for (auto& [socket, life] : lives) {
      if (life.last != now && !life.gone) life.gone = now;
    }
  }

  void run() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      lock.unlock();
      const auto sockets = look();
      const auto now = SteadyClock::now();
      lock.lock();
      note(sockets, now);
      wake.wait_for(lock, look_every, [this] { return stopping; });
    }
  }
};

SocketWatch::SocketWatch() : impl_(std::make_unique<Impl>()) {
  for (const auto& socket : impl_->look()) impl_->others.insert(socket);
  impl_->thread = std::thread([this] { impl_->run(); });
}

SocketWatch::~SocketWatch() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

std::vector<SteadyPoint> SocketWatch::starts(std::uint16_t port) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<SteadyPoint> starts;
  for (const auto& [socket, life] : impl_->lives) {
    if (socket.remote_port == port) starts.push_back(life.first);
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

std::vector<Milliseconds> SocketWatch::lifetimes(std::uint16_t port) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<Milliseconds> lifetimes;
  for (const auto& [socket, life] : impl_->lives) {
    if (socket.remote_port == port && life.gone) lifetimes.emplace_back(*life.gone - life.first);
  }
  return lifetimes;
}

}  // namespace vitals::test
