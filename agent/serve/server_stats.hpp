// Counts of answers by endpoint and code, taken on the loop's thread, read from any.
#pragma once

#include <mutex>
#include <string_view>

#include "agent/serve/http_server.hpp"

namespace vitals::http {

/// Labels outside the closed set count as "other". Thread-safe.
class ServerStats {
 public:
  ServerStats();
  void count(std::string_view endpoint, int code, Elapsed duration);
  void set_connections(std::size_t count);
  [[nodiscard]] HttpStats copy() const;

 private:
  struct Row {
    std::vector<std::pair<int, std::uint64_t>> codes;
    Histogram<request_bounds.size()> durations;
  };
  mutable std::mutex mutex_;  // held for one count or one copy
  std::vector<Row> rows_;     // as endpoint_labels
  std::size_t connections_ = 0;
};

}  // namespace vitals::http
