// A scripted DNS server on loopback (UDP, and TCP for truncated answers): says what a test wants.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitals::test {

struct DnsQuestion {
  std::string name;
  bool v6 = false;   // AAAA; else A
  bool tcp = false;  // came over TCP
  std::uint16_t type = 0;
};

/// A record of any type, its data as on the wire.
struct DnsRecord {
  std::uint16_t type = 0;
  std::string data{};
  std::string owner{};  // empty: the name asked for, or its alias
};
/// A name as on the wire, for the data of a record.
std::string dns_name(const std::string& name);

struct DnsReply {
  enum class Kind { addresses, nxdomain, servfail, refused, garbage, truncated, silence };
  Kind kind = Kind::addresses;
  std::vector<std::string> addresses{};  // of the family asked for; none: an empty answer
  std::string alias{};                   // the name is a CNAME of this one
  std::chrono::milliseconds delay{0};
  std::vector<DnsRecord> records{};  // behind the addresses
  /// Makes of the packet what is sent instead of it, in order.
  std::function<std::vector<std::string>(std::string packet)> tamper{};
};

class NameServer {
 public:
  /// Called on the server's thread, once for each question.
  using Script = std::function<DnsReply(const DnsQuestion&)>;
  /// `address`: an IPv4 address of this network namespace.
  explicit NameServer(Script script, const std::string& address = "127.0.0.1");
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  /// For a nameserver line: "[ADDRESS]:PORT".
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::uint16_t port() const;
  /// What was asked so far, in order.
  [[nodiscard]] std::vector<DnsQuestion> questions() const;
  /// How much later than it should the latest answer with a delay was sent; nothing before one was.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> lateness() const;
  /// Empties questions() and lateness(), and gives their memory back.
  void forget();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals::test
