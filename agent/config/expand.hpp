// ${VAR}, ${VAR:-default} and $$ in strings (contract §3). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/config/config.hpp"

namespace vitals::config {

struct Expanded {
  std::string text;
  /// One for each mistake, with the way out; never holds the value of a variable.
  std::vector<std::string> problems;
};

/// A default may hold further ${…}. A '$' before anything but '{' and '$' stands for itself:
/// regular expressions end in it.
[[nodiscard]] Expanded expand(std::string_view text, const Environment& environment);

}  // namespace vitals::config
