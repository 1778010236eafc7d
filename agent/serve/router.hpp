// The one place that knows httplib: a checked request goes in, the bytes of the answer come out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/serve/http_server.hpp"
#include "agent/serve/known_requests.hpp"
#include "agent/serve/request_head.hpp"

namespace vitals::http {

/// What the connection needs to know of an answer, for metrics and for closing.
struct Answered {
  int status = 500;
  std::string_view endpoint = "other";
  bool deferred = false;  // nothing was appended; ask a router whose exchange may not defer
};

struct Exchange {
  const RequestHead& head;
  const std::string& body;
  bool from_loopback = false;  // of the true peer
  bool keep_alive = true;      // what the answer promises
  bool may_defer = false;
  std::string_view bytes;  // of the head as sent, without a body; empty: not to be remembered
};

/// httplib parses the request line, decodes path and query, calls the handler and formats the
/// answer; it sees only what parse_head() has checked. Not thread-safe: one per thread. Answers of
/// any size are built in memory.
class Router {
 public:
  /// `handler` must outlive the router.
  explicit Router(const Handler& handler);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Appends one whole answer to `out`, unless it was deferred.
  Answered answer(const Exchange& exchange, std::string& out);

  /// The request that `bytes` begin with, when answer() met it before: see KnownRequests::find().
  [[nodiscard]] const KnownRequest* known(std::string_view bytes, bool from_loopback) const;
  /// As answer(), which would say the same, without reading the request again.
  Answered repeat(const KnownRequest& known, bool keep_alive, std::string& out);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

/// An answer made without a request: {"error": why}, Connection: close.
void append_refusal(const Rejection& rejection, std::string& out);

/// 503 with Retry-After, for a request that was understood but finds no room.
void append_busy(const RequestHead& head, bool keep_alive, std::string& out);

}  // namespace vitals::http
