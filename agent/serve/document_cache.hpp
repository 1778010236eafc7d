// Rendered health documents, kept while nothing they show can have changed.
#pragma once

#include <cstdint>
#include <memory>
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

/// Judgement and documents of the latest snapshot. Not thread-safe.
class DocumentCache {
 public:
  /// Forgets everything when the snapshot or the second is another one, or when time alone changes
  /// the judgement. Returns the judgement of `snapshot` at `now`; valid until the next call.
  const Judgement& enter(const std::shared_ptr<const Snapshot>& snapshot, const Instant& now);

  /// Null when it was not put() since the last change.
  [[nodiscard]] const Document* find(const DocumentKey& key) const;
  /// Returned reference: valid until the next call.
  const Document& put(DocumentKey key, Document document);

 private:
  struct Entry {
    DocumentKey key;
    Document document;
  };

  std::shared_ptr<const Snapshot> snapshot_;  // the judgement points into it
  Judgement judgement_;
  TimePoint judged_at_{};
  std::int64_t second_ = 0;  // of the wall clock
  std::vector<Entry> entries_;
};

}  // namespace vitals
