// The static binary as a user runs it: `vitals serve` on a free port, asked over HTTP.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::test {

/// Path of the release binary ($VITALS_BINARY); throws when it is not there.
std::string vitals_binary();

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
  /// Value of a header, "" when absent.
  [[nodiscard]] std::string header(const std::string& name) const;
};

/// One request over a fresh connection to 127.0.0.1; waits at most 20 s.
HttpAnswer http(std::uint16_t port, const std::string& target,
                const std::map<std::string, std::string>& headers = {},
                const std::string& method = "GET");

/// A running agent. `config` gets `[server] listen = "127.0.0.1:<free port>"` put before it, so it
/// must not have a [server] table of its own; give its lines in `server_lines`.
class Agent {
 public:
  struct Options {
    std::string server_lines{};
    std::map<std::string, std::string> environment{};
    std::string user{};
    /// Not empty: `vitals run … -- command`, stopped with TERM at the end.
    std::vector<std::string> command{};
  };
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  explicit Agent(const std::string& config, const Options& options);
  explicit Agent(const std::string& config) : Agent(config, Options{}) {}

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] HttpAnswer get(const std::string& target,
                               const std::map<std::string, std::string>& headers = {}) const {
    return http(port_, target, headers);
  }
  /// Value of a series such as `vitals_check_up{check="db"}`: labels as a subset, any order; NaN
  /// when there is none.
  [[nodiscard]] double metric(const std::string& name,
                              const std::map<std::string, std::string>& labels = {}) const;
  /// "pass", "fail" … of one check in /health, "" when it is not there.
  [[nodiscard]] std::string status_of(const std::string& check) const;
  [[nodiscard]] std::string field_of(const std::string& check, const std::string& field) const;

  /// How long until /health answers `code`, without time that the machine took (Took::own); fails
  /// the test after `limit`.
  std::chrono::milliseconds until_health(
      int code, std::chrono::milliseconds limit = std::chrono::seconds(30)) const;

  /// Writes a new config and sends HUP.
  void reload(const std::string& config);
  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] const TempDir& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path config_file() const {
    return directory_.path() / "vitals.toml";
  }

 private:
  [[nodiscard]] std::string whole(const std::string& config) const;

  TempDir directory_;
  std::uint16_t port_;
  std::string server_lines_;
  bool is_parent_;
  Process process_;
};

/// Runs the binary to its end with these words.
Finished vitals(const std::vector<std::string>& words,
                const std::map<std::string, std::string>& environment = {},
                std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace vitals::test
