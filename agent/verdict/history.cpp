// Rings of results, failures and transitions behind one mutex.
#include "agent/verdict/history.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace vitals {
namespace {

static_assert(results_kept * sizeof(PastResult) < history_bytes_per_check / 2);

/// The last N things put in.
template <typename T, std::size_t N>
class Ring {
 public:
  void push(T item) {
    items_[next_] = std::move(item);
    next_ = (next_ + 1) % N;
    count_ = std::min(count_ + 1, N);
  }
  [[nodiscard]] std::vector<T> newest_first() const {
    std::vector<T> list;
    list.reserve(count_);
    for (std::size_t i = 1; i <= count_; ++i) list.push_back(items_[(next_ + N - i) % N]);
    return list;
  }

 private:
  std::array<T, N> items_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

void push(std::vector<PastTransition>& list, PastTransition transition) {
  if (list.size() == transitions_kept) list.erase(list.begin());
  list.push_back(std::move(transition));
}

}  // namespace

struct History::Past {
  Ring<PastResult, results_kept> results;
  Ring<PastFailure, failures_kept> failures;
};

History::History() {
  transitions_.reserve(transitions_kept);
  verdicts_.reserve(transitions_kept);
}
History::~History() = default;

void History::note_result(std::string_view check, const Sample& sample) {
  if (sample.result.undecided) return;
  const PastResult result{sample.finished.wall, sample.duration(), sample.result.outcome,
                          sample.result.reason};
  const std::lock_guard lock(mutex_);
  auto found = checks_.find(check);
  if (found == checks_.end()) found = checks_.try_emplace(std::string(check)).first;
  found->second.results.push(result);
  if (result.outcome == Outcome::fail) {
    found->second.failures.push({result, sample.result.detail});
  }
}

void History::note_transition(PastTransition transition) {
  const std::lock_guard lock(mutex_);
  auto& list = transition.check.empty() ? verdicts_ : transitions_;
  push(list, std::move(transition));
}

void History::forget(std::string_view check) {
  const std::lock_guard lock(mutex_);
  const auto found = checks_.find(check);
  if (found != checks_.end()) checks_.erase(found);
}

CheckHistory History::of(std::string_view check) const {
  const std::lock_guard lock(mutex_);
  const auto found = checks_.find(check);
  if (found == checks_.end()) return {};
  return {found->second.results.newest_first(), found->second.failures.newest_first()};
}

std::vector<PastTransition> History::transitions() const {
  const std::lock_guard lock(mutex_);
  return {transitions_.rbegin(), transitions_.rend()};
}

std::vector<PastTransition> History::verdicts() const {
  const std::lock_guard lock(mutex_);
  return {verdicts_.rbegin(), verdicts_.rend()};
}

std::optional<Elapsed> CheckHistory::p95() const {
  std::vector<Elapsed> good;
  for (const PastResult& result : results) {
    if (result.outcome != Outcome::fail) good.push_back(result.duration);
  }
  if (good.empty()) return std::nullopt;
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(good.size())));
  const auto place = good.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(good.begin(), place, good.end());
  return *place;
}

}  // namespace vitals
