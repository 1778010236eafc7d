// Fetches the app's metrics with libcurl.
#include "agent/app_metrics/fetch.hpp"

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string_view>

#include <vitals/assert.hpp>

namespace vitals {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

constexpr long status_ok = 200;

struct Body {
  std::string text;
  bool too_large = false;
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<Body*>(target);
  body.too_large = body.text.size() + size * count > app_page_max;
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

FetchFailure failure_of(CURLcode code, const Body& body) {
  if (body.too_large) return {DropCause::too_large, "more than 4 MiB"};
  if (code == CURLE_OPERATION_TIMEDOUT) return {DropCause::timeout, "no whole answer in time"};
  return {DropCause::unreachable, curl_easy_strerror(code)};
}

void set_up(CURL* curl, const std::string& url, const Headers& headers, Body& body) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, static_cast<long>(app_page_max));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
}

bool is_openmetrics(CURL* curl) {
  char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  return type != nullptr && std::string_view(type).starts_with("application/openmetrics-text");
}

}  // namespace

Result<FetchedPage, FetchFailure> fetch_page(const std::string& url, const Deadline& deadline) {
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  const Multi multi(curl_multi_init(), &curl_multi_cleanup);
  VITALS_ASSERT(easy != nullptr && multi != nullptr);
  // What we would have to translate comes second.
  const Headers headers(
      curl_slist_append(nullptr,
                        "Accept: text/plain;version=0.0.4;q=1,application/openmetrics-text;"
                        "version=1.0.0;q=0.5,*/*;q=0.1"),
      &curl_slist_free_all);
  Body body;
  set_up(easy.get(), url, headers, body);
  curl_multi_add_handle(multi.get(), easy.get());
  const auto code = perform(multi.get(), deadline);
  curl_multi_remove_handle(multi.get(), easy.get());
  if (!code) return FetchFailure{DropCause::timeout, "no whole answer in time"};
  if (*code == CURLE_FILESIZE_EXCEEDED) body.too_large = true;
  if (*code != CURLE_OK) return failure_of(*code, body);
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != status_ok) {
    return FetchFailure{DropCause::status, "status " + std::to_string(status)};
  }
  return FetchedPage{std::move(body.text), is_openmetrics(easy.get())};
}

}  // namespace vitals
