// Which of the kernel's files and lines count kills for want of memory.
#include <doctest/doctest.h>

#include "agent/child/oom.hpp"

namespace vitals::child {
namespace {

TEST_CASE("oom: the counter is a whole word at the start of a line") {
  CHECK(counter_in("nr_free 3\noom_kill 12\nswap 1\n", "oom_kill") == 12);
  CHECK(counter_in("oom 1\noom_kill 7", "oom_kill") == 7);
  CHECK(counter_in("oom_kill_disable 1\nunder_oom 0\noom_kill 2\n", "oom_kill") == 2);
  CHECK(counter_in("oom_kill_disable 1\nx_oom_kill 5\n", "oom_kill") == 0);
  CHECK(counter_in("oom_kill", "oom_kill") == 0);
  CHECK(counter_in("", "oom_kill") == 0);
}

TEST_CASE("oom: the cgroup is that of version 1's memory controller, else of version 2") {
  const auto v2 = memory_cgroup_in("0::/system.slice/app\n");
  CHECK(v2.path == "/system.slice/app");
  CHECK(!v2.version1);
  const auto v1 = memory_cgroup_in("9:name=systemd:/\n4:memory:/box/7\n0::/\n");
  CHECK(v1.path == "/box/7");
  CHECK(v1.version1);
  CHECK(memory_cgroup_in("4:cpu:/x\n").path.empty());
  CHECK(memory_cgroup_in("").path.empty());
  CHECK(memory_cgroup_in("nonsense\n0::/a:b\n").path == "/a:b");
}

TEST_CASE("oom: one counter that rose is enough") {
  CHECK(!rose({1, 1}, {1, 1}));
  CHECK(rose({1, 1}, {2, 1}));
  CHECK(rose({1, 1}, {1, 2}));
  CHECK(!rose({2, 2}, {1, 1}));
}

TEST_CASE("oom: the kernel of this machine is asked without a complaint") {
  const auto before = count_oom_kills();
  CHECK(count_oom_kills().machine >= before.machine);
}

}  // namespace
}  // namespace vitals::child
