// A Prometheus of a test's own that scrapes one agent, as Debian ships it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace vitals::test {

/// Runs curl on a URL without any proxy; what it printed, its errors included.
std::string curl(const std::string& url, const std::vector<std::string>& more = {});

class Prometheus {
 public:
  struct Options {
    /// In the target's static_configs, as Fly adds them: "app: shop, region: sin".
    std::string labels{};
    /// Loaded and evaluated each second; none when empty.
    std::filesystem::path rules{};
    /// How often it scrapes, and how long a scrape may take.
    std::string every = "1s";
  };
  /// Waits until it is ready; throws std::runtime_error with its log when it never is.
  Prometheus(std::uint16_t target, const Options& options);
  explicit Prometheus(std::uint16_t target) : Prometheus(target, Options{}) {}

  /// Every sample of an instant query; null for a query it refuses.
  [[nodiscard]] nlohmann::json query(const std::string& expression) const;
  /// The value of the only sample; "" when there is another number of them.
  [[nodiscard]] std::string value(const std::string& expression) const;
  /// Whatever a path of its HTTP API answers.
  [[nodiscard]] nlohmann::json get(const std::string& path) const;
  [[nodiscard]] std::string log() const { return process_.output(); }

 private:
  [[nodiscard]] Command command(std::uint16_t target, const Options& options) const;

  TempDir folder_;
  std::uint16_t port_;
  Process process_;
};

}  // namespace vitals::test
