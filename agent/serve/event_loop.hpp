// The epoll loop: accepts, collects whole requests, answers them, writes back; never blocks on a
// client.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/fd.hpp>

#include "agent/serve/connection.hpp"
#include "agent/serve/http_server.hpp"
#include "agent/serve/router.hpp"
#include "agent/serve/server_stats.hpp"
#include "agent/serve/slow_lane.hpp"

namespace vitals::http {

/// An answer that the client has not taken whole by then is cut off.
inline constexpr Duration answer_timeout{20'000};
/// After our last byte we wait so long, and throw away so much, for the client to close first: a
/// close with unread input would reset the connection and destroy the answer on its way.
inline constexpr Duration linger_timeout{1'000};
inline constexpr std::size_t linger_bytes_max = 64 * 1024;
/// All connections together may hold this much of unfinished requests, and of untaken answers;
/// beyond it the oldest holder goes.
inline constexpr std::size_t held_input_max = 2 * 1024 * 1024;
inline constexpr std::size_t held_output_max = 16 * 1024 * 1024;
/// Pipelined requests are answered until this much output waits.
inline constexpr std::size_t pipeline_output_max = 64 * 1024;
/// Requests of one connection, and new connections, that are served before others have a turn.
inline constexpr int requests_per_turn = 16;
inline constexpr int accepts_per_turn = 64;
/// How long the listener rests when there is neither a descriptor nor a connection to drop.
inline constexpr Duration accept_pause{100};

/// How many connections may be open when `descriptors` may: the rest is for probes and files.
[[nodiscard]] std::size_t connections_for(const ServerLimits& limits, std::size_t descriptors);

/// run() is for one thread; request_stop() for any.
class EventLoop {
 public:
  /// `stats` and `handler` outlive the loop.
  EventLoop(Fd listener, ServerLimits limits, const Handler& handler,
            std::vector<std::string> slow_paths, ServerStats& stats);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Serves those who are there, waits for nobody. On the thread of run(), before it.
  void serve_waiting();
  /// Serves until request_stop(), then until running answers have left or `limit` is over.
  void run();
  /// Once, also while run() serves. The error says that the system gives no more threads.
  [[nodiscard]] std::optional<Error> start_worker();
  void request_stop(Duration limit);

 private:
  // Waiting (event_loop.cpp).
  void turn(int wait_ms);
  [[nodiscard]] int next_wait_ms() const;
  void expire();
  void expire_phase(Phase phase);
  void serve_queued();
  [[nodiscard]] std::optional<Duration> timeout_of(Phase phase) const;
  void take_wake_up();
  void begin_stop();
  [[nodiscard]] bool stopped() const;

  // Coming and going (event_loop.cpp).
  void accept_clients();
  void watch_listener(bool on);
  void add(Fd fd, bool from_loopback);
  void close(Connection& connection);
  [[nodiscard]] Connection* oldest() const;
  [[nodiscard]] Connection* find(std::uint64_t id) const;
  void drop_holders();

  // Serving one connection (event_loop_requests.cpp).
  void handle_event(Connection& connection, std::uint32_t events);
  void advance(Connection& connection);
  [[nodiscard]] std::string_view receive(Connection& connection);
  int take_requests(Connection& connection, std::string_view fresh);
  [[nodiscard]] bool takes_requests(const Connection& connection) const;
  [[nodiscard]] std::size_t take_request(Connection& connection, std::string_view bytes);
  [[nodiscard]] std::size_t take_head(Connection& connection, std::string_view bytes);
  [[nodiscard]] std::size_t take_body(Connection& connection, std::string_view bytes);
  void begin_body(Connection& connection, RequestHead head, bool waits);
  /// `bytes` of the head, when nothing follows it; see Exchange.
  void dispatch(Connection& connection, RequestHead head, std::string body, std::string_view bytes);
  /// False: the handler deferred it.
  [[nodiscard]] bool answer_here(const SlowJob& job, bool may_defer, std::string_view bytes);
  [[nodiscard]] bool repeat(Connection& connection, const KnownRequest& known);
  [[nodiscard]] bool is_slow(std::string_view target) const;
  void refuse(Connection& connection, Rejection rejection);
  void finish_slow_answers();
  void send_answers(Connection& connection);
  void flush(Connection& connection);
  void watch_writes(Connection& connection, bool on);
  void settle(Connection& connection);
  void begin_linger(Connection& connection);
  void linger(Connection& connection);
  void enter(Connection& connection, Phase phase);
  void queue(Connection& connection);
  void count_held(Connection& connection);

  struct Slot {
    std::unique_ptr<Connection> connection;
    std::uint32_t generation = 0;
  };

  const ServerLimits limits_;
  const HeadLimits head_limits_;
  const std::size_t connections_max_;
  const std::vector<std::string> slow_paths_;
  ServerStats& stats_;
  Fd listener_;
  Fd epoll_;
  Fd wake_;
  Router router_;

  TimePoint now_{};  // of this turn
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::unique_ptr<Connection>> closed_;  // freed when the turn ends
  std::size_t count_ = 0;
  std::array<ConnectionList, phase_count> lists_;
  std::vector<std::uint64_t> queued_;
  std::size_t held_input_ = 0;
  std::size_t held_output_ = 0;
  std::vector<char> scratch_;  // what recv wrote
  std::string answers_;        // of the connection being served

  std::atomic<Duration::rep> stop_limit_{-1};  // -1: no stop was asked for
  std::optional<TimePoint> stop_at_;
  std::optional<TimePoint> accept_again_;  // no descriptor left: the listener rests until then
  std::unique_ptr<SlowLane> slow_lane_;    // last: its thread wakes the loop
};

}  // namespace vitals::http
