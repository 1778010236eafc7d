// Prometheus's own tool reads our metrics pages and has nothing to say about them.
#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/snapshots.hpp"

namespace vitals::test {
namespace {

/// What `promtool check metrics` says of a page, after its exit code.
std::string verdict_of(const std::string& page) {
  const TempDir folder;
  const auto file = folder.write("page", page);
  const Finished finished =
      run({.argv = {"sh", "-c", "exec promtool check metrics < " + file.string()}});
  return std::to_string(finished.code) + finished.output;
}

TEST_SUITE("promtool") {
  TEST_CASE("promtool: the pages of start, health, failure and doubt are without fault") {
    CHECK(verdict_of(metrics_page(start_snapshot(), 3, false)) == "0");
    CHECK(verdict_of(metrics_page(healthy_snapshot(), present, false)) == "0");
    CHECK(verdict_of(metrics_page(failing_snapshot(), present, false)) == "0");
    CHECK(verdict_of(metrics_page(unknown_snapshot(), present, false)) == "0");
    CHECK(verdict_of(metrics_page(failing_snapshot(), 9999, false)) == "0");
    CHECK(verdict_of(metrics_page(snapshot_of({}), 1, false)) == "0");
  }

  TEST_CASE("promtool: it does read the page: a family without help is found") {
    const std::string page = "# TYPE vitals_x counter\nvitals_x 1\n";
    CHECK(verdict_of(page) != "0");
  }

  TEST_CASE("promtool: names of other exporters break no page") {
    const std::set<Exporter> every{Exporter::blackbox, Exporter::redis_exporter,
                                   Exporter::postgres_exporter};
    CHECK(verdict_of(metrics_page(failing_snapshot(), present, false, every)) == "0");
    // The one it dislikes is named as in the original.
    CHECK(
        verdict_of(metrics_page(healthy_snapshot(), present, false, every)) ==
        "3pg_stat_activity_count non-histogram and non-summary metrics should not have \"_count\" "
        "suffix\n");
  }
}

}  // namespace
}  // namespace vitals::test
