// Fetches the app's metrics.
#include "agent/app_metrics/fetch.hpp"

#include <utility>

#include <vitals/assert.hpp>

#include "agent/http_call.hpp"

namespace vitals {
namespace {

constexpr int status_ok = 200;

FetchFailure failure_of(const HttpCallFailure& failure) {
  switch (failure.cause) {
    case HttpCallFailure::Cause::unreachable:
      return {DropCause::unreachable, failure.detail};
    case HttpCallFailure::Cause::timeout:
      return {DropCause::timeout, failure.detail};
    case HttpCallFailure::Cause::too_large:
      return {DropCause::too_large, "more than 4 MiB"};
  }
  VITALS_ASSERT(false);
  return {};
}

}  // namespace

Result<FetchedPage, FetchFailure> fetch_page(const std::string& url, const Deadline& deadline) {
  HttpCall call;
  call.url = url;
  // What we would have to translate comes second.
  call.headers = {
      "Accept: text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5,"
      "*/*;q=0.1"};
  call.body_max = app_page_max;
  auto answer = http_call(call, deadline);
  if (!answer) return failure_of(answer.error());
  const int status = answer.value().status;
  if (status != status_ok) {
    return FetchFailure{DropCause::status, "status " + std::to_string(status)};
  }
  const bool openmetrics = answer.value().content_type.starts_with("application/openmetrics-text");
  return FetchedPage{std::move(answer.value().body), openmetrics};
}

}  // namespace vitals
