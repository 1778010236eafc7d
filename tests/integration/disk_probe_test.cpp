// Kind disk with the real file systems of this machine, and one that the test fills.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include <vitals/fd.hpp>

#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

ConfiguredCheck disk(const std::string& path, const std::string& more = "") {
  return test::make_check("kind = \"disk\"\npath = \"" + path + "\"\n" + more);
}

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"disk\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

/// A file system of 1 MiB and 64 inodes; only root may mount one.
struct SmallDisk {
  test::TempDir folder;
  bool mounted = mount("none", folder.path().c_str(), "tmpfs", 0, "size=1m,nr_inodes=64") == 0;

  ~SmallDisk() {
    if (mounted) umount2(folder.path().c_str(), MNT_DETACH);
  }
  void fill(const std::string& name, std::size_t bytes) const {
    const Fd file(open((folder.path() / name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    REQUIRE(file);
    const std::string content(bytes, 'x');
    REQUIRE(write(file.get(), content.data(), content.size()) ==
            static_cast<ssize_t>(content.size()));
  }
};

TEST_SUITE("disk probe") {
  TEST_CASE("disk: numbers of the real file system, under its mount point") {
    const test::TempDir folder;
    struct statvfs facts {};
    REQUIRE(statvfs(folder.path().c_str(), &facts) == 0);
    const auto result = test::ask(disk(folder.path().string(), "warn = 1\nfail = 1"));
    const auto size = test::measured(result, "filesystem_size_bytes");
    CHECK(size == static_cast<double>(facts.f_blocks) * static_cast<double>(facts.f_frsize));
    CHECK(test::measured(result, "filesystem_avail_bytes").has_value());
    REQUIRE(result.observed);
    CHECK(result.observed->value >= 0);
    CHECK(result.observed->value <= 100);
    for (const auto& measurement : result.measurements) {
      REQUIRE(measurement.labels.size() == 1);
      CHECK(fs::canonical(folder.path()).string().starts_with(measurement.labels[0]));
    }
  }

  TEST_CASE("disk: a file system that fills up warns, then fails(low_space), by bytes or inodes") {
    const SmallDisk small;
    if (!small.mounted) {
      WARN_MESSAGE(geteuid() != 0, "this test needs to mount a tmpfs");
      return;
    }
    const auto check = disk(small.folder.path().string());
    CHECK(test::ask(check).outcome == Outcome::pass);
    CHECK(test::measured(test::ask(check), "filesystem_size_bytes",
                         {small.folder.path().string()}) == 1024 * 1024);
    SUBCASE("bytes") {
      small.fill("a", 870 * 1024);
      auto result = test::ask(check);
      CHECK(result.outcome == Outcome::warn);
      CHECK(result.reason == Reason::low_space);
      small.fill("b", 140 * 1024);
      result = test::ask(check);
      CHECK(result.outcome == Outcome::fail);
      CHECK(result.reason == Reason::low_space);
      CHECK(result.detail.ends_with("left on " + small.folder.path().string()));
    }
    SUBCASE("inodes") {
      for (int i = 0; i < 62; ++i) small.fill("file" + std::to_string(i), 0);
      const auto result = test::ask(check);
      CHECK(result.outcome == Outcome::fail);
      CHECK(result.detail.find("of the inodes used") != std::string::npos);
    }
  }

  TEST_CASE("disk: a path that is not there is internal, and asks for the volume") {
    const auto result = test::ask(disk("/nowhere/data"));
    CHECK(result.reason == Reason::internal);
    CHECK(result.detail ==
          "/nowhere/data: No such file or directory; is the volume mounted, and may the agent's "
          "user look?");
  }

  TEST_CASE("disk: bad settings are named, and the defaults are those of a local check") {
    CHECK(mistakes_of("").find("'path'") != std::string::npos);
    CHECK(mistakes_of("path = \"data\"").find("not a path from the root") != std::string::npos);
    CHECK_FALSE(mistakes_of("path = \"/\"\nwarn = 1.5").empty());
    CHECK_FALSE(mistakes_of("path = \"/\"\nfail = -0.1").empty());
    CHECK(mistakes_of("path = \"/\"\nwarn = 0.96\nfail = 0.95").find("must not be above fail") !=
          std::string::npos);
    CHECK(mistakes_of("path = \"/\"\nwarn = 0.96").empty());
    const auto check = disk("/");
    CHECK(check.spec->impact == Impact::degraded);
    CHECK(check.spec->scope == Scope::local);
  }
}

}  // namespace
}  // namespace vitals
