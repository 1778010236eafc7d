// ${VAR}, ${VAR:-default}, $$ and everything that only looks like them.
#include <doctest/doctest.h>

#include "agent/config/expand.hpp"

namespace vitals::config {
namespace {

std::optional<std::string> variables(std::string_view name) {
  if (name == "HOST") return "db.internal";
  if (name == "PORT") return "5432";
  if (name == "EMPTY") return "";
  if (name == "ODD") return "${HOST} $$";
  return std::nullopt;
}

std::string expanded(std::string_view text) {
  const auto result = expand(text, variables);
  CHECK(result.problems.empty());
  return result.text;
}

std::vector<std::string> problems(std::string_view text) {
  return expand(text, variables).problems;
}

TEST_CASE("expansion: variables, defaults and dollars") {
  CHECK(expanded("plain") == "plain");
  CHECK(expanded("${HOST}:${PORT}") == "db.internal:5432");
  CHECK(expanded("${EMPTY}") == "");
  CHECK(expanded("${EMPTY:-x}${UNSET:-y}${HOST:-z}") == "xydb.internal");
  CHECK(expanded("${UNSET:-}") == "");
  CHECK(expanded("$$") == "$");
  CHECK(expanded("$${HOST}") == "${HOST}");
  CHECK(expanded("$$$$x") == "$$x");
  CHECK(expanded("${UNSET:-${HOST}:${UNSET:-1}}") == "db.internal:1");
  CHECK(expanded("${UNSET:-a-b:c$$d}") == "a-b:c$d");
}

TEST_CASE("expansion: a dollar before anything else stands for itself") {
  CHECK(expanded("/^ok$/") == "/^ok$/");
  CHECK(expanded("$HOST $1 $") == "$HOST $1 $");
  CHECK(expanded("a}b{c") == "a}b{c");
}

TEST_CASE("expansion: what a variable holds is not expanded again") {
  CHECK(expanded("${ODD}") == "${HOST} $$");
}

TEST_CASE("expansion: every unset variable is told, also that of a default in use") {
  CHECK(problems("${A}${B}").size() == 2);
  CHECK(problems("${A:-${B}}").size() == 1);
  CHECK(problems("${HOST:-${B}}").empty());
  CHECK(problems("${A}").front() == "${A} is not set; set it, or give a default: ${A:-…}");
}

TEST_CASE("expansion: what is cut off or no name is a mistake, once") {
  for (const auto* text : {"${", "${}", "${HOST", "${HOST:-", "${HOST:-x", "${1A}", "${HOST-x}",
                           "${HOST:x}", "${ HOST}", "${UNSET:-${", "${UNSET:-${A:-}"}) {
    CAPTURE(text);
    CHECK(problems(text).size() == 1);
  }
}

TEST_CASE("expansion: defaults nested without end are refused") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "${A:-";
  CHECK(problems(text).size() == 1);
}

TEST_CASE("expansion: problems never hold what a variable holds") {
  for (const auto& problem : problems("${HOST}${A}${HOST:-")) {
    CHECK(problem.find("db.internal") == std::string::npos);
  }
}

}  // namespace
}  // namespace vitals::config
