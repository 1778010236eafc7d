// One HTTP exchange with libcurl's multi interface, whose waits can be interrupted.
#include "agent/http_call.hpp"

#include <curl/curl.h>

#include <memory>
#include <optional>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

struct Body {
  std::string text{};
  std::size_t limit = 0;
  bool too_large = false;
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<Body*>(target);
  body.too_large = body.text.size() + size * count > body.limit;
  if (body.too_large) return 0;
  body.text.append(data, size * count);
  return size * count;
}

/// Runs the transfer until it is over; nothing when the deadline or its interrupt came first.
std::optional<CURLcode> perform(CURLM* multi, const Deadline& deadline) {
  int running = 1;
  while (true) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    int left = 0;
    if (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      return message->data.result;
    }
    if (deadline.expired()) return std::nullopt;
    curl_waitfd interrupt{deadline.interrupt_fd(), CURL_WAIT_POLLIN, 0};
    const bool watched = interrupt.fd >= 0;
    curl_multi_poll(multi, watched ? &interrupt : nullptr, watched ? 1 : 0, deadline.remaining_ms(),
                    nullptr);
    if (interrupt.revents != 0) return std::nullopt;
  }
}

HttpCallFailure failure_of(CURLcode code, const Body& body) {
  using Cause = HttpCallFailure::Cause;
  if (body.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return {Cause::too_large, "more than " + std::to_string(body.limit / 1'024) + " KiB"};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return {Cause::timeout, "no whole answer in time"};
  return {Cause::unreachable, curl_easy_strerror(code)};
}

void set_up(CURL* curl, const HttpCall& call, const Headers& headers, Body& body) {
  curl_easy_setopt(curl, CURLOPT_URL, call.url.c_str());
  if (!call.unix_socket.empty()) {
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, call.unix_socket.c_str());
  }
  if (call.method == "POST") curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, static_cast<long>(body.limit));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
}

Headers list_of(const std::vector<std::string>& lines) {
  curl_slist* list = nullptr;
  for (const std::string& line : lines) list = curl_slist_append(list, line.c_str());
  return Headers(list, &curl_slist_free_all);
}

}  // namespace

Result<HttpCallAnswer, HttpCallFailure> http_call(const HttpCall& call, const Deadline& deadline) {
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  const Multi multi(curl_multi_init(), &curl_multi_cleanup);
  VITALS_ASSERT(easy != nullptr && multi != nullptr);
  const Headers headers = list_of(call.headers);
  Body body;
  body.limit = call.body_max;
  set_up(easy.get(), call, headers, body);
  curl_multi_add_handle(multi.get(), easy.get());
  const auto code = perform(multi.get(), deadline);
  curl_multi_remove_handle(multi.get(), easy.get());
  if (!code) return failure_of(CURLE_OPERATION_TIMEDOUT, body);
  if (*code != CURLE_OK) return failure_of(*code, body);
  HttpCallAnswer answer;
  long status = 0;
  char* type = nullptr;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy.get(), CURLINFO_CONTENT_TYPE, &type);
  answer.status = static_cast<int>(status);
  if (type != nullptr) answer.content_type = type;
  answer.body = std::move(body.text);
  return answer;
}

}  // namespace vitals
