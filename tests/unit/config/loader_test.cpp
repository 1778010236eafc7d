// The way from TOML to a Config: defaults, overrides, secrets, and every mistake with its place.
#include <doctest/doctest.h>

#include "tests/support/fake_kinds.hpp"
#include "tests/support/golden.hpp"

namespace vitals {
namespace {

using test::load_text;
using test::mistakes_of;
using test::settings_of;

TEST_CASE("config: a mistyped key is told with its place and a suggestion") {
  const std::string text =
      "[checks.db]\n"
      "kind = \"postgres\"\n"
      "url = \"postgres://localhost/app\"\n"
      "  intervall = \"10s\"\n";
  CHECK(mistakes_of(text) ==
        "vitals.toml:4:3: checks.db: unknown key 'intervall'; did you mean 'interval'?\n");
}

}  // namespace
}  // namespace vitals
