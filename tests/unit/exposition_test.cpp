// The two text formats: numbers, escaping, names, and prometheus-cpp's own serializer as the judge.
#include "agent/serve/exposition.hpp"

#include <doctest/doctest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>

namespace vitals {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string number(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

ClientMetric gauge(double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  return metric;
}

ClientMetric counter(double value) {
  ClientMetric metric;
  metric.counter.value = value;
  return metric;
}

ClientMetric histogram() {
  ClientMetric metric;
  metric.label = {{"check", "db"}};
  metric.histogram.sample_count = 7;
  metric.histogram.sample_sum = 1.25;
  metric.histogram.bucket = {{2, 0.005}, {5, 1}, {7, std::numeric_limits<double>::infinity()}};
  return metric;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string page(const std::vector<MetricFamily>& families, ExpositionFormat format) {
  Exposition exposition(format);
  for (const MetricFamily& family : families) {
    if (!family.metric.empty()) exposition.begin(family);
    for (const auto& metric : family.metric) exposition.sample(family, metric);
  }
  return std::move(exposition).finish();
}

TEST_SUITE("exposition") {
  TEST_CASE("exposition: numbers read back as the same double and are as short as we know how") {
    CHECK(number(0) == "0");
    CHECK(number(-3) == "-3");
    CHECK(number(0.0005) == "0.0005");
    CHECK(number(-0.25) == "-0.25");
    CHECK(number(0.004123456) == "0.004123456");
    CHECK(number(1'766'016'001.123) == "1766016001.123");
    CHECK(number(9'007'199'254'740'991.0) == "9007199254740991");
    CHECK(number(std::numeric_limits<double>::infinity()) == "+Inf");
    CHECK(number(-std::numeric_limits<double>::infinity()) == "-Inf");
    CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
    for (const double value : {1.0 / 3, 1e300, 5e-324, -0.1 - 0.2, 123456.789012345, 1e-12,
                               9'007'199'254'740'993.0, 1.8e16, 0.1 + 1e-10}) {
      CAPTURE(number(value));
      CHECK(std::strtod(number(value).c_str(), nullptr) == value);
    }
  }

  TEST_CASE("exposition: help and label values are escaped as the format says") {
    MetricFamily family{"vitals_x", "back\\slash \"quote\"\nline", MetricType::Gauge, {}};
    family.metric.push_back(gauge(1, {{"a", "back\\slash \"quote\"\nline"}, {"b", ""}}));
    CHECK(page({family}, ExpositionFormat::prometheus) ==
          "# HELP vitals_x back\\\\slash \"quote\"\\nline\n"
          "# TYPE vitals_x gauge\n"
          "vitals_x{a=\"back\\\\slash \\\"quote\\\"\\nline\",b=\"\"} 1\n");
    // OpenMetrics escapes quotes in help too.
    CHECK(page({family}, ExpositionFormat::openmetrics)
              .starts_with("# HELP vitals_x back\\\\slash \\\"quote\\\"\\nline\n"));
  }

  TEST_CASE("exposition: OpenMetrics names a counter family without _total, its samples with it") {
    const MetricFamily family{"vitals_resumes_total", "Times.", MetricType::Counter, {counter(2)}};
    CHECK(page({family}, ExpositionFormat::prometheus) ==
          "# HELP vitals_resumes_total Times.\n# TYPE vitals_resumes_total counter\n"
          "vitals_resumes_total 2\n");
    CHECK(page({family}, ExpositionFormat::openmetrics) ==
          "# HELP vitals_resumes Times.\n# TYPE vitals_resumes counter\n"
          "vitals_resumes_total 2\n# EOF\n");
  }

  TEST_CASE("exposition: histograms are cumulative; OpenMetrics bounds are canonical") {
    const MetricFamily family{"vitals_d_seconds", "Time.", MetricType::Histogram, {histogram()}};
    CHECK(page({family}, ExpositionFormat::prometheus) ==
          "# HELP vitals_d_seconds Time.\n# TYPE vitals_d_seconds histogram\n"
          "vitals_d_seconds_bucket{check=\"db\",le=\"0.005\"} 2\n"
          "vitals_d_seconds_bucket{check=\"db\",le=\"1\"} 5\n"
          "vitals_d_seconds_bucket{check=\"db\",le=\"+Inf\"} 7\n"
          "vitals_d_seconds_sum{check=\"db\"} 1.25\n"
          "vitals_d_seconds_count{check=\"db\"} 7\n");
    CHECK(page({family}, ExpositionFormat::openmetrics).find("le=\"1.0\"} 5\n") !=
          std::string::npos);
  }

  TEST_CASE("exposition: a family without samples is not there") {
    CHECK(page({{"vitals_x", "Nothing.", MetricType::Gauge, {}}}, ExpositionFormat::prometheus)
              .empty());
    CHECK(page({}, ExpositionFormat::openmetrics) == "# EOF\n");
  }

  TEST_CASE("exposition: prometheus-cpp's own serializer writes the same lines") {
    const std::vector<MetricFamily> families{
        {"vitals_a", "Plain.", MetricType::Gauge, {gauge(0.5), gauge(-2, {{"x", "y\"\\\n"}})}},
        {"vitals_b_total", "Count.", MetricType::Counter, {counter(12)}},
        {"vitals_c_seconds", "Time.", MetricType::Histogram, {histogram()}}};
    std::ostringstream theirs;
    prometheus::TextSerializer().Serialize(theirs, families);
    // It puts the count of a histogram before its buckets; both orders are legal.
    CHECK(sorted_lines(page(families, ExpositionFormat::prometheus)) == sorted_lines(theirs.str()));
  }
}

}  // namespace
}  // namespace vitals
