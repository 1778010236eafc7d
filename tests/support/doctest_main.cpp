// The one main of each test program.
#include <doctest/doctest.h>

#include "tests/support/watched_run.hpp"

int main(int argc, char** argv) {
  return vitals::test::watched_run([&] { return doctest::Context(argc, argv).run(); });
}
