// One client at the front door, with its connection to the app once it has one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/time.hpp>

#include "agent/front/conversation.hpp"

namespace vitals::front {

/// A kernel pipe that bulk passes through without being copied to us.
struct SplicePipe {
  Fd out;
  Fd in;
  std::size_t held = 0;
};

/// Pipes cost descriptors, so only those have one whose bytes are on the move; without one, bytes
/// are copied.
class PipePool {
 public:
  explicit PipePool(std::size_t pipes_max) : pipes_max_(pipes_max) {}
  /// Null when none is left.
  [[nodiscard]] std::unique_ptr<SplicePipe> acquire();
  void release(std::unique_ptr<SplicePipe> pipe);

 private:
  std::size_t pipes_max_;
  std::size_t made_ = 0;
  std::vector<std::unique_ptr<SplicePipe>> free_;
};

/// One of the two sockets. `readable` and `writable` remember edges of epoll.
struct Side {
  Fd fd;
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // its last byte has come, which we may not have read yet
  bool ended = false;    // we have read its last byte
  bool reset = false;    // it did not end, it broke
  bool shut = false;     // we have sent our last byte
  bool gone = false;     // takes no byte any more
};

/// Bytes on their way to one side. Those in the pipe are older than those pending.
struct Flow {
  std::string pending;  // from `sent` on
  std::size_t sent = 0;
  std::unique_ptr<SplicePipe> pipe;
  bool bulk = false;  // the last read was as large as it could be

  [[nodiscard]] bool empty() const { return pending.empty() && !pipe; }
};

/// What a session waits for. Each stage but `flowing` has one time-out for all in it.
enum class Stage {
  silent,     // for the first byte of a request; no app is connected
  receiving,  // for the rest of a head
  arriving,   // for the app to take the connection
  flowing,    // for client or app: theirs to end
  ending,     // for the client to end, as the app has
  lingering,  // for the client to read our last answer and close
};
inline constexpr std::size_t stage_count = 6;

enum class Route { none, waiting, connecting, connected };

struct Session {
  std::uint64_t id = 0;
  Side client;
  Side app;
  Flow up;                // to the app
  Flow down;              // to the client
  std::string client_in;  // received and not yet understood
  std::string app_in;
  Conversation talk;
  Route route = Route::none;
  std::size_t address = 0;  // of the app, the one that is tried
  TimePoint arrived{};      // when it first asked for the app
  bool welcome = true;      // false: the app is not for this one (drain, no room)
  bool closing = false;     // our last answer is on its way
  bool cutting = false;     // after what is on its way: reset
  bool carries = false;     // counted as a connection of the app
  bool in_flight = false;   // counted as a request
  bool queued = false;      // waits for its next turn
  bool partial = false;     // `client_in` needs more bytes to be understood
  bool renewed = false;     // a request was read since the stage began
  std::size_t held = 0;     // bytes of `client_in` as last counted
  Stage stage = Stage::silent;
  TimePoint since{};
  Session* previous = nullptr;
  Session* next = nullptr;
};

/// Sessions of one stage, the oldest first. Owns nothing.
class SessionList {
 public:
  [[nodiscard]] Session* front() const { return front_; }
  void push_back(Session& session);
  void remove(Session& session);

 private:
  Session* front_ = nullptr;
  Session* back_ = nullptr;
};

}  // namespace vitals::front
