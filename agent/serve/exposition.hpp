// Metric families as text: Prometheus format 0.0.4 or OpenMetrics 1.0, one family at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace prometheus {
struct ClientMetric;
struct MetricFamily;
}  // namespace prometheus

namespace vitals {

enum class ExpositionFormat { prometheus, openmetrics };

/// Collects a page. Families are written as they come and need not outlive the call. Label values
/// and help may hold any bytes but must be valid UTF-8 (Prometheus refuses the whole page
/// otherwise); names are the caller's to get right.
///
/// prometheus-cpp's own TextSerializer knows no OpenMetrics and costs three times as much CPU (it
/// goes through iostream and snprintf): tests/unit/exposition_test.cpp holds us to its answers.
class Exposition {
 public:
  explicit Exposition(ExpositionFormat format) : format_(format) {}

  /// In steps, for samples that are written as they are made: begin() once with the name (of
  /// counters it ends in "_total"), help and type of `family`, then every sample of it before the
  /// next begin(). A family without samples is left out.
  void begin(const prometheus::MetricFamily& family);
  void sample(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric);

  /// Families that somebody else wrote in this page's format.
  void append(std::string_view families) { page_.append(families); }
  /// Room for a page of that many bytes, to spare copies while it grows.
  void reserve(std::size_t bytes) { page_.reserve(bytes); }
  [[nodiscard]] ExpositionFormat format() const { return format_; }
  /// The page; nothing can be added after.
  [[nodiscard]] std::string finish() &&;

 private:
  ExpositionFormat format_;
  std::string page_;
};

/// A sample value as both formats want it: reads back as the same double; "+Inf", "-Inf", "NaN".
void append_number(std::string& out, double value);

}  // namespace vitals
