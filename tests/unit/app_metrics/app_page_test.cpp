// The app's page: what goes onto ours, in which form, and what is left out.
#include <doctest/doctest.h>

#include <string>

#include "agent/app_metrics/app_metrics.hpp"
#include "agent/app_metrics/app_page.hpp"

namespace vitals {
namespace {

AppPage read(std::string_view text, bool openmetrics = false) {
  return read_app_page(text, openmetrics, [](std::string_view name) {
    return is_our_family(name, {Exporter::blackbox});
  });
}

std::string written(const AppPage& page, bool openmetrics = false) {
  std::string out;
  append_app_page(out, page, openmetrics);
  return out;
}

std::uint64_t dropped(const AppPage& page, DropCause cause) {
  return page.dropped[static_cast<std::size_t>(cause)];
}

std::uint64_t dropped(const AppPage& page) {
  std::uint64_t sum = 0;
  for (const auto count : page.dropped) sum += count;
  return sum;
}

constexpr std::string_view usual =
    "# HELP http_requests_total Requests.\n"
    "# TYPE http_requests_total counter\n"
    "http_requests_total{method=\"post\",code=\"200\"} 1027\n"
    "# HELP heap_bytes Said \\\\ and \\n.\n"
    "# TYPE heap_bytes gauge\n"
    "heap_bytes 1.5e+06\n"
    "# TYPE latency_seconds histogram\n"
    "latency_seconds_bucket{le=\"0.1\"} 1\n"
    "latency_seconds_bucket{le=\"+Inf\"} 2\n"
    "latency_seconds_sum 0.3\n"
    "latency_seconds_count 2\n"
    "# TYPE rpc_seconds summary\n"
    "rpc_seconds{quantile=\"0.5\"} 4\n"
    "rpc_seconds_sum 17\n"
    "rpc_seconds_count 4\n"
    "# TYPE odd untyped\n"
    "odd NaN\n";

TEST_CASE("app page: a page of the Prometheus format comes out as it was") {
  const auto page = read(usual);
  CHECK(dropped(page) == 0);
  CHECK(written(page) == usual);
}

TEST_CASE(
    "app page: in OpenMetrics a counter has its short name, and what has no type is unknown") {
  const auto text = written(read(usual), true);
  CHECK(text.find("# HELP http_requests Requests.\n# TYPE http_requests counter\n"
                  "http_requests_total{method=\"post\",code=\"200\"} 1027\n") != std::string::npos);
  CHECK(text.find("# TYPE odd unknown\nodd NaN\n") != std::string::npos);
  CHECK(written(read("# TYPE hits counter\nhits 1\n"), true) == "# TYPE hits unknown\nhits 1\n");
  CHECK(written(read("# TYPE x gauge\nx 1\n# TYPE x_total counter\nx_total 2\n"), true) ==
        "# TYPE x gauge\nx 1\n# TYPE x_total unknown\nx_total 2\n");
}

TEST_CASE("app page: OpenMetrics comes out in both formats, without what only it has") {
  const auto page = read(
      "# TYPE req counter\n# UNIT req things\n# HELP req All \\\"of\\\" them.\n"
      "req_total{a=\"b\"} 3 1700000000.25 # {trace_id=\"x\"} 1 1.5\n"
      "req_created{a=\"b\"} 1700000000\n"
      "# TYPE build info\nbuild_info{v=\"1\"} 1\n"
      "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {id=\"1\"} 0.5\nh_bucket{le=\"+Inf\"} 1\n"
      "h_sum 0.5\nh_count 1\nh_created 7\n# EOF\n",
      true);
  CHECK(dropped(page) == 0);
  CHECK(written(page) ==
        "# HELP req_total All \"of\" them.\n# TYPE req_total counter\n"
        "req_total{a=\"b\"} 3 1700000000250\n"
        "# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n"
        "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.5\n"
        "h_count 1\n");
  CHECK(written(page, true)
            .find("# HELP req All \\\"of\\\" them.\n# TYPE req counter\n"
                  "req_total{a=\"b\"} 3 1700000000.250\n") != std::string::npos);
}

TEST_CASE("app page: families of ours are dropped whole, once each") {
  const auto page = read(
      "# TYPE vitals_ready gauge\nvitals_ready 1\nvitals_ready{a=\"b\"} 1\n"
      "probe_success 1\n# TYPE ok gauge\nok 1\n");
  CHECK(dropped(page, DropCause::collision) == 2);
  CHECK(written(page) == "# TYPE ok gauge\nok 1\n");
  CHECK(!is_our_family("probe_success", {}));
  CHECK(!is_our_family("process_cpu_seconds_total", {Exporter::blackbox}));
  CHECK(is_our_family("vitals_anything", {}));
}

TEST_CASE("app page: a line that no scraper takes costs itself alone") {
  for (const std::string_view line : {"<html>",
                                      "a{b=\"c\" 1",
                                      "a{b=c} 1",
                                      "a{b=\"\\x\"} 1",
                                      "a{b=\"c\",b=\"d\"} 1",
                                      "a",
                                      "a x",
                                      "a 1 2 3",
                                      "a 0x1p3",
                                      "1a 1",
                                      "a{1b=\"c\"} 1",
                                      "a{__name__=\"c\"} 1",
                                      "a{b=\"\xff\"} 1",
                                      "a nan(7)",
                                      "a 1 1e99",
                                      "{} 1",
                                      "a{b=\"c\"",
                                      "# TYPE",
                                      "# HELP 1 x",
                                      "a{,} 1"}) {
    CAPTURE(line);
    const auto page = read(std::string(line) + "\nok 1\n");
    CHECK(dropped(page, DropCause::malformed) == 1);
    CHECK(written(page) == "# TYPE ok untyped\nok 1\n");
  }
}

TEST_CASE("app page: what scrapers forgive is forgiven") {
  const auto page = read(
      "\n# a comment\n#\n  spaced { a = \"b\" , }  1\r\n"
      "inf +Inf\ninf{a=\"b\"} -inf\nlate 3 -5\n");
  CHECK(dropped(page) == 0);
  CHECK(written(page) ==
        "# TYPE spaced untyped\nspaced{a=\"b\"} 1\n"
        "# TYPE inf untyped\ninf +Inf\ninf{a=\"b\"} -Inf\n"
        "# TYPE late untyped\nlate 3 -5\n");
  CHECK(written(page, true).find("late 3 -0.005\n") != std::string::npos);
}

TEST_CASE("app page: a series comes once, and a family's samples stand together") {
  const auto page =
      read("a{x=\"1\",y=\"2\"} 1\nb 1\na{y=\"2\",x=\"1\"} 2\na{x=\"2\",y=\"1\"} 3\nb 2\n");
  CHECK(dropped(page, DropCause::duplicate) == 2);
  CHECK(written(page) ==
        "# TYPE a untyped\na{x=\"1\",y=\"2\"} 1\na{x=\"2\",y=\"1\"} 3\n# TYPE b untyped\nb 1\n");
}

TEST_CASE("app page: a type that comes late or twice is not believed") {
  const auto page = read("a 1\n# TYPE a gauge\n# TYPE b counter\n# TYPE b gauge\nb 1\n");
  CHECK(dropped(page, DropCause::malformed) == 2);
  CHECK(written(page) == "# TYPE a untyped\na 1\n# TYPE b counter\nb 1\n");
}

TEST_CASE("app page: parts that do not fit their family are malformed") {
  const auto page = read(
      "# TYPE h histogram\nh 1\nh_bucket 1\nh_bucket{le=\"x\"} 1\nh_count 1\n"
      "# TYPE s summary\ns 1\ns_bucket{le=\"1\"} 1\ns_sum 2\n");
  CHECK(dropped(page, DropCause::malformed) == 4);
  CHECK(written(page) ==
        "# TYPE h histogram\nh_count 1\n# TYPE s summary\ns_sum 2\n"
        "# TYPE s_bucket untyped\ns_bucket{le=\"1\"} 1\n");
}

TEST_CASE("app page: braces and blanks in label values confuse nobody") {
  const auto page = read("a{b=\"} 7 \\\" {\"} 1 2000\n");
  CHECK(dropped(page) == 0);
  CHECK(written(page) == "# TYPE a untyped\na{b=\"} 7 \\\" {\"} 1 2000\n");
  CHECK(written(page, true) == "# TYPE a unknown\na{b=\"} 7 \\\" {\"} 1 2.000\n");
}

}  // namespace
}  // namespace vitals
