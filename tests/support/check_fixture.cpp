// Makes one check of a few lines of TOML and asks it once.
#include "tests/support/check_fixture.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <stdexcept>

#include <vitals/fd.hpp>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {

ConfiguredCheck make_check(const std::string& body,
                           const std::map<std::string, std::string>& environment) {
  config::LoadInput input;
  input.name = "test.toml";
  input.text = "[checks.test]\n" + body + "\n";
  input.environment = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = environment.find(std::string(name));
    if (found == environment.end()) return std::nullopt;
    return found->second;
  };
  input.kinds = all_kinds();
  auto loaded = config::load(input);
  if (!loaded) {
    std::string all;
    for (const auto& line : loaded.error().lines) all += line + "\n";
    throw std::runtime_error(all);
  }
  auto& checks = loaded.value().config.checks;
  return std::move(checks.at(0));
}

ProbeResult ask(const ConfiguredCheck& check, Duration timeout, bool drop_connections) {
  Attempt attempt{.deadline = Deadline::after(timeout), .drop_connections = drop_connections};
  return check.probe->run(attempt);
}

void check_ends_at_interrupt(const ConfiguredCheck& check) {
  const Fd interrupt(eventfd(1, EFD_CLOEXEC));
  const Stopwatch watch;
  const auto result =
      check.probe->run({.deadline = Deadline::after(Duration(5'000), interrupt.get())});
  CHECK(watch.took().own() < at_most(Duration(100)));
  CHECK(result.outcome == Outcome::fail);
}

std::optional<double> measured(const ProbeResult& result, std::string_view metric,
                               const std::vector<std::string>& labels) {
  for (const auto& measurement : result.measurements) {
    const bool same_labels = labels.empty() || measurement.labels == labels;
    if (measurement.metric->name == metric && same_labels) return measurement.value;
  }
  return std::nullopt;
}

}  // namespace vitals::test
