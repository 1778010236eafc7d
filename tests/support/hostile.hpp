// Dependencies that never let go, and a record of when each attempt on them began and ended, seen
// from their side.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/name_server.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {

using SteadyPoint = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::duration<double, std::milli>;

/// One connection that a hostile server got.
struct Visit {
  ScriptedConnection& connection;
  /// A script says false of what is no attempt: a cancel request.
  bool counts = true;
};

/// Runs the script on each connection, then holds it until the client goes.
class HostileServer {
 public:
  using Script = std::function<void(Visit&)>;
  explicit HostileServer(Script script, ScriptedOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  /// Accept times, in order.
  [[nodiscard]] std::vector<SteadyPoint> starts() const;
  /// From accept to the end that the client made (or the script, by a reset), of those that ended.
  [[nodiscard]] std::vector<Milliseconds> lifetimes() const;
  [[nodiscard]] int open_connections() const { return server_->open_connections(); }

 private:
  void play(const Script& script, ScriptedConnection& connection);

  mutable std::mutex mutex_;  // guards the two below
  std::map<int, SteadyPoint> ends_;
  std::set<int> strangers_;
  std::unique_ptr<ScriptedServer> server_;  // last: its threads use the rest
};

/// Gets every question and answers none.
class SilentNameServer {
 public:
  SilentNameServer();
  /// For a nameserver line.
  [[nodiscard]] std::string address() const { return server_->address(); }
  [[nodiscard]] std::uint16_t port() const;
  /// When questions for `name` came.
  [[nodiscard]] std::vector<SteadyPoint> questions(const std::string& name) const;

 private:
  mutable std::mutex mutex_;  // guards asked_
  std::map<std::string, std::vector<SteadyPoint>> asked_;
  std::unique_ptr<NameServer> server_;  // last: its thread uses the rest
};

/// Watches the kernel's tables for IPv4 sockets of other programs that a server can't see: TCP that
/// waits for the handshake, and connected UDP. Sees what lives for 20 ms; times are as exact.
class SocketWatch {
 public:
  /// Sockets that are there already are none of ours.
  SocketWatch();
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  /// When sockets towards that port appeared, in order.
  [[nodiscard]] std::vector<SteadyPoint> starts(std::uint16_t port) const;
  /// How long those lived that are gone.
  [[nodiscard]] std::vector<Milliseconds> lifetimes(std::uint16_t port) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals::test
