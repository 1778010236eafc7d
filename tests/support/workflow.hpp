// The steps of a GitHub Actions workflow.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vitals::test {

struct WorkflowStep {
  std::string job;
  std::string name;       // empty: it has none
  std::string condition;  // of its `if`
  std::string run;        // the script; empty: it uses an action
};

/// In their order. Throws, with the place, when the file is not YAML.
std::vector<WorkflowStep> workflow_steps(const std::filesystem::path& file);

}  // namespace vitals::test
