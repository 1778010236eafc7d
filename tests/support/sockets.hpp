// Loopback sockets in states that a test needs: listening, deaf, with a full backlog.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include <vitals/fd.hpp>

namespace vitals::test {

/// Listens on a numeric loopback address and never accepts: connections succeed, nothing answers.
class DeafListener {
 public:
  /// Port 0 picks one. Throws when it can't listen there.
  explicit DeafListener(const std::string& host = "127.0.0.1", std::uint16_t port = 0,
                        int backlog = 1'024);
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Fills the backlog until the kernel drops further SYNs: a connect to it stays unanswered.
  void fill();
  /// The next connection in the queue, blocking.
  [[nodiscard]] Fd accept() const;

 private:
  std::string host_;
  std::uint16_t port_ = 0;  // before fd_, whose making sets it
  Fd fd_;
  std::vector<Fd> fillers_;
};

/// A socket that is bound but does not listen: whoever connects is refused, and nobody else gets
/// the port meanwhile.
class RefusingPort {
 public:
  explicit RefusingPort(const std::string& host = "127.0.0.1", std::uint16_t port = 0);
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;  // before fd_, whose making sets it
  Fd fd_;
};

}  // namespace vitals::test
