// One GET of the app's metrics under one time limit.
#pragma once

#include <cstddef>
#include <string>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

#include "agent/app_metrics/app_page.hpp"

namespace vitals {

/// A larger page is dropped whole (contract §9).
inline constexpr std::size_t app_page_max = 4 * 1024 * 1024;

struct FetchedPage {
  std::string text;
  bool openmetrics = false;
};

struct FetchFailure {
  DropCause cause = DropCause::unreachable;
  std::string detail;  // for the log; names no URL
};

/// Blocks until the answer, the deadline, or its interrupt. No redirects, no proxy.
[[nodiscard]] Result<FetchedPage, FetchFailure> fetch_page(const std::string& url,
                                                           const Deadline& deadline);

}  // namespace vitals
