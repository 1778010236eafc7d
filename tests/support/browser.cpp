// Runs tests/browser/look.cjs under node.
#include "tests/support/browser.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/support/golden.hpp"

namespace vitals::test {

Command browser_command(const std::string& mode, const std::string& url,
                        const std::string& screenshots) {
  Command command{{"node", (source_dir() / "tests/browser/look.cjs").string(), mode, url}};
  if (!screenshots.empty()) command.argv.push_back(screenshots);
  return command;
}

nlohmann::json browser_looks(const std::string& url, const std::string& name) {
  const char* const folder = std::getenv("VITALS_SCREENSHOTS");
  const std::string file = folder == nullptr ? "" : std::string(folder) + "/" + name;
  const Finished finished =
      run(browser_command("look", url, file), std::chrono::milliseconds(std::chrono::minutes(2)));
  auto looks = nlohmann::json::parse(finished.output, nullptr, false);
  if (finished.code != 0 || !looks.is_array()) {
    throw std::runtime_error(
        "no browser looked at the page; ./dev test installs chromium, node and what "
        "tests/browser needs, and sets NODE_PATH: " +
        finished.output.substr(0, 2'000));
  }
  return looks;
}

}  // namespace vitals::test
