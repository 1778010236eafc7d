// The command line's HTTP client on libcurl.
#include "agent/cli/client.hpp"

#include <curl/curl.h>

#include <memory>

#include "agent/config/redact.hpp"

namespace vitals::cli {
namespace {

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

std::size_t append(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() + size * count > client_body_max) return 0;
  body.append(data, size * count);
  return size * count;
}

/// What a person would give as URL; the query is ours.
std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

}  // namespace

Result<ClientAnswer> ask_agent(const ClientRequest& request) {
  const Handle handle(curl_easy_init(), &curl_easy_cleanup);
  VITALS_ASSERT(handle != nullptr);
  ClientAnswer answer;
  CURL* const curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  const std::string authorization = "Authorization: Bearer " + request.bearer;
  const Headers headers(
      request.bearer.empty() ? nullptr : curl_slist_append(nullptr, authorization.c_str()),
      &curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return Error{"no agent answers at " + config::redact_url(without_query(request.url)) + ": " +
                 curl_easy_strerror(code) + "; give the URL of one, or --config with its listen"};
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  return answer;
}

}  // namespace vitals::cli
