// The listener: one epoll loop that collects whole requests, lets httplib parse and route them over
// an in-memory stream, and writes the answers back. A client costs a buffer, never a thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vitals/fd.hpp>
#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/verdict/snapshot.hpp"

namespace vitals {

struct ServerLimits {
  std::size_t request_line_max = 4 * 1024;
  std::size_t head_max = 8 * 1024;
  std::size_t body_max = 1024;
  std::size_t connections_max = 4'096;
  std::size_t descriptors_kept = 0;  // not for clients, at least: the probes need them
  Duration head_timeout{2'000};      // from the first byte of a head to its end (and of its body)
  Duration silent_timeout{60'000};   // a connection without a byte
};

/// A whole, well-formed request.
struct HttpRequest {
  std::string method;
  std::string path;  // decoded, without query
  std::multimap<std::string, std::string> query;
  std::string accept;          // all Accept lines joined; empty: none
  std::string authorization;   // value of the header; empty: none
  bool from_loopback = false;  // true peer address
  bool forwarded = false;      // has Fly-Client-IP, X-Forwarded-For or Forwarded
  std::string body;
  /// On the loop's thread, where a costly answer should not be made: the handler may return
  /// HttpReply::defer instead, and is asked again on the worker.
  bool may_defer = false;
  /// The handler may give the body in HttpReply::shared.
  bool may_share = false;
};

struct HttpReply {
  int status = 200;
  std::string_view content_type;  // of static storage, as `endpoint` is
  std::string body;
  std::shared_ptr<const std::string> shared;  // in place of `body`; see HttpRequest::may_share
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those every answer has
  /// Label of the metrics: from a closed set ("health", "ready", "metrics", "other", …).
  std::string_view endpoint = "other";
  bool defer = false;  // nothing else of the reply counts; see HttpRequest::may_defer
};

inline constexpr std::array<double, 8> request_bounds{.0001, .00025, .0005, .001,
                                                      .0025, .005,   .01,   .1};
/// Counts for /metrics; a copy.
struct HttpStats {
  std::map<std::pair<std::string, int>, std::uint64_t> requests;      // endpoint, code
  std::map<std::string, Histogram<request_bounds.size()>> durations;  // endpoint
  std::size_t connections = 0;
};

/// Answers one request; called on the loop's thread, or on the one worker thread for the paths
/// given as `slow_paths` (always big) and for what it deferred. Must not block; must not throw.
using Handler = std::function<HttpReply(const HttpRequest&)>;

class HttpServer {
 public:
  /// Binds and listens at once (the kernel queues clients), serves from start() on.
  /// `address` is "host:port" or "[::]:port"; port 0 picks one. "[::]" is dual stack and falls back
  /// to 0.0.0.0 without IPv6. The error says which port is in use and the way out.
  /// An `inherited` listener of that address is used instead.
  static Result<std::unique_ptr<HttpServer>> listen(const std::string& address,
                                                    ServerLimits limits = {}, Fd inherited = Fd());
  ~HttpServer();

  /// The error says that the system gives no more threads.
  [[nodiscard]] std::optional<Error> start(Handler handler, std::vector<std::string> slow_paths);
  /// Stops accepting, gives running answers up to `limit` to leave, joins. Idempotent.
  void stop(Duration limit);

  [[nodiscard]] std::uint16_t port() const;
  /// Before start() alone: to be kept by somebody who outlives us.
  [[nodiscard]] int listener() const;
  /// Thread-safe.
  [[nodiscard]] HttpStats stats() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals
