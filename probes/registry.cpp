// Makes the list of kinds.hpp into a table, and lends the agent what the probes share.
#include "probes/registry.hpp"

#include <algorithm>
#include <array>

#include "probes/libraries.hpp"
#include "probes/machine_facts.hpp"
#include "probes/net.hpp"

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

Result<std::vector<std::string>> addresses_of(const std::string& host, const Deadline& deadline) {
  net::Endpoint endpoint;
  endpoint.host = host;
  const auto found = net::resolve(endpoint, net::IpFamily::any, deadline);
  if (!found) return Error{found.error().detail};
  std::vector<std::string> addresses;
  for (const net::Address& address : found.value()) {
    const std::string text = address.host_text();
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) {
      addresses.push_back(text);
    }
  }
  return addresses;
}

std::vector<Measurement> measure_machine() { return machine_measurements(KernelRoots{}); }

}  // namespace vitals
