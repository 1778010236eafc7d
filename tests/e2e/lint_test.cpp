// `vitals lint` as a user runs it: files beside each other, exit codes.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/agent.hpp"

namespace vitals::test {
namespace {

TEST_CASE("lint: 0 and a word for a good file, 2 and every finding for a bad one, 3 without any") {
  const TempDir folder;
  const auto good = folder.write("good.toml", "app = \"shop\"\n");
  const auto bad = folder.write("bad.toml", "ap = \"shop\"\nkill_timeout = 600\n");
  CHECK(vitals({"lint", good}).code == 0);
  CHECK(vitals({"lint", good}).output == good.string() + ": ok\n");

  const Finished finished = vitals({"lint", good, bad});
  CHECK(finished.code == 2);
  CHECK(finished.output.find(good.string() + ": ok\n" + bad.string() +
                             ":1:1: unknown key 'ap'; flyctl drops it without a word; did you mean "
                             "'app'?\n" +
                             bad.string() + ":2:1: 'kill_timeout' is 10m; ") != std::string::npos);
  CHECK(finished.output.find("vitals: 2 findings;") != std::string::npos);

  CHECK(vitals({"lint"}).code == 3);
  const auto missing = (folder.path() / "missing.toml").string();
  const Finished unreadable = vitals({"lint", bad, missing});
  CHECK(unreadable.code == 3);
  CHECK(unreadable.output.find(missing + ": cannot read it: No such file") != std::string::npos);
  CHECK(unreadable.output.find(":1:1: unknown key 'ap'") != std::string::npos);
}

TEST_CASE("lint: looks at vitals.toml and at the Dockerfile that stand beside the file") {
  const TempDir folder;
  const auto fly = folder.write("fly.toml",
                                "kill_timeout = 5\n[build]\ndockerfile = \"Deploy\"\n"
                                "[metrics]\nport = 9100\npath = \"/metrics\"\n");
  CHECK(vitals({"lint", fly}).code == 0);
  folder.write("vitals.toml",
               "[server]\nlisten = \"127.0.0.1:9100\"\n[app]\ndrain_delay = \"3s\"\n");
  folder.write("Deploy", "FROM x\nENTRYPOINT [\"vitals\", \"run\", \"--\", \"x\"]\n");
  const Finished found = vitals({"lint", fly});
  CHECK(found.code == 2);
  for (const char* place : {"/fly.toml:1:1: ", "/vitals.toml:2:1: ", "/Deploy:2:1: "}) {
    CAPTURE(place);
    CHECK(found.output.find(place) != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals::test
