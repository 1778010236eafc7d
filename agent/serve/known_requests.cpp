// Requests that were asked before in the same words: parsed once, answered anew each time.
#include "agent/serve/known_requests.hpp"

#include <utility>

namespace vitals::http {

// A whole head is never the beginning of another one: behind its empty line the next one begins.
const KnownRequest* KnownRequests::find(std::string_view bytes, bool from_loopback) const {
  for (const KnownRequest& known : entries_) {
    if (known.bytes.empty()) return nullptr;  // they are filled in order
    if (known.request.from_loopback == from_loopback && bytes.starts_with(known.bytes)) {
      return &known;
    }
  }
  return nullptr;
}

void KnownRequests::remember(std::string_view bytes, const RequestHead& head, HttpRequest request) {
  if (bytes.empty() || bytes.size() > known_head_max || head.forwarded) return;
  if (head.has_credentials || find(bytes, request.from_loopback) != nullptr) return;
  entries_[next_] = {std::string(bytes), head, std::move(request)};
  next_ = (next_ + 1) % entries_.size();
}

}  // namespace vitals::http
