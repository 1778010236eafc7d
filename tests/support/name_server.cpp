// Reads DNS questions and writes the scripted answers, on one thread.
#include "tests/support/name_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <vitals/fd.hpp>

namespace vitals::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t header_size = 12;
constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t type_aaaa = 28;

void append16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

void append_name(std::string& out, const std::string& name) {
  std::size_t begin = 0;
  while (begin < name.size()) {
    const auto end = std::min(name.find('.', begin), name.size());
    out += static_cast<char>(end - begin);
    out += name.substr(begin, end - begin);
    begin = end + 1;
  }
  out += '\0';
}

std::uint16_t number16(const std::string& packet, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(packet[at]) << 8U |
                                    static_cast<unsigned char>(packet[at + 1]));
}

struct Packet {
  std::string question_section;  // name, type, class as they came
  DnsQuestion question;
};

/// One question, no compression: all that a stub resolver sends.
Packet parse(const std::string& packet, bool tcp) {
  Packet parsed;
  parsed.question.tcp = tcp;
  std::size_t at = header_size;
  while (at < packet.size() && packet[at] != '\0') {
    const auto length = static_cast<unsigned char>(packet[at]);
    if (!parsed.question.name.empty()) parsed.question.name += '.';
    parsed.question.name += packet.substr(at + 1, length);
    at += length + 1U;
  }
  if (at + 5 > packet.size()) throw std::runtime_error("not a DNS question");
  parsed.question.type = number16(packet, at + 1);
  parsed.question.v6 = parsed.question.type == type_aaaa;
  parsed.question_section = packet.substr(header_size, at + 5 - header_size);
  return parsed;
}

void append_record(std::string& out, const std::string& owner, std::uint16_t type,
                   const std::string& data) {
  append_name(out, owner);
  append16(out, type);
  append16(out, 1);  // IN
  append16(out, 0);
  append16(out, 60);  // seconds to live
  append16(out, static_cast<unsigned>(data.size()));
  out += data;
}

std::string address_bytes(const std::string& text, bool v6) {
  std::array<char, 16> bytes{};
  if (inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) != 1) {
    throw std::runtime_error("not an address: " + text);
  }
  return {bytes.data(), v6 ? 16U : 4U};
}

unsigned flags_of(DnsReply::Kind kind) {
  constexpr unsigned answer = 0x8180;  // response, recursion desired and available
  switch (kind) {
    case DnsReply::Kind::nxdomain:
      return answer | 3U;
    case DnsReply::Kind::servfail:
      return answer | 2U;
    case DnsReply::Kind::refused:
      return answer | 5U;
    case DnsReply::Kind::truncated:
      return answer | 0x0200U;
    case DnsReply::Kind::addresses:
    case DnsReply::Kind::garbage:
    case DnsReply::Kind::silence:
      return answer;
  }
  return answer;
}

std::string compose(const std::string& id, const Packet& packet, const DnsReply& reply) {
  std::string records;
  unsigned count = 0;
  std::string owner = packet.question.name;
  if (!reply.alias.empty()) {
    std::string target;
    append_name(target, reply.alias);
    append_record(records, owner, type_cname, target);
    owner = reply.alias;
    ++count;
  }
  for (const auto& address : reply.addresses) {
    append_record(records, owner, packet.question.v6 ? type_aaaa : type_a,
                  address_bytes(address, packet.question.v6));
    ++count;
  }
  for (const auto& record : reply.records) {
    append_record(records, record.owner.empty() ? owner : record.owner, record.type, record.data);
    ++count;
  }
  std::string out = id;
  append16(out, flags_of(reply.kind));
  append16(out, 1);
  append16(out, count);
  append16(out, 0);
  append16(out, 0);
  out += packet.question_section + records;
  // Promises a record and does not give it.
  if (reply.kind == DnsReply::Kind::garbage) out[7] = 1;
  return out;
}

std::vector<std::string> packets_of(const std::string& id, const Packet& packet,
                                    const DnsReply& reply) {
  auto composed = compose(id, packet, reply);
  if (reply.tamper) return reply.tamper(std::move(composed));
  return {std::move(composed)};
}

void demand(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(std::string("name server: ") + what);
}

sockaddr_in any_port_of(const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  demand(inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1, "no IPv4 address");
  return address;
}

}  // namespace

std::string dns_name(const std::string& name) {
  std::string wire;
  append_name(wire, name);
  return wire;
}

struct NameServer::Impl {
  struct Due {
    Clock::time_point when;
    bool delayed;
    sockaddr_in to;
    std::string packet;
  };

  Script script;
  std::string host;
  Fd udp;
  Fd tcp;
  Fd stop{eventfd(0, EFD_CLOEXEC)};
  std::uint16_t port = 0;
  std::vector<Due> due;  // of the thread
  static constexpr Clock::duration none{-1};
  std::atomic<Clock::duration> lateness{none};
  mutable std::mutex mutex;
  std::vector<DnsQuestion> questions;
  std::thread thread;

  void bind_both() {
    // The TCP port of the same number may be taken: try another pair.
    for (int attempt = 0; attempt < 50; ++attempt) {
      udp.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      tcp.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      auto address = any_port_of(host);
      socklen_t length = sizeof(address);
      auto* raw = reinterpret_cast<sockaddr*>(&address);
      demand(bind(udp.get(), raw, length) == 0 && getsockname(udp.get(), raw, &length) == 0,
             "no UDP port");
      port = ntohs(address.sin_port);
      if (bind(tcp.get(), raw, length) == 0 && listen(tcp.get(), 16) == 0) return;
    }
    demand(false, "no pair of ports");
  }

  DnsReply ask(const DnsQuestion& question) {
    {
      const std::lock_guard lock(mutex);
      questions.push_back(question);
    }
    return script(question);
  }

  void on_datagram() {
    std::array<char, 1'500> buffer{};
    sockaddr_in from{};
    socklen_t length = sizeof(from);
    const auto count = recvfrom(udp.get(), buffer.data(), buffer.size(), 0,
                                reinterpret_cast<sockaddr*>(&from), &length);
    if (count < static_cast<ssize_t>(header_size)) return;
    const std::string packet(buffer.data(), static_cast<std::size_t>(count));
    const auto parsed = parse(packet, false);
    const auto reply = ask(parsed.question);
    if (reply.kind == DnsReply::Kind::silence) return;
    for (auto& one : packets_of(packet.substr(0, 2), parsed, reply)) {
      due.push_back({Clock::now() + reply.delay, reply.delay.count() != 0, from, std::move(one)});
    }
  }

  /// One question per connection, answered at once.
  void on_connection() {
    const Fd client(accept4(tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 1'500> buffer{};
    std::string packet;
    while (packet.size() < 2 + header_size ||
           packet.size() < 2U + static_cast<unsigned char>(packet[1])) {
      const auto count = recv(client.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      packet.append(buffer.data(), static_cast<std::size_t>(count));
    }
    packet.erase(0, 2);
    const auto parsed = parse(packet, true);
    const auto reply = ask(parsed.question);
    std::string framed;
    for (const auto& answer : packets_of(packet.substr(0, 2), parsed, reply)) {
      append16(framed, static_cast<unsigned>(answer.size()));
      framed += answer;
    }
    if (reply.kind == DnsReply::Kind::silence) framed.clear();
    send(client.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
    while (recv(client.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
  }

  void send_due() {
    std::erase_if(due, [&](const Due& one) {
      const auto now = Clock::now();
      if (one.when > now) return false;
      if (one.delayed) lateness = now - one.when;
      sendto(udp.get(), one.packet.data(), one.packet.size(), 0,
             reinterpret_cast<const sockaddr*>(&one.to), sizeof(one.to));
      return true;
    });
  }

  void run() {
    while (true) {
      std::array<pollfd, 3> polled{
          {{udp.get(), POLLIN, 0}, {tcp.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
      poll(polled.data(), polled.size(), due.empty() ? -1 : 1);
      if (polled[2].revents != 0) return;
      if (polled[0].revents != 0) on_datagram();
      if (polled[1].revents != 0) on_connection();
      send_due();
    }
  }
};

NameServer::NameServer(Script script, const std::string& address)
    : impl_(std::make_unique<Impl>()) {
  impl_->script = std::move(script);
  impl_->host = address;
  impl_->bind_both();
  impl_->thread = std::thread([this] { impl_->run(); });
}

NameServer::~NameServer() {
  const std::uint64_t one = 1;
  demand(write(impl_->stop.get(), &one, sizeof(one)) == sizeof(one), "can't stop");
  impl_->thread.join();
}

std::string NameServer::address() const {
  return "[" + impl_->host + "]:" + std::to_string(impl_->port);
}

std::uint16_t NameServer::port() const { return impl_->port; }

std::optional<std::chrono::nanoseconds> NameServer::lateness() const {
  const auto lateness = impl_->lateness.load();
  if (lateness == Impl::none) return std::nullopt;
  return lateness;
}

void NameServer::forget() {
  impl_->lateness = Impl::none;
  const std::lock_guard lock(impl_->mutex);
  std::exchange(impl_->questions, {});
}

std::vector<DnsQuestion> NameServer::questions() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->questions;
}

}  // namespace vitals::test
