// `warn` and `fail` of memory and disk: one alone is never made wrong by the default of the other.
#include <doctest/doctest.h>

#include <string>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"

namespace vitals {
namespace {

/// The effective lines of both levels as --print shows them, or the mistakes.
std::string levels(const std::string& check) {
  config::LoadInput input;
  input.name = "vitals.toml";
  input.text = "[checks.a]\n" + check;
  input.environment = [](std::string_view) { return std::nullopt; };
  input.kinds = all_kinds();
  const auto loaded = config::load(input);
  std::string all;
  if (!loaded) {
    for (const auto& line : loaded.error().lines) all += line + "\n";
    return all;
  }
  const std::string printed = config::print(loaded.value());
  // What it prints means the same when it is read.
  input.text = printed;
  const auto again = config::load(input);
  CHECK(again.ok());
  for (const std::string key : {"\nwarn = ", "\nfail = "}) {
    const auto at = printed.find(key);
    REQUIRE(at != std::string::npos);
    all += printed.substr(at + 1, printed.find('\n', at + 1) - at);
  }
  return all;
}

TEST_CASE("levels: of warn and fail one may be written alone, whatever the other's default is") {
  for (const std::string kind : {"kind = \"memory\"\n", "kind = \"disk\"\npath = \"/\"\n"}) {
    CAPTURE(kind);
    CHECK(levels(kind + "fail = 0.5\n") == "warn = 0.5\nfail = 0.5\n");
    CHECK(levels(kind + "fail = 0\n") == "warn = 0\nfail = 0\n");
    CHECK(levels(kind + "warn = 0.97\n") == "warn = 0.97\nfail = 1\n");
    CHECK(levels(kind + "warn = 1\n") == "warn = 1\nfail = 1\n");
    CHECK(levels(kind + "warn = 0.5\n") == "warn = 0.5\nfail = 0.95\n");
  }
  CHECK(levels("kind = \"memory\"\nfail = 0.9\n") == "warn = 0.85\nfail = 0.9\n");
  CHECK(levels("kind = \"memory\"\n") == "warn = 0.85\nfail = 0.95\n");
  CHECK(levels("kind = \"disk\"\npath = \"/\"\n") == "warn = 0.8\nfail = 0.95\n");
}

TEST_CASE("levels: both written are taken at their word, and a wrong one is complained of once") {
  CHECK(levels("kind = \"memory\"\nwarn = 0.9\nfail = 0.5\n") ==
        "vitals.toml:3:1: checks.a: 'warn': warn must not be above fail, or it would never warn\n");
  CHECK(levels("kind = \"memory\"\nfail = 2\n") ==
        "vitals.toml:3:1: checks.a: 'fail' must be between 0 and 1, not 2\n");
  CHECK(levels("kind = \"memory\"\nwarn = \"much\"\n").find("'warn' must be") != std::string::npos);
}

}  // namespace
}  // namespace vitals
