// The disk probe over told numbers: thresholds, inodes, mount points, errors, and a mount that
// hangs.
#include "probes/disk_probe.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

#include "agent/schedule/scheduler.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals {
namespace {

/// 1,000 blocks of 4 KiB and 1,000 inodes, 5 % of each for root alone.
struct statvfs filesystem(unsigned long blocks_used, unsigned long inodes_used) {
  struct statvfs facts {};
  facts.f_frsize = 4096;
  facts.f_blocks = facts.f_files = 1'000;
  facts.f_bfree = 1'000 - blocks_used;
  facts.f_bavail = facts.f_bfree > 50 ? facts.f_bfree - 50 : 0;
  facts.f_ffree = 1'000 - inodes_used;
  facts.f_favail = facts.f_ffree > 50 ? facts.f_ffree - 50 : 0;
  return facts;
}

ProbeResult ask(Probe& probe) {
  return probe.run(Attempt{.deadline = Deadline::after(Duration(1'000))});
}

ProbeResult ask_of(const struct statvfs& told, DiskSettings settings = {.path = "/"}) {
  const auto probe = make_disk_probe(std::move(settings), [&](const char*, struct statvfs& facts) {
    facts = told;
    return 0;
  });
  return ask(*probe);
}

TEST_SUITE("disk probe") {
  TEST_CASE("disk: counts as df does, and warns at warn, fails(low_space) at fail") {
    struct Row {
      unsigned long used;
      Outcome outcome;
    };
    // used / (used + available): 759 / 950 is 79.9 %.
    for (const auto& [used, outcome] :
         {Row{759, Outcome::pass}, Row{760, Outcome::warn}, Row{902, Outcome::warn},
          Row{903, Outcome::fail}, Row{1'000, Outcome::fail}}) {
      CAPTURE(used);
      const auto bytes = ask_of(filesystem(used, 0));
      CHECK(bytes.outcome == outcome);
      CHECK((bytes.reason == Reason::low_space) == (outcome != Outcome::pass));
      CHECK(ask_of(filesystem(0, used)).outcome == outcome);
    }
    const auto result = ask_of(filesystem(475, 0));
    CHECK(result.detail == "50% of 3.9 MiB used, 1.9 MiB left on /");
    CHECK(result.observed->value == 50);
    CHECK(test::measured(result, "filesystem_avail_bytes", {"/"}) == 475 * 4096.0);
    CHECK(test::measured(result, "filesystem_size_bytes", {"/"}) == 1'000 * 4096.0);
    CHECK(ask_of(filesystem(0, 903)).detail == "95% of the inodes used on /");
    CHECK(ask_of(filesystem(475, 0), {.path = "/", .warn = 0.5, .fail = 1}).outcome ==
          Outcome::warn);
  }

  TEST_CASE(
      "disk: a file system without inode counts, or without anything, is judged by the rest") {
    auto facts = filesystem(475, 0);
    facts.f_files = facts.f_ffree = facts.f_favail = 0;
    CHECK(ask_of(facts).outcome == Outcome::pass);
    CHECK(ask_of({}).outcome == Outcome::pass);
  }

  TEST_CASE("disk: the mount point is the longest in front of the path, the last of equal ones") {
    const std::string table =
        "1 0 8:1 / / rw - ext4 /dev/vda1 rw\n"
        "2 1 8:2 / /data rw - ext4 /dev/vdb rw\n"
        "3 1 8:3 / /data/with\\040blank rw shared:1 - ext4 /dev/vdc rw\n"
        "broken\n";
    CHECK(mount_point_of(table, "/data") == "/data");
    CHECK(mount_point_of(table, "/data/db/x") == "/data");
    CHECK(mount_point_of(table, "/database") == "/");
    CHECK(mount_point_of(table, "/data/with blank/x") == "/data/with blank");
    CHECK(mount_point_of(table, "/etc") == "/");
    CHECK(mount_point_of("", "/etc").empty());
  }

  TEST_CASE("disk: two paths on one mount have one mountpoint label, links included") {
    const test::TempDir folder;
    namespace fs = std::filesystem;
    fs::create_directories(folder.path() / "real/deep");
    fs::create_directory_symlink(folder.path() / "real", folder.path() / "link");
    fs::create_directories(folder.path() / "proc/self");
    std::ofstream(folder.path() / "proc/self/mountinfo")
        << "1 0 8:1 / / rw - x x rw\n2 1 8:2 / " << fs::canonical(folder.path()).string()
        << "/real rw - x x rw\n";
    for (const char* path : {"real", "real/deep", "link/deep"}) {
      CAPTURE(path);
      const auto probe = make_disk_probe(
          {.path = folder.path() / path},
          [](const char*, struct statvfs& facts) {
            facts = filesystem(1, 1);
            return 0;
          },
          (folder.path() / "proc").string());
      const auto result = ask(*probe);
      CHECK(test::measured(result, "filesystem_avail_bytes",
                           {fs::canonical(folder.path()).string() + "/real"})
                .has_value());
    }
  }

  TEST_CASE("disk: an error of the disk is a failure, a path that is not there is our fault") {
    const auto with = [](int error) {
      const auto probe = make_disk_probe({.path = "/data"},
                                         [error](const char*, struct statvfs&) { return error; });
      return ask(*probe);
    };
    for (const int error : {EIO, ESTALE, ENOTCONN}) {
      CHECK(with(error).outcome == Outcome::fail);
      CHECK(with(error).reason == Reason::unreachable);
    }
    CHECK(with(EIO).detail == "/data: Input/output error");
    for (const int error : {ENOENT, ENOTDIR, EACCES}) CHECK(with(error).reason == Reason::internal);
    CHECK(with(ENOENT).detail.find("is the volume mounted") != std::string::npos);
  }

  TEST_CASE("disk: a mount that hangs is fail(timeout) on time, and red for as long as it hangs") {
    struct Gate {
      std::mutex mutex;
      std::condition_variable moved;
      bool open = false;
    } gate;
    auto spec = test::spec("data");
    spec->interval = spec->retry_interval = Duration(1'000);  // stale 3 s later
    spec->timeout = Duration(20);
    spec->fall = 1;
    StatusBoard board(Instant::now(), nullptr);
    Keeper keeper(board);
    Scheduler scheduler(board, keeper);
    REQUIRE_FALSE(keeper.start([&] { scheduler.run_all_now(); }).has_value());
    board.set_checks({spec}, SharedRule::fleet, Instant::now());
    std::vector<ConfiguredCheck> checks;
    checks.push_back({spec,
                      make_disk_probe({.path = "/data"},
                                      [&gate](const char*, struct statvfs& facts) {
                                        std::unique_lock lock(gate.mutex);
                                        gate.moved.wait(lock, [&] { return gate.open; });
                                        facts = filesystem(1, 1);
                                        return 0;
                                      }),
                      std::make_shared<SecretSet>(),
                      {}});
    REQUIRE_FALSE(scheduler.run(std::move(checks), Duration(0)).has_value());
    const auto judged = [&] { return judge(*board.latest(), Clock::now()).checks[0]; };
    CHECK(test::eventually([&] { return judged().reason == Reason::timeout; }));
    CHECK(test::eventually([&] { return judged().reason == Reason::stale; }));
    CHECK(judged().status == Status::fail);
    {
      const std::lock_guard lock(gate.mutex);
      gate.open = true;
    }
    gate.moved.notify_all();
    CHECK(test::eventually([&] { return judged().status == Status::pass; }));
    CHECK(scheduler.stop(Duration(5'000)));
    keeper.stop();
  }
}

}  // namespace
}  // namespace vitals
