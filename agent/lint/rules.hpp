// The rules of `vitals lint`: each looks at the files and records what it finds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/config/mistakes.hpp"
#include "agent/lint/dockerfile.hpp"
#include "agent/lint/fly_file.hpp"
#include "agent/lint/vitals_file.hpp"

namespace vitals::lint {

/// What all rules look at.
struct Files {
  FlyFile fly;
  std::optional<VitalsFile> vitals;
  std::optional<Dockerfile> dockerfile;
};

/// What they find, apart by file.
struct Findings {
  config::Mistakes fly;
  config::Mistakes vitals;
  config::Mistakes dockerfile;
};

struct Rule {
  std::string_view name;  // as its folder in tests/lint/bad
  void (*look)(const Files& files, Findings& findings);
};

// Grouped by what they look at; each is one file.
[[nodiscard]] std::span<const Rule> key_rules();      // rules_keys.cpp: keys and units
[[nodiscard]] std::span<const Rule> routing_rules();  // rules_routing.cpp: services and checks
[[nodiscard]] std::span<const Rule> process_rules();  // rules_process.cpp: who runs what, and stops
[[nodiscard]] std::span<const Rule> neighbour_rules();  // rules_neighbour.cpp: against vitals.toml

/// The port where the agent answers: of vitals.toml, else the default.
[[nodiscard]] std::optional<std::int64_t> agent_port(const Files& files);

}  // namespace vitals::lint
