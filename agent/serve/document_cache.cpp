// Rendered health documents, kept while nothing they show can have changed.
#include "agent/serve/document_cache.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vitals {
namespace {

std::int64_t second_of(const Instant& now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.wall.time_since_epoch()).count();
}

}  // namespace

std::shared_ptr<const Judged> DocumentCache::judge_at(
    const std::shared_ptr<const Snapshot>& snapshot, const Instant& now) {
  const auto second = second_of(now);
  const std::lock_guard lock(mutex_);
  if (judged_ && judged_->snapshot == snapshot && judged_->second == second &&
      now.mono >= judged_->at && now.mono <= judged_->judgement.valid_until) {
    return judged_;
  }
  entries_.clear();
  judged_ = std::make_shared<const Judged>(
      Judged{snapshot, judge(*snapshot, now.mono), now.mono, second});
  return judged_;
}

std::shared_ptr<const Document> DocumentCache::find(const std::shared_ptr<const Judged>& judged,
                                                    const DocumentKey& key) const {
  const std::lock_guard lock(mutex_);
  if (judged != judged_) return nullptr;
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries_.end() ? nullptr : found->document;
}

void DocumentCache::put(const std::shared_ptr<const Judged>& judged, const DocumentKey& key,
                        std::shared_ptr<const Document> document) {
  const std::lock_guard lock(mutex_);
  if (judged != judged_) return;
  if (entries_.size() >= documents_max) entries_.erase(entries_.begin());
  entries_.push_back({key, std::move(document)});
}

}  // namespace vitals
