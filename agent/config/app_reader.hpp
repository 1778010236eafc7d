// Reads the table [app].
#pragma once

#include <vector>

#include "agent/config/app_config.hpp"
#include "agent/config/config.hpp"
#include "agent/config/file_text.hpp"
#include "agent/config/table_reader.hpp"

namespace vitals::config {

struct AppReaderInput {
  const FileReader& read_file;
  const std::vector<ConfiguredCheck>& checks;  // the watchdog names one
  std::shared_ptr<SecretSet> secrets;
  Mistakes& mistakes;
};

/// Every mistake is recorded; what comes back is only of use when there are none.
[[nodiscard]] AppConfig read_app(const Value& value, const AppReaderInput& input);

/// Where the agent itself will listen, and what says so; no setting: that is not known.
struct AgentListens {
  std::string address;
  std::string_view setting;
};
/// The front door and the app need other ports than the agent, whose address a variable may have
/// set.
void check_listen(const Value& document, const AppConfig& app, const AgentListens& agent,
                  Mistakes& mistakes);

/// Its key `user` alone.
[[nodiscard]] AppUser read_user(const Value& value, Mistakes& mistakes);

}  // namespace vitals::config
