// Reads the table [autostop], and finds out where the app listens.
#pragma once

#include <string_view>
#include <vector>

#include "agent/config/autostop_config.hpp"
#include "agent/config/config.hpp"
#include "agent/config/table_reader.hpp"

namespace vitals::config {

struct AutostopReaderInput {
  const Environment& environment;  // PORT
  const AppConfig& app;
  const std::vector<ConfiguredCheck>& checks;
  Mistakes& mistakes;
  std::vector<std::string>& remarks;
};

/// Every mistake is recorded; what comes back is only of use when there are none.
[[nodiscard]] AutostopConfig read_autostop(const Value& value, const AutostopReaderInput& input);

/// "report", "exit" …
[[nodiscard]] std::string_view action_word(AutostopAction action);

}  // namespace vitals::config
