// Has a YAML library read the workflow, as GitHub does.
#include "tests/support/workflow.hpp"

#include <sstream>
#include <stdexcept>

#include "tests/support/golden.hpp"
#include "tests/support/process.hpp"

namespace vitals::test {

std::vector<WorkflowStep> workflow_steps(const std::filesystem::path& file) {
  const auto script = source_dir() / "tests/support/workflow_steps.py";
  const auto read = run({{"/usr/bin/python3", script.string(), file.string()}});
  if (read.code != 0) throw std::runtime_error(file.string() + ": " + read.output);
  std::vector<WorkflowStep> steps;
  std::istringstream all(read.output);
  for (std::string one; std::getline(all, one, '\x1e');) {
    std::istringstream fields(one);
    WorkflowStep step;
    for (auto* field : {&step.job, &step.name, &step.condition, &step.run}) {
      std::getline(fields, *field, '\x1f');
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace vitals::test
