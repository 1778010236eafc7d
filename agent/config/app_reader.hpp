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
[[nodiscard]] AppConfig read_app(const Value& table, const AppReaderInput& input);

/// Its key `user` alone.
[[nodiscard]] AppUser read_user(const Value& table, Mistakes& mistakes);

}  // namespace vitals::config
