// The probe of kind memory, with the places of /proc and /sys as arguments: the seam of its tests.
#pragma once

#include <memory>

#include <vitals/probe.hpp>

#include "probes/kernel_files.hpp"

namespace vitals {

struct MemorySettings {
  double warn = 0.85;
  double fail = 0.95;
};

[[nodiscard]] std::unique_ptr<Probe> make_memory_probe(MemorySettings settings,
                                                       KernelRoots roots = {});

}  // namespace vitals
