// The steps of a GitHub Actions workflow: enough of YAML for the files of this repository.
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

/// In their order. A step begins with "- ", its keys are name, if and run, a script of more than
/// one line is a block ("|").
std::vector<WorkflowStep> workflow_steps(const std::filesystem::path& file);

}  // namespace vitals::test
