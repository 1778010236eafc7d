// How the test program starts, asks and ends a Prometheus.
#include "tests/support/prometheus.hpp"

#include <stdexcept>

namespace vitals::test {
namespace {

/// It starts, scrapes and decides at its own pace, on a machine that is busy.
constexpr auto start_patience = std::chrono::seconds(60);

}  // namespace

std::string curl(const std::string& url, const std::vector<std::string>& more) {
  std::vector<std::string> words{"curl", "-sS", "--noproxy", "*", "--max-time", "20", url};
  words.insert(words.end(), more.begin(), more.end());
  return run({words}).output;
}

Prometheus::Prometheus(std::uint16_t target, const Options& options)
    : port_(free_port()), process_(command(target, options)) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port_) + "/-/ready";
  if (!eventually([&] { return curl(url).find("Ready") != std::string::npos; }, start_patience)) {
    throw std::runtime_error("prometheus does not become ready:\n" + log());
  }
}

nlohmann::json Prometheus::query(const std::string& expression) const {
  const auto answer =
      nlohmann::json::parse(curl("http://127.0.0.1:" + std::to_string(port_) + "/api/v1/query",
                                 {"-G", "--data-urlencode", "query=" + expression}),
                            nullptr, false);
  if (!answer.is_object() || answer.value("status", "") != "success") return {};
  return answer["data"]["result"];
}

std::string Prometheus::value(const std::string& expression) const {
  const auto result = query(expression);
  return result.size() == 1 ? result[0]["value"][1].get<std::string>() : "";
}

nlohmann::json Prometheus::get(const std::string& path) const {
  return nlohmann::json::parse(curl("http://127.0.0.1:" + std::to_string(port_) + path), nullptr,
                               false);
}

Command Prometheus::command(std::uint16_t target, const Options& options) const {
  std::string text =
      "global: {scrape_interval: " + options.every + ", scrape_timeout: " + options.every +
      ", evaluation_interval: 1s}\n"
      "scrape_configs:\n  - job_name: vitals\n    static_configs:\n      - targets: ['127.0.0.1:" +
      std::to_string(target) + "']\n        labels: {" + options.labels + "}\n";
  if (!options.rules.empty()) text += "rule_files: ['" + options.rules.string() + "']\n";
  return {{"prometheus", "--config.file=" + folder_.write("prometheus.yml", text).string(),
           "--storage.tsdb.path=" + (folder_.path() / "data").string(),
           "--web.listen-address=127.0.0.1:" + std::to_string(port_)}};
}

}  // namespace vitals::test
