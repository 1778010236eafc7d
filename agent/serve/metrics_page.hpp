// The parts the Prometheus page is put together from; private to agent/serve/metrics*.cpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/serve/exposition.hpp"
#include "agent/serve/metrics.hpp"

namespace vitals {

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};
using MetricLabels = std::initializer_list<MetricLabel>;

enum class FamilyType { gauge, counter, histogram };

/// One metric family: its samples go to the page as they are added, so one family has to end
/// before the next one begins. Without samples it leaves no trace.
class Family {
 public:
  Family(Exposition& page, FamilyType type, std::string_view name, std::string_view help);
  ~Family();
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  void add(std::span<const MetricLabel> labels, double value);
  void add(MetricLabels labels, double value) {
    add(std::span(labels.begin(), labels.size()), value);
  }
  template <std::size_t N>
  void add(MetricLabels labels, const Histogram<N>& histogram,
           const std::array<double, N>& bounds) {
    add_histogram(labels, histogram.counts, histogram.sum, bounds);
  }

 private:
  void add_histogram(MetricLabels labels, std::span<const std::uint64_t> counts, double sum,
                     std::span<const double> bounds);
  void write();

  struct Parts;  // prometheus-cpp's types
  Exposition& page_;
  FamilyType type_;
  std::unique_ptr<Parts> parts_;
};

/// Families labelled by check, from thresholds and counters.
void add_check_families(Exposition& page, const MetricsInput& input);
/// What the kinds declare and measure, and the well-known names of `compat`.
void add_kind_families(Exposition& page, const MetricsInput& input);

[[nodiscard]] inline double to_seconds(Elapsed time) {
  return std::chrono::duration<double>(time).count();
}
/// Unix time to the millisecond.
[[nodiscard]] inline double to_unix(WallTime time) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::floor<milliseconds>(time.time_since_epoch());
  return static_cast<double>(since.count()) / 1e3;
}
/// The last attempt passed or warned; false before there was one.
[[nodiscard]] inline bool succeeded(const CheckState& state) {
  return state.last && !state.last->result.undecided && state.last->result.outcome != Outcome::fail;
}

}  // namespace vitals
