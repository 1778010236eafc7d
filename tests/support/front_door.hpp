// A front door on a free port in this process, the agent's page in the test's hands, and apps to
// put behind it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "agent/front/door.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

/// Runs from the constructor to the destructor. The agent has said: all is well.
class FrontDoor {
 public:
  explicit FrontDoor(std::uint16_t app_port, std::size_t clients_max = 1'000);
  ~FrontDoor();
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& path) const;
  [[nodiscard]] front::Counts counts() const { return page_.counts(); }
  [[nodiscard]] int events(front::DoorEvent event) const;
  /// What the agent says from now on.
  void say(const front::Verdicts& verdicts);
  /// The agent dies.
  void fall_silent() { page_.fall_silent(); }
  /// As after TERM; returns when its loop has ended.
  void stop(Duration limit);

 private:
  front::Page page_;
  std::uint16_t port_ = 0;
  std::array<std::atomic<int>, 5> events_{};
  std::unique_ptr<front::Door> door_;
  std::thread thread_;
};

/// tests/support/front_app.js under Node.
class NodeApp {
 public:
  NodeApp();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Process& process() { return process_; }
  /// Requests it has seen.
  [[nodiscard]] int seen() const;

 private:
  std::uint16_t port_;
  Process process_;
};

/// A WebSocket handshake, and a masked text frame of fewer than 126 bytes.
std::string websocket_request(const std::string& path);
std::string websocket_frame(const std::string& text);

}  // namespace vitals::test
