// Rendered health documents, kept while nothing they show can have changed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/serve/endpoints.hpp"

namespace vitals {

/// Different documents kept of one snapshot and second.
inline constexpr std::size_t documents_max = 32;

/// What a document depends on beside the snapshot and the second.
struct DocumentKey {
  View view = View::health;
  Format format = Format::json;
  bool details = true;
  std::string check;  // for View::check

  [[nodiscard]] bool operator==(const DocumentKey&) const = default;
};

struct Document {
  ReportStatus status;
  bool stuck = false;
  std::string body;
};

/// A snapshot with its judgement at one moment.
struct Judged {
  std::shared_ptr<const Snapshot> snapshot;  // the judgement points into it
  Judgement judgement;
  TimePoint at{};
  std::int64_t second = 0;  // of the wall clock
};

/// Judgement and documents of the latest snapshot. Thread-safe; nothing is rendered under its lock.
class DocumentCache {
 public:
  /// The judgement of `snapshot` at `now`: a new one, and every document forgotten, when the
  /// snapshot or the second is another or when time alone changes the judgement. Never null.
  [[nodiscard]] std::shared_ptr<const Judged> judge_at(
      const std::shared_ptr<const Snapshot>& snapshot, const Instant& now);

  /// Null when it was not put() for this judgement.
  [[nodiscard]] std::shared_ptr<const Document> find(const std::shared_ptr<const Judged>& judged,
                                                     const DocumentKey& key) const;
  /// Keeps it if `judged` is still the current one.
  void put(const std::shared_ptr<const Judged>& judged, const DocumentKey& key,
           std::shared_ptr<const Document> document);

 private:
  struct Entry {
    DocumentKey key;
    std::shared_ptr<const Document> document;
  };

  mutable std::mutex mutex_;
  std::shared_ptr<const Judged> judged_;
  std::vector<Entry> entries_;
};

}  // namespace vitals
