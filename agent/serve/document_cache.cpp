// Rendered health documents, kept while nothing they show can have changed.
#include "agent/serve/document_cache.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vitals {

const Judgement& DocumentCache::enter(const std::shared_ptr<const Snapshot>& snapshot,
                                      const Instant& now) {
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(now.wall.time_since_epoch()).count();
  const bool judged =
      snapshot_ == snapshot && now.mono >= judged_at_ && now.mono <= judgement_.valid_until;
  if (judged && second == second_) return judgement_;
  entries_.clear();
  second_ = second;
  if (!judged) {
    snapshot_ = snapshot;
    judgement_ = judge(*snapshot_, now.mono);
    judged_at_ = now.mono;
  }
  return judgement_;
}

const Document* DocumentCache::find(const DocumentKey& key) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries_.end() ? nullptr : &found->document;
}

const Document& DocumentCache::put(DocumentKey key, Document document) {
  if (entries_.size() >= documents_max) entries_.erase(entries_.begin());
  entries_.push_back({std::move(key), std::move(document)});
  return entries_.back().document;
}

}  // namespace vitals
