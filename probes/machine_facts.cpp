// Memory and pressure as measurements.
#include "probes/machine_facts.hpp"

#include <string>

namespace vitals {

std::vector<Measurement> machine_measurements(const MemoryRoom& room, const KernelRoots& roots) {
  std::vector<Measurement> measurements;
  measurements.push_back({machine_metrics.data(), {}, room.available});
  for (const Pressure& pressure : read_pressure(roots)) {
    measurements.push_back(
        {&machine_metrics[1], {std::string(pressure.resource), pressure.kind}, pressure.seconds});
  }
  return measurements;
}

std::vector<Measurement> machine_measurements(const KernelRoots& roots) {
  const auto room = tightest(memory_rooms(roots));
  return room ? machine_measurements(*room, roots) : std::vector<Measurement>();
}

}  // namespace vitals
