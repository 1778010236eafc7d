// The front door's loop: one thread, one epoll, all clients and their connections to the app.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/time.hpp>

#include "agent/front/address.hpp"
#include "agent/front/page.hpp"
#include "agent/front/session.hpp"
#include "agent/schedule/clock_watch.hpp"

namespace vitals::front {

/// How long a client waits for an app that refuses connections, as it does while it boots.
inline constexpr Duration boot_limit{30'000};
/// How often one of those that wait tries again.
inline constexpr Duration retry_pause{100};
/// From the first byte of a head to its last.
inline constexpr Duration head_limit{30'000};
/// A client that asks nothing of the app.
inline constexpr Duration silent_limit{60'000};
/// A client that does not end although the app has.
inline constexpr Duration ending_limit{60'000};
/// A client that has our last answer and does not close.
inline constexpr Duration linger_limit{2'000};
/// What one read takes; so much of one direction may wait in our memory for a slow reader.
inline constexpr std::size_t read_size = 32 * 1024;
/// From here on bytes that need no look go through a pipe.
inline constexpr std::size_t splice_min = 64 * 1024;
inline constexpr std::size_t pipes_max = 32;
/// Heads that are not whole may hold so much; beyond it the oldest one goes.
inline constexpr std::size_t held_heads_max = 16 * 1024 * 1024;
/// Reads of one direction before others have their turn.
inline constexpr int reads_per_turn = 16;
inline constexpr int accepts_per_turn = 64;
/// Beyond the clients that fit, so many more are taken to answer them: health, or 503.
inline constexpr std::size_t guests_max = 32;
/// Descriptors that are not for clients.
inline constexpr std::size_t reserved_descriptors = 32 + 2 * pipes_max + 2 * guests_max;
/// How long the listener rests when no descriptor is left.
inline constexpr Duration accept_pause{100};
/// How often a door that stops looks whether clients have taken its last bytes.
inline constexpr Duration stop_look{20};
/// How often the clocks are compared.
inline constexpr Duration clock_tick{1'000};

/// How many clients may have the app when so many descriptors may be open: each needs two.
[[nodiscard]] std::size_t clients_for(std::size_t descriptors);

struct DoorSettings {
  std::vector<Address> upstream;  // tried in turn, never empty
  std::size_t clients_max = 0;
};

/// What is worth a log line; called on the loop's thread.
enum class DoorEvent { app_refuses, app_accepts, draining, undrained, full };
using DoorListener = std::function<void(DoorEvent)>;

/// run() is for one thread; request_stop() for any, and for signal handlers.
class Door {
 public:
  /// `listener` is listening and does not block; `page` outlives the door.
  Door(Fd listener, DoorSettings settings, Page& page, DoorListener tell);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// Until request_stop(): then nobody new is let in, and it ends when no request runs any more and
  /// clients have acknowledged what was sent to them, or after `limit`.
  void run();
  void request_stop(Duration limit);

 private:
  enum class Flushed { all, blocked, failed };
  /// One direction of a session.
  struct Way {
    Session& session;
    Side& from;
    Side& to;
    Flow& flow;
    std::string& in;
    bool up;
  };
  static Way up_of(Session& session);
  static Way down_of(Session& session);

  // Waiting (door.cpp).
  void turn();
  [[nodiscard]] int next_wait_ms() const;
  void handle(const std::uint64_t data, std::uint32_t events);
  void take_wake_up();
  void begin_stop();
  [[nodiscard]] static bool delivered(const Session& session);
  void look_at_stopping();
  [[nodiscard]] bool stopped() const;
  void expire();
  void expire_stage(Stage stage);
  void time_out(Session& session);
  void look_at_clock();
  void serve_queued();

  // Coming and going (door.cpp).
  void accept_clients();
  void watch_listener(bool on);
  void admit(Fd fd);
  void close(Session& session);
  [[nodiscard]] Session* find(std::uint64_t id) const;
  void enter(Session& session, Stage stage);
  void drop_held_heads();
  [[nodiscard]] bool draining();
  void hold_draining(bool on);

  // The way to the app (door_upstream.cpp).
  void seek_app(Session& session);
  void try_connect(Session& session);
  void finish_connect(Session& session);
  void connect_failed(Session& session);
  void wait_for_app(Session& session);
  void retry(std::size_t count);
  void app_is_there();
  void drop_app(Session& session, bool reset);
  void count(Session& session);

  // Bytes (door_traffic.cpp).
  void advance(Session& session);
  bool pump(const Way& way);
  [[nodiscard]] bool may_read(const Way& way) const;
  [[nodiscard]] Flushed flush(const Way& way);
  [[nodiscard]] Flushed flush_pipe(const Way& way);
  bool read_some(const Way& way);
  bool splice_some(const Way& way);
  void ended(const Way& way, int error);
  void write_failed(const Way& way, int error);
  [[nodiscard]] std::size_t digest(const Way& way, std::string_view bytes);
  bool take_step(const Way& way, const Step& step);
  void emit(const Way& way, std::string_view bytes);
  void answer(Session& session);
  void refuse(Session& session, int status, std::string_view why);
  void cut(Session& session);
  void settle(Session& session);
  void settle_upward(Session& session);
  void settle_downward(Session& session);
  [[nodiscard]] Stage stage_of(const Session& session) const;
  void queue(Session& session);
  [[nodiscard]] bool alive(const Session& session) const { return bool(session.client.fd); }

  struct Slot {
    std::unique_ptr<Session> session;
    std::uint32_t generation = 0;
  };

  const DoorSettings settings_;
  Page& page_;
  const DoorListener tell_;
  Fd listener_;
  Fd epoll_;
  Fd wake_;
  PipePool pipes_;
  std::vector<char> scratch_;  // what recv wrote

  TimePoint now_{};  // of this turn
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::unique_ptr<Session>> closed_;  // freed when the turn ends
  std::array<SessionList, stage_count> stages_;
  std::vector<std::uint64_t> queued_;
  std::deque<std::uint64_t> waiting_;  // for an app that refuses
  bool app_refuses_ = false;
  std::optional<TimePoint> retry_at_;
  std::size_t sessions_ = 0;
  std::size_t carrying_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t held_heads_ = 0;
  bool listening_ = true;
  std::optional<TimePoint> accept_again_;
  bool draining_ = false;
  bool was_full_ = false;
  ClockWatch clock_;
  TimePoint tick_at_{};
  std::optional<TimePoint> grace_until_;  // after a resume old words of the agent stand

  std::atomic<Duration::rep> stop_limit_{-1};
  std::optional<TimePoint> stop_at_;
  TimePoint stop_look_at_{};
};

}  // namespace vitals::front
