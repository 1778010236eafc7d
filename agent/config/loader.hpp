// The way from text to a Config, without the search for a file: the seam of tests and fuzzers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vitals/kind.hpp>

#include "agent/config/check_reader.hpp"
#include "agent/config/config.hpp"
#include "agent/config/document.hpp"
#include "agent/config/file_text.hpp"

namespace vitals::config {

struct LoadInput {
  std::string name;                 // of the file, as messages show it
  std::optional<std::string> text;  // none: checks are made from the environment
  Environment environment;
  EnvironmentNames environment_names;
  std::span<const KindSpec* const> kinds;
  FileReader read_file = read_text_file;
};

struct Loaded {
  Config config;
  /// What the checks were read from, expanded, in the order of config.checks. Holds secrets.
  std::vector<Value> tables;
  Timing defaults;
  bool has_token = false;
};

[[nodiscard]] Result<Loaded, ConfigMistakes> load(const LoadInput& input);

/// [server] listen and token alone, with the variables that override them, whatever else is wrong;
/// a token that can't be read is none.
[[nodiscard]] Result<ServerConfig, ConfigMistakes> load_access(const LoadInput& input);

/// [app] user alone, whatever else is wrong; empty when there is none.
[[nodiscard]] Result<AppUser, ConfigMistakes> load_user(const LoadInput& input);

/// The effective configuration as TOML, without secrets.
[[nodiscard]] std::string print(const Loaded& loaded);

}  // namespace vitals::config
