// Bytes of a client through our checks and httplib's in-memory path: no crash, no half answer.
#include <vitals/assert.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/serve/request_body.hpp"
#include "agent/serve/request_head.hpp"
#include "agent/serve/router.hpp"

namespace {

using vitals::http::BodyReader;
using vitals::http::HeadScanner;

const vitals::Handler& handler() {
  static const vitals::Handler trivial = [](const vitals::HttpRequest& request) {
    vitals::HttpReply reply;
    reply.body = request.path;
    reply.content_type = "text/plain";
    return reply;
  };
  return trivial;
}

void answer(const vitals::http::RequestHead& head, const std::string& body) {
  static vitals::http::Router router(handler());
  std::string out;
  router.answer({head, body, true, head.keep_alive}, out);
  VITALS_ASSERT(out.starts_with("HTTP/1.1 "));
  const auto head_end = out.find("\r\n\r\n");
  VITALS_ASSERT(head_end != std::string::npos);
  const auto lines = std::string_view(out).substr(0, head_end);
  VITALS_ASSERT(lines.find('\0') == std::string_view::npos);
}

/// Asked again in the same words; its length tells, for its date may be another.
void answer_twice(const vitals::http::RequestHead& head, std::string_view bytes) {
  static vitals::http::Router router(handler());
  std::string first;
  router.answer({head, {}, true, head.keep_alive, true, bytes}, first);
  const auto* known = router.known(bytes, true);
  if (known == nullptr) return;
  std::string second;
  const auto answered = router.repeat(*known, head.keep_alive, second);
  VITALS_ASSERT(answered.status == 200 && second.size() == first.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says in how large pieces the rest arrives.
  const std::size_t piece = data[0] + std::size_t{1};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const vitals::http::HeadLimits limits;
  HeadScanner scanner;
  auto state = HeadScanner::State::more;
  for (std::size_t end = piece; state == HeadScanner::State::more; end += piece) {
    state = scanner.scan(bytes.substr(0, std::min(end, bytes.size())), limits);
    if (end >= bytes.size()) break;
  }
  if (state != HeadScanner::State::complete) return 0;
  const auto head =
      vitals::http::parse_head(bytes.substr(scanner.begin(), scanner.end() - scanner.begin()));
  if (!head) return 0;
  if (!head.value().chunked && head.value().content_length == 0) {
    answer_twice(head.value(), bytes.substr(scanner.begin(), scanner.end() - scanner.begin()));
  }
  BodyReader body(head.value(), 1024);
  auto rest = bytes.substr(scanner.end());
  while (body.state() == BodyReader::State::more && !rest.empty()) {
    rest.remove_prefix(body.feed(rest.substr(0, piece)));
  }
  if (body.state() == BodyReader::State::complete) answer(head.value(), body.take());
  return 0;
}
