// What this binary says of itself in vitals_build_info.
#include "probes/registry.hpp"
#include "vitals_build_info.hpp"

#include "agent/serve/metrics.hpp"

namespace vitals {
namespace {

BuildFacts gather() {
  BuildFacts facts;
  facts.version = build_info::version();
  facts.revision = build_info::revision();
  for (const LibraryVersion& library : library_versions()) {
    if (library.name != "OpenSSL") continue;
    facts.tls = std::string(library.name) + " " + std::string(library.version);
  }
  return facts;
}

}  // namespace

const BuildFacts& build_facts() {
  static const BuildFacts facts = gather();
  return facts;
}

}  // namespace vitals
