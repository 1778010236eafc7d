// Counting in tables as /proc/net/tcp has them; the kernel itself is asked in the integration
// tests.
#include "probes/established.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/support/process.hpp"

namespace vitals {
namespace {

constexpr std::string_view table =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0\n"
    "   2: 0100007F:1F90 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0\n"
    "   3: 0100007F:1F90 0100007F:C352 06 00000000:00000000 00:00000000 00000000     0\n"
    "   4: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0\n"
    "   5: 0100007F:1F9 0100007F:1F90 01\n"
    "garbage\n\n 1: x y\n";

TEST_CASE("connections: established ones of the local port are counted, clients' ends are not") {
  CHECK(count_in_table(table, 8080) == 2);
  CHECK(count_in_table(table, 50'000) == 1);
  CHECK(count_in_table(table, 505) == 1);
  CHECK(count_in_table(table, 80) == 0);
  CHECK(count_in_table("", 8080) == 0);
}

TEST_CASE("connections: a kernel without IPv6 has no tcp6; without tcp there is no answer") {
  const test::TempDir folder;
  CHECK_FALSE(count_by_proc(8080, folder.path().string()).has_value());
  std::filesystem::create_directory(folder.path() / "net");
  static_cast<void>(folder.write("net/tcp", std::string(table)));
  CHECK(count_by_proc(8080, folder.path().string()) == 2);
  static_cast<void>(
      folder.write("net/tcp6", "   0: 00000000000000000000000001000000:1F90 0000000:1 01 0:0\n"));
  CHECK(count_by_proc(8080, folder.path().string()) == 3);
}

}  // namespace
}  // namespace vitals
