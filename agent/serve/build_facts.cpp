// What this binary says of itself in vitals_build_info.
#include "vitals_build_info.hpp"

#include "agent/serve/metrics.hpp"

namespace vitals {
namespace {

BuildFacts gather() {
  BuildFacts facts;
  facts.version = build_info::version();
  facts.revision = build_info::revision();
  for (const build_info::Library& library : build_info::libraries()) {
    if (library.name == "openssl") facts.tls = "OpenSSL " + std::string(library.version);
  }
  return facts;
}

}  // namespace

const BuildFacts& build_facts() {
  static const BuildFacts facts = gather();
  return facts;
}

}  // namespace vitals
