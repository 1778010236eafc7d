// One of the stacks of contract §12 on this machine: the files of its example, an app of its kind
// as the child of the release binary, and what can be seen from outside.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

/// Ports of the examples; in a Machine they are all free.
inline constexpr std::uint16_t agent_port = 9100;
inline constexpr std::uint16_t front_port = 8080;

/// HTTPS servers that answer as the third parties do, under a private CA, one loopback address
/// each.
class Providers {
 public:
  /// The addresses of these names, for Machine.
  static std::map<std::string, std::string> addresses(const std::vector<std::string>& names);

  /// Inside of a Machine that was made with addresses().
  explicit Providers(const std::vector<std::string>& names);

  /// "refused", "silent" or "503"; "" is well again. Returns when the servers were told.
  void set(const std::string& name, const std::string& fault);
  /// The CA that signed them, for SSL_CERT_FILE.
  [[nodiscard]] const std::filesystem::path& ca_file() const { return authority_.ca_file(); }
  [[nodiscard]] Authority& authority() { return authority_; }

 private:
  TempDir folder_;
  Authority authority_;
  std::map<std::string, std::string> faults_;
  std::unique_ptr<Process> process_;
};

/// What somebody sees who asks /health and /health/ready. Fields left at their defaults are not
/// compared.
struct Seen {
  std::string verdict;  // of /health
  int health = 0;       // HTTP codes
  int ready = 0;
  std::string check;       // the one that is looked at
  std::string status;      // its status
  std::string reason;      // one of these, apart by '|'
  std::string fail_open;   // "true", "false"
  std::string suppressed;  // the check whose failure hides `check`
};

class Stack {
 public:
  struct Options {
    std::string example;           // folder below examples/
    std::vector<std::string> app;  // tests/stacks/<app[0]> (.py, .js) and its arguments
    std::map<std::string, std::string> environment;
    /// Texts of vitals.toml and what stands there instead: a day is too long for a test.
    std::vector<std::pair<std::string, std::string>> changes{};
    /// Words before all others, of a program that ends in exec.
    std::vector<std::string> wrapper{};
  };

  /// Starts `vitals run -- app` with the example's vitals.toml, every check each second. Does not
  /// wait.
  explicit Stack(Options options);

  /// Waits until all that is expected is seen at once. Empty, or what was seen last.
  std::string turns(const Seen& expected,
                    std::chrono::milliseconds within = std::chrono::seconds(60));
  /// The document of /health; empty when nobody answers.
  [[nodiscard]] nlohmann::json document() const;
  [[nodiscard]] nlohmann::json check(const std::string& name) const;
  /// Value of a series on /metrics; NaN when there is none.
  [[nodiscard]] double metric(const std::string& series) const;
  /// The app's own process.
  [[nodiscard]] pid_t app_pid() const;
  void signal_app(int signal) const;

  [[nodiscard]] Process& process() { return *process_; }
  [[nodiscard]] std::filesystem::path config() const { return folder_.path() / "vitals.toml"; }
  [[nodiscard]] const std::map<std::string, std::string>& environment() const {
    return options_.environment;
  }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path(); }

 private:
  Options options_;
  TempDir folder_;
  std::filesystem::path app_;
  std::unique_ptr<Process> process_;
};

}  // namespace vitals::test
