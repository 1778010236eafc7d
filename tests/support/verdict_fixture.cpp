// Plain builders for tests of thresholds and verdicts.
#include "tests/support/verdict_fixture.hpp"

namespace vitals::test {
namespace {

const KindSpec fake_kind{
    .name = "fake", .component_type = "component", .doc = "", .settings = {}, .metrics = {}};

}  // namespace

std::shared_ptr<CheckSpec> spec(const std::string& name) {
  auto spec = std::make_shared<CheckSpec>();
  spec->name = name;
  spec->kind = &fake_kind;
  spec->impact = Impact::critical;
  spec->fingerprint = name;
  return spec;
}

Sample sample(ProbeResult result, double seconds) {
  return {at(seconds - 0.1), at(seconds), std::move(result)};
}

}  // namespace vitals::test
