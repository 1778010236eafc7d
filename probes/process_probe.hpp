// The probe of kind process, with the place of /proc as an argument: the seam of its tests.
#pragma once

#include <memory>
#include <string>

#include <vitals/probe.hpp>

namespace vitals {

/// Exactly one of them is not empty.
struct ProcessSettings {
  std::string pid_file;
  std::string exe;
  std::string name;
};

[[nodiscard]] std::unique_ptr<Probe> make_process_probe(ProcessSettings settings,
                                                        std::string proc = "/proc");

}  // namespace vitals
