// One client: its socket, its buffers, and its place in the list of its phase.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <vitals/fd.hpp>
#include <vitals/time.hpp>

#include "agent/serve/request_body.hpp"
#include "agent/serve/request_head.hpp"

namespace vitals::http {

/// What a connection is waiting for. Each phase but `working` has one time-out for all.
enum class Phase {
  idle,       // for the first byte of a request
  receiving,  // for the rest of a request
  working,    // for the worker's answer
  writing,    // for the client to take the answer
  lingering,  // for the client to close: it may still be reading our last answer
};
inline constexpr std::size_t phase_count = 5;

/// A request whose head is complete and whose body is not.
struct PendingRequest {
  RequestHead head;
  BodyReader body;
};

struct Connection {
  Fd fd;
  std::uint64_t id = 0;
  Phase phase = Phase::idle;
  bool from_loopback = false;
  bool readable = true;  // the kernel may have bytes that we have not asked for
  bool hung_up = false;  // the peer has sent its last byte, which we may not have read yet
  bool ended = false;    // we have read the peer's last byte
  bool closing = false;  // after the output: no further request is taken
  bool watches_writes = false;
  bool queued = false;   // waits for its next turn
  bool more = false;     // `in` may hold whole requests
  bool renewed = false;  // a request was completed since the phase began
  HeadScanner scanner;
  std::string in;   // received and not yet used
  std::string out;  // answered and not yet sent, from `sent` on
  std::size_t sent = 0;
  std::size_t lingered = 0;                 // bytes thrown away
  std::unique_ptr<PendingRequest> pending;  // often null
  std::size_t held_input = 0;               // bytes of `in` and `out` as last counted
  std::size_t held_output = 0;
  TimePoint since{};  // of the phase
  Connection* previous = nullptr;
  Connection* next = nullptr;
};

/// Connections of one phase, the oldest first. As all of a phase have the same time-out, the front
/// is the next to expire: a time-out costs nothing until it happens. Owns nothing.
class ConnectionList {
 public:
  [[nodiscard]] Connection* front() const { return front_; }
  void push_back(Connection& connection);
  void remove(Connection& connection);

 private:
  Connection* front_ = nullptr;
  Connection* back_ = nullptr;
};

/// Gives the memory of an empty buffer back.
inline void release(std::string& buffer) { std::string().swap(buffer); }

}  // namespace vitals::http
