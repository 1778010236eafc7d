// Kind memory on this very machine.
#include <doctest/doctest.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/support/check_fixture.hpp"

namespace vitals {
namespace {

ConfiguredCheck memory(const std::string& more = "") {
  return test::make_check("kind = \"memory\"\n" + more);
}

std::string mistakes_of(const std::string& body) {
  try {
    memory(body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

TEST_SUITE("memory probe") {
  TEST_CASE("memory: this machine has some left, and says how long it was stalled if it can") {
    const auto result = test::ask(memory("warn = 1\nfail = 1"));
    CHECK(result.outcome == Outcome::pass);
    CHECK(test::measured(result, "memory_available_bytes").value_or(0) > 1024 * 1024);
    REQUIRE(result.observed);
    CHECK(result.observed->value > 0);
    CHECK(result.observed->value < 100);
    // A kernel may have the file and not want to tell.
    std::ifstream pressure("/proc/pressure/memory");
    std::string line;
    if (std::getline(pressure, line)) {
      CHECK(test::measured(result, "pressure_stalled_seconds_total", {"memory", "some"})
                .value_or(-1) >= 0);
    }
  }

  TEST_CASE("memory: thresholds that everything is above warn and fail(low_space)") {
    const auto warned = test::ask(memory("warn = 0\nfail = 1"));
    CHECK(warned.outcome == Outcome::warn);
    CHECK(warned.reason == Reason::low_space);
    const auto failed = test::ask(memory("warn = 0\nfail = 0"));
    CHECK(failed.outcome == Outcome::fail);
    CHECK(failed.reason == Reason::low_space);
  }

  TEST_CASE("memory: bad settings are named, and the defaults are those of a local check") {
    CHECK_FALSE(mistakes_of("warn = 85").empty());
    CHECK(mistakes_of("warn = 0.6\nfail = 0.5").find("must not be above fail") !=
          std::string::npos);
    CHECK(mistakes_of("fail = 0.5").empty());
    const auto check = memory();
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->scope == Scope::local);
  }
}

}  // namespace
}  // namespace vitals
