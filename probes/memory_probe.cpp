// Kind memory: how much of the tightest limit on memory is in use.
#include "probes/memory_probe.hpp"

#include <array>
#include <string>
#include <utility>

#include <vitals/kind.hpp>

#include "probes/machine_facts.hpp"
#include "probes/machine_memory.hpp"
#include "probes/quantities.hpp"

namespace vitals {
namespace {

const std::array<SettingSpec, 2> own_settings{{
    {.name = "warn",
     .type = SettingType::number,
     .fallback = "0.85",
     .doc = "share of the memory in use from which on to warn"},
    {.name = "fail",
     .type = SettingType::number,
     .fallback = "0.95",
     .doc = "share of the memory in use from which on to fail"},
}};

class MemoryProbe : public Probe {
 public:
  MemoryProbe(MemorySettings settings, KernelRoots roots)
      : settings_(settings), roots_(std::move(roots)) {}

  ProbeResult run(const Attempt&) override {
    const auto room = tightest(memory_rooms(roots_));
    if (!room) {
      return internal_error("no MemAvailable in " + roots_.proc +
                            "/meminfo; mount /proc, or remove this check");
    }
    auto result = judge(*room);
    result.observed = Observation{percent(room->used_share()), "percent", "utilization"};
    result.measurements = machine_measurements(*room, roots_);
    return result;
  }

 private:
  [[nodiscard]] ProbeResult judge(const MemoryRoom& room) const {
    const double used = room.used_share();
    std::string detail = shown_percent(used) + " of " + shown_bytes(room.total) + " used, " +
                         shown_bytes(room.available) + " left in " + std::string(room.of);
    if (used >= settings_.fail) return failed(Reason::low_space, std::move(detail));
    if (used >= settings_.warn) return warned(Reason::low_space, std::move(detail));
    return passed(std::move(detail));
  }

  const MemorySettings settings_;
  const KernelRoots roots_;
};

MadeProbe make(Settings& settings) {
  MemorySettings read;
  read.warn = settings.number("warn", {.min = 0, .max = 1});
  read.fail = settings.number("fail", {.min = 0, .max = 1});
  complain_about_shares(settings, read.warn, read.fail);
  MadeProbe made;
  made.on_loopback = true;
  made.probe = make_memory_probe(read);
  return made;
}

}  // namespace

std::unique_ptr<Probe> make_memory_probe(MemorySettings settings, KernelRoots roots) {
  return std::make_unique<MemoryProbe>(settings, std::move(roots));
}

const KindSpec& memory_kind() {
  static const KindSpec kind{
      .name = "memory",
      .component_type = "system",
      .doc = "memory in use, of the machine or the cgroup, whichever is tighter",
      .settings = own_settings,
      .metrics = machine_metrics,
      .scope = ScopeRule::local,
      .impact = ImpactRule::degraded,
      .measurement = "utilization",
      .make = &make,
  };
  return kind;
}

}  // namespace vitals
