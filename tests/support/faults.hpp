// The proof that a case of the stack tests can fail: its fault is left in, or never put in.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace vitals::test {

/// $VITALS_FAULTS: not set, "stay" or "never". In the latter two every case that is declared with
/// `* red_without_faults()` is green only if it fails: `VITALS_FAULTS=stay ./dev test e2e stack`.
enum class Faults { come_and_go, stay, never };

inline Faults faults() {
  const char* const set = std::getenv("VITALS_FAULTS");
  const std::string word = set == nullptr ? "" : set;
  if (word.empty()) return Faults::come_and_go;
  if (word == "stay") return Faults::stay;
  if (word == "never") return Faults::never;
  throw std::runtime_error("VITALS_FAULTS is 'stay', 'never' or not set");
}

inline doctest::should_fail red_without_faults() {
  return doctest::should_fail(faults() != Faults::come_and_go);
}

/// Puts the fault of a case in.
template <typename Action>
void put_in(Action&& action) {
  if (faults() != Faults::never) action();
}

/// Takes it out again.
template <typename Action>
void take_out(Action&& action) {
  if (faults() == Faults::come_and_go) action();
}

}  // namespace vitals::test
