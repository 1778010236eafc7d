// Counts of answers by endpoint and code, taken on the loop's thread, read from any.
#include "agent/serve/server_stats.hpp"

#include <algorithm>
#include <array>

namespace vitals::http {
namespace {

/// The closed set of the label `endpoint`; the last one takes what is not in it.
constexpr std::array<std::string_view, 9> endpoint_labels{
    "health", "ready", "live", "startup", "check", "metrics", "control", "page", "history"};
constexpr std::string_view other_label = "other";
constexpr std::size_t other_row = endpoint_labels.size();

/// A code from a bug must not grow the table without bound.
constexpr std::size_t codes_max = 32;

std::size_t row_of(std::string_view endpoint) {
  const auto found = std::find(endpoint_labels.begin(), endpoint_labels.end(), endpoint);
  return static_cast<std::size_t>(found - endpoint_labels.begin());  // other_row when missing
}

}  // namespace

ServerStats::ServerStats() : rows_(endpoint_labels.size() + 1) {
  // Series exist from the start (contract §6): the answers every scrape may meet.
  for (const auto endpoint : {"health", "ready", "live", "startup", "check"}) {
    rows_[row_of(endpoint)].codes = {{200, 0}, {503, 0}};
  }
  rows_[row_of("metrics")].codes = {{200, 0}};
  rows_[row_of("control")].codes = {{204, 0}, {403, 0}};
  rows_[other_row].codes = {{400, 0}, {404, 0}};
}

void ServerStats::count(std::string_view endpoint, int code, Elapsed duration) {
  const std::lock_guard lock(mutex_);
  auto& row = rows_[row_of(endpoint)];
  row.durations.observe(std::chrono::duration<double>(duration).count(), request_bounds);
  for (auto& [known, count] : row.codes) {
    if (known != code) continue;
    ++count;
    return;
  }
  if (row.codes.size() < codes_max) row.codes.emplace_back(code, 1);
}

void ServerStats::set_connections(std::size_t count) {
  const std::lock_guard lock(mutex_);
  connections_ = count;
}

HttpStats ServerStats::copy() const {
  HttpStats stats;
  const std::lock_guard lock(mutex_);
  stats.connections = connections_;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto& row = rows_[i];
    if (row.codes.empty()) continue;
    const std::string label(i == other_row ? other_label : endpoint_labels[i]);
    stats.durations[label] = row.durations;
    for (const auto& [code, count] : row.codes) stats.requests[{label, code}] = count;
  }
  return stats;
}

}  // namespace vitals::http
