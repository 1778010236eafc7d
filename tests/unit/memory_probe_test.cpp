// The memory probe over made-up /proc and /sys: machine, cgroup v2 and v1, PSI, and nothing at all.
#include "probes/memory_probe.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "probes/machine_memory.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

constexpr double mebibyte = 1024.0 * 1024;

struct FakeMachine {
  test::TempDir folder;
  KernelRoots roots{(folder.path() / "proc").string(), (folder.path() / "sys").string()};

  explicit FakeMachine(int total_kib = 1'000'000, int available_kib = 600'000) {
    put("proc/meminfo", "MemTotal:       " + std::to_string(total_kib) +
                            " kB\nMemFree:         1000 kB\nMemAvailable:   " +
                            std::to_string(available_kib) + " kB\nBuffers: 5 kB\n");
  }
  void put(const std::string& name, const std::string& content) const {
    const fs::path file = folder.path() / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  [[nodiscard]] ProbeResult ask(MemorySettings settings = {}) const {
    return make_memory_probe(settings, roots)
        ->run(Attempt{.deadline = Deadline::after(Duration(1'000))});
  }
};

TEST_SUITE("memory probe") {
  TEST_CASE("memory: MemAvailable of the machine decides where no cgroup has a limit") {
    const auto result = FakeMachine(1'000'000, 600'000).ask();
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.detail == "40% of 977 MiB used, 586 MiB left in the machine");
    CHECK(test::measured(result, "memory_available_bytes") == 600'000 * 1024.0);
    REQUIRE(result.observed);
    CHECK(result.observed->value == 40);
    CHECK(result.observed->unit == "percent");
  }

  TEST_CASE("memory: at warn or above it warns, at fail or above it fails(low_space)") {
    struct Row {
      int available;
      Outcome outcome;
    };
    for (const auto& [available, outcome] :
         {Row{151'000, Outcome::pass}, Row{150'000, Outcome::warn}, Row{51'000, Outcome::warn},
          Row{50'000, Outcome::fail}, Row{0, Outcome::fail}}) {
      CAPTURE(available);
      const auto result = FakeMachine(1'000'000, available).ask();
      CHECK(result.outcome == outcome);
      CHECK((result.reason == Reason::low_space) == (outcome != Outcome::pass));
    }
    CHECK(FakeMachine(1'000'000, 600'000).ask({.warn = 0.3, .fail = 0.5}).outcome == Outcome::warn);
  }

  TEST_CASE("memory: a cgroup v2 that is tighter than the machine decides, without its caches") {
    const FakeMachine machine;
    machine.put("proc/self/cgroup", "0::/app/web\n");
    machine.put("sys/fs/cgroup/app/web/memory.max", "104857600\n");
    machine.put("sys/fs/cgroup/app/web/memory.current", "99614720\n");
    machine.put("sys/fs/cgroup/app/web/memory.stat",
                "anon 1\nfile 4\ninactive_file 1048576\nactive_file 2097152\n"
                "slab_reclaimable 0\nworkingset_refault_anon 9\n");
    const auto result = machine.ask();
    CHECK(result.outcome == Outcome::warn);
    CHECK(result.detail == "92% of 100 MiB used, 8.0 MiB left in the cgroup");
    CHECK(test::measured(result, "memory_available_bytes") == 8 * mebibyte);
  }

  TEST_CASE("memory: the limit of a group above ours counts, too") {
    const FakeMachine machine;
    machine.put("proc/self/cgroup", "0::/app/web\n");
    machine.put("sys/fs/cgroup/app/web/memory.max", "max\n");
    machine.put("sys/fs/cgroup/app/web/memory.current", "1000\n");
    machine.put("sys/fs/cgroup/app/memory.max", "104857600\n");
    machine.put("sys/fs/cgroup/app/memory.current", "104857600\n");
    CHECK(machine.ask().outcome == Outcome::fail);
  }

  TEST_CASE("memory: in a container whose path is the host's, the mount is the group") {
    const FakeMachine machine;
    machine.put("proc/self/cgroup", "0::/../../docker/0123\n");
    machine.put("sys/fs/cgroup/memory.max", "104857600\n");
    machine.put("sys/fs/cgroup/memory.current", "104857600\n");
    CHECK(machine.ask().outcome == Outcome::fail);
  }

  TEST_CASE("memory: cgroup v1 by its own names; its number for no limit is none") {
    const FakeMachine machine;
    machine.put("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/app\n0::/\n");
    machine.put("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n");
    machine.put("sys/fs/cgroup/memory/app/memory.usage_in_bytes", "99614720\n");
    CHECK(machine.ask().detail.ends_with("in the machine"));
    machine.put("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "104857600\n");
    machine.put("sys/fs/cgroup/memory/app/memory.stat",
                "inactive_file 1\ntotal_inactive_file 3145728\n");
    const auto result = machine.ask();
    CHECK(result.detail == "92% of 100 MiB used, 8.0 MiB left in the cgroup");
  }

  TEST_CASE("memory: a cgroup that is roomier than the machine changes nothing") {
    const FakeMachine machine(1'000'000, 10'000);
    machine.put("proc/self/cgroup", "0::/\n");
    machine.put("sys/fs/cgroup/memory.max", "104857600\n");
    machine.put("sys/fs/cgroup/memory.current", "1048576\n");
    CHECK(machine.ask().detail.ends_with("in the machine"));
  }

  TEST_CASE("memory: PSI totals in seconds for what the kernel has; none without PSI") {
    const FakeMachine machine;
    CHECK(read_pressure(machine.roots).empty());
    machine.put("proc/pressure/memory",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n");
    machine.put("proc/pressure/cpu", "some avg10=1.00 avg60=0.00 avg300=0.00 total=4000000\n");
    const auto result = machine.ask();
    const auto stalled = [&](const char* resource, const char* kind) {
      return test::measured(result, "pressure_stalled_seconds_total", {resource, kind});
    };
    CHECK(stalled("memory", "some") == 2.5);
    CHECK(stalled("memory", "full") == 1.5);
    CHECK(stalled("cpu", "some") == 4);
    CHECK_FALSE(stalled("cpu", "full").has_value());
    CHECK_FALSE(stalled("io", "some").has_value());
  }

  TEST_CASE("memory: without /proc it is internal, and says what to do") {
    const test::TempDir empty;
    const auto probe = make_memory_probe({}, {empty.path().string(), empty.path().string()});
    const auto result = probe->run(Attempt{.deadline = Deadline::after(Duration(1'000))});
    CHECK(result.reason == Reason::internal);
    CHECK(result.detail.find("mount /proc, or remove this check") != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals
