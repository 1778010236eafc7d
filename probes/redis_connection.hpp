// One connection to a Redis server: pipelined commands out, replies in, all under one deadline.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "probes/net.hpp"
#include "probes/redis_reply.hpp"
#include "probes/stream.hpp"

namespace vitals::redis {

/// Limits on what a server may make us hold. INFO of a busy server is about 10 KiB.
inline constexpr std::size_t reply_bytes_max = 256 * 1024;  // of one exchange
inline constexpr int reply_elements_max = 1'024;            // of one array
inline constexpr int reply_depth_max = 4;                   // ROLE of a master has two

/// What came back for a pipeline: replies in order, and why there are not more of them.
struct RedisExchange {
  std::vector<Reply> replies;
  std::vector<TimePoint> arrived;  // when replies[i] was complete
  std::optional<net::Failure> failure;
};

/// Owns the socket. Not thread-safe. After a failed exchange it is good for destruction alone.
class Connection {
 public:
  explicit Connection(net::Stream stream);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends all commands at once and collects one reply for each. Failure: reset when the peer
  /// closes first, timeout at the deadline or on interrupt, protocol when it is not Redis (says so
  /// when an HTTP server answers), too_large, tls. Replies that came before the failure are kept:
  /// a server that is full answers before it closes.
  [[nodiscard]] RedisExchange exchange(std::span<const Command> commands, const Deadline& deadline);

  /// Waits for `count` more replies without sending (messages of a subscription).
  [[nodiscard]] RedisExchange receive(std::size_t count, const Deadline& deadline);

  /// False when the peer closed an idle connection, or said something nobody asked for: then it
  /// can't be used again. Does not block.
  [[nodiscard]] bool quiet();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals::redis
