// Holds: names that somebody keeps, each until its time is over.
#include "agent/idle/holds.hpp"

#include <doctest/doctest.h>

#include "tests/support/verdict_fixture.hpp"

namespace vitals::idle {
namespace {

using test::at;
using Names = std::vector<std::string>;

TEST_CASE("holds: end with their time or by request, in order of their names") {
  Holds holds;
  CHECK(holds.put("import", Duration(10'000), at(0).mono));
  CHECK(holds.put("backup", Duration(5'000), at(0).mono));
  CHECK(holds.active(at(4.9).mono) == Names{"backup", "import"});
  CHECK(holds.active(at(5).mono) == Names{"import"});
  CHECK(holds.remove("import"));
  CHECK_FALSE(holds.remove("import"));
  CHECK(holds.active(at(5).mono).empty());
}

TEST_CASE("holds: again means from now on, longer or shorter") {
  Holds holds;
  CHECK(holds.put("x", Duration(10'000), at(0).mono));
  CHECK(holds.put("x", Duration(10'000), at(5).mono));
  CHECK(holds.active(at(14.9).mono) == Names{"x"});
  CHECK(holds.put("x", Duration(1'000), at(6).mono));
  CHECK(holds.active(at(7).mono).empty());
}

TEST_CASE("holds: there are 64 at most, and those that are over make room") {
  Holds holds;
  for (std::size_t i = 0; i < holds_max; ++i) {
    CHECK(holds.put("job-" + std::to_string(i), Duration(10'000), at(0).mono));
  }
  CHECK_FALSE(holds.put("one-more", Duration(10'000), at(9).mono));
  CHECK(holds.put("job-3", Duration(10'000), at(9).mono));
  CHECK(holds.put("one-more", Duration(10'000), at(10).mono));
  CHECK(holds.active(at(10).mono) == Names{"job-3", "one-more"});
}

}  // namespace
}  // namespace vitals::idle
