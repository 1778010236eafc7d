// Reads workflows by their indentation.
#include "tests/support/workflow.hpp"

#include <regex>
#include <sstream>

#include "tests/support/golden.hpp"

namespace vitals::test {
namespace {

std::size_t indentation(const std::string& line) {
  const auto at = line.find_first_not_of(' ');
  return at == std::string::npos ? line.size() : at;
}

/// The lines from `at` on that stand deeper than `outer`, without what they are all indented by.
std::string block(const std::vector<std::string>& lines, std::size_t at, std::size_t outer) {
  const std::size_t depth = at < lines.size() ? indentation(lines[at]) : 0;
  std::string text;
  for (; at < lines.size() && (lines[at].empty() || indentation(lines[at]) > outer); ++at) {
    text += lines[at].substr(std::min(depth, lines[at].size())) + "\n";
  }
  return text;
}

}  // namespace

std::vector<WorkflowStep> workflow_steps(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::istringstream stream(read_file(file));
  for (std::string line; std::getline(stream, line);) lines.push_back(line);

  std::vector<WorkflowStep> steps;
  std::string job;
  std::smatch found;
  const std::regex begins_job("  ([a-z0-9_-]+):");
  const std::regex key("      (- |  )([a-z-]+): ?(.*)");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (std::regex_match(lines[i], found, begins_job)) job = found[1];
    if (!std::regex_match(lines[i], found, key)) continue;
    if (found[1] == "- ") steps.push_back({.job = job, .name = {}, .condition = {}, .run = {}});
    if (steps.empty()) continue;
    const std::string value = found[3];
    if (found[2] == "name") steps.back().name = value;
    if (found[2] == "if") steps.back().condition = value;
    if (found[2] == "run") steps.back().run = value == "|" ? block(lines, i + 1, 8) : value;
  }
  return steps;
}

}  // namespace vitals::test
