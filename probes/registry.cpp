// Makes the list of kinds.hpp into a table, and initialises the libraries of the probes.
#include "probes/registry.hpp"

#include <array>

#include "probes/libraries.hpp"

namespace vitals {

#define KIND(name) const KindSpec& name##_kind();
#include "probes/kinds.hpp"
#undef KIND

std::span<const KindSpec* const> all_kinds() {
  static const std::array kinds{
#define KIND(name) &name##_kind(),
#include "probes/kinds.hpp"
#undef KIND
  };
  return kinds;
}

void initialise_probe_libraries() {
  // OpenSSL first: the others would initialise it their way.
  initialise_tls();
  initialise_resolver();
  initialise_http();
}

}  // namespace vitals
