// Requests that were asked before in the same words: parsed once, answered anew each time.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "agent/serve/http_server.hpp"
#include "agent/serve/request_head.hpp"

namespace vitals::http {

/// Who asks again and again (Fly's checks, balancers, scrapers) are few, and say little.
inline constexpr std::size_t known_requests_max = 8;
inline constexpr std::size_t known_head_max = 512;

/// A request without a body, as it was sent and as it was read.
struct KnownRequest {
  std::string bytes;  // from the first byte of the head to the end of its empty line
  RequestHead head;
  HttpRequest request;
};

/// Only the reading is saved: the same bytes from the same side mean the same request, whatever
/// time it is, and the handler is asked each time. Keeps no credentials. For one thread.
class KnownRequests {
 public:
  /// The one that `bytes` begin with; null when there is none. Valid until remember().
  [[nodiscard]] const KnownRequest* find(std::string_view bytes, bool from_loopback) const;

  /// In place of the oldest one. Not if it is long, shows a token, or came through a proxy, whose
  /// heads differ from client to client.
  void remember(std::string_view bytes, const RequestHead& head, HttpRequest request);

 private:
  std::array<KnownRequest, known_requests_max> entries_;  // bytes empty: free
  std::size_t next_ = 0;
};

}  // namespace vitals::http
