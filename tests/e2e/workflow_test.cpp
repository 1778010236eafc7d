// The workflows as a runner would run them: every script is bash, every ./dev command is there, and
// the deploys of the examples, with stand-ins for docker and flyctl, stop where they should.
#include <doctest/doctest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/workflow.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

const std::string ci = ".github/workflows/ci.yml";
const std::string deploy = ".github/workflows/example-deploy.yml";
const std::string api = "examples/api-fly-postgres/github-actions.yml";

/// docker that has one image, and flyctl of an app whose Machines are the folders in $MACHINES. A
/// minute of waiting is three seconds here.
constexpr const char* docker = R"sh(#!/bin/bash
case $1 in
  create) echo box ;;
  cp) cp "$VITALS_BINARY" "$BIN/vitals" ;;
  rm) ;;
  *) exit 1 ;;
esac
)sh";
constexpr const char* flyctl = R"sh(#!/bin/bash
case "$1 $2" in
  "machine list")
    printf '[{"id": "stopped", "state": "stopped"}'
    for machine in "$MACHINES"/*/; do
      [ ! -d "$machine" ] || printf ', {"id": "%s", "state": "started"}' "$(basename "$machine")"
    done
    echo ']' ;;
  "ssh console") cd "$MACHINES/$4" && ${6/60s/3s} ;;
  "deploy --remote-only") echo deployed ;;
  "deploy --image") echo "back to $3" ;;
  "releases --image")
    echo '[{"Status": "failed", "ImageRef": "v4"}, {"Status": "complete", "ImageRef": "v3"},
           {"Status": "complete", "ImageRef": "v2"}]' ;;
  *) exit 1 ;;
esac
)sh";

/// A runner in the folder of an app.
class Runner {
 public:
  Runner() {
    for (const char* folder : {"bin", "app", "machines"}) fs::create_directory(path() / folder);
    put("bin/docker", docker);
    put("bin/flyctl", flyctl);
    for (const char* file : {"fly.toml", "vitals.toml", "Dockerfile"}) {
      fs::copy(source_dir() / "examples/api-fly-postgres" / file, path() / "app" / file);
    }
  }

  /// A started Machine with one check of a local port.
  void machine(const std::string& name, std::uint16_t port) {
    fs::create_directory(path() / "machines" / name);
    folder_.write("machines/" + name + "/vitals.toml",
                  "[checks.db]\nkind = \"tcp\"\nimpact = \"critical\"\naddress = \"127.0.0.1:" +
                      std::to_string(port) + "\"\n");
  }

  /// As GitHub runs scripts of `shell: bash`.
  Finished run(const std::string& script, const std::map<std::string, std::string>& more = {}) {
    Command command{{"bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script}};
    command.environment = {{"PATH", (path() / "bin").string() + ":/usr/bin:/bin"},
                           {"BIN", (path() / "bin").string()},
                           {"MACHINES", (path() / "machines").string()},
                           {"VITALS_BINARY", vitals_binary()},
                           {"VITALS_IMAGE", "registry.example/vitals"}};
    for (const auto& [name, value] : more) command.environment[name] = value;
    command.directory = path() / "app";
    return test::run(std::move(command));
  }

  /// Every script of a job that is not left for failures, in turn, until one fails.
  Finished run_job(const std::string& file, const std::string& job) {
    Finished all{.code = 0, .output = {}};
    for (const auto& step : workflow_steps(source_dir() / file)) {
      if (step.job != job || step.run.empty() || !step.condition.empty()) continue;
      const Finished finished = run(step.run);
      all.output += finished.output;
      all.code = finished.code;
      if (all.code != 0) break;
    }
    return all;
  }

 private:
  [[nodiscard]] const fs::path& path() const { return folder_.path(); }
  void put(const std::string& name, const char* script) {
    fs::permissions(folder_.write(name, script), fs::perms::owner_all);
  }

  TempDir folder_;
};

TEST_CASE("workflows: every script is bash, and every ./dev command is there") {
  const std::string dev = read_file(source_dir() / "dev");
  std::set<std::string> commands;
  for (const auto& file : {ci, deploy, api}) {
    CAPTURE(file);
    int scripts = 0;
    for (const auto& step : workflow_steps(source_dir() / file)) {
      if (step.run.empty()) continue;
      ++scripts;
      CAPTURE(step.run);
      // What Actions puts in before bash sees it.
      const auto script = std::regex_replace(step.run, std::regex("\\$\\{\\{[^}]*\\}\\}"), "word");
      CHECK(run({{"bash", "-n", "-c", script}}).code == 0);
      std::smatch found;
      if (std::regex_search(step.run, found, std::regex("\\./dev ([a-z]+)"))) {
        commands.insert(found[1]);
        CHECK(dev.find("command_" + found[1].str() + "()") != std::string::npos);
      }
    }
    CHECK(scripts >= 4);
  }
  CHECK(commands == std::set<std::string>{"image", "lint", "test"});
  CHECK(fs::exists(source_dir() / ".ci/run"));
}

TEST_CASE("workflows: a deploy is green when every Machine is well") {
  const ScriptedServer well([](ScriptedConnection& connection) { connection.hang(); });
  for (const auto& file : {deploy, api}) {
    CAPTURE(file);
    CHECK(read_file(source_dir() / file).find("\n    shell: bash\n") != std::string::npos);
    Runner runner;
    runner.run("docker cp box:/vitals here");
    runner.machine("one", well.port());
    runner.machine("two", well.port());
    const Finished finished = runner.run_job(file, "deploy");
    CAPTURE(finished.output);
    CHECK(finished.code == 0);
    for (const char* said : {"deployed", "== one", "== two", "pass: db"}) {
      CHECK_MESSAGE(finished.output.find(said) != std::string::npos, said);
    }
  }
}

TEST_CASE(
    "workflows: a deploy is red when one Machine is not, or none runs, or lint finds a trap") {
  const ScriptedServer well([](ScriptedConnection& connection) { connection.hang(); });
  const RefusingPort refusing;
  for (const auto& file : {deploy, api}) {
    CAPTURE(file);
    Runner runner;
    runner.run("docker cp box:/vitals here");
    const Finished nobody = runner.run_job(file, "deploy");
    CHECK(nobody.output.find("deployed") != std::string::npos);
    CHECK(nobody.code != 0);
    runner.machine("a-sick", refusing.port());
    runner.machine("b-well", well.port());
    const Finished sick = runner.run_job(file, "deploy");
    CAPTURE(sick.output);
    CHECK(sick.code == 2);
    CHECK(sick.output.find("fail: db refused") != std::string::npos);
  }
  Runner runner;
  runner.run("sed -i 's/^kill_timeout.*/kill_timeout = \"1s\"/' fly.toml");
  const Finished trapped = runner.run_job(deploy, "deploy");
  CHECK(trapped.code != 0);
  CHECK(trapped.output.find("deployed") == std::string::npos);
  CHECK(trapped.output.find("kill_timeout") != std::string::npos);
}

TEST_CASE("workflows: after a failure the deploy goes back to the release before") {
  Runner runner;
  for (const auto& step : workflow_steps(source_dir() / deploy)) {
    if (step.condition == "failure()") CHECK(runner.run(step.run).output == "back to v2\n");
  }
}

TEST_CASE("workflows: the tests of the API wait for a primary that takes writes") {
  const PostgresServer postgres;
  Runner runner;
  int gates = 0;
  for (const auto& step : workflow_steps(source_dir() / api)) {
    if (step.job != "test" || step.run.find("npm") != std::string::npos) continue;
    if (step.run.find("vitals check") != std::string::npos) ++gates;
    if (step.run.empty()) continue;
    const Finished finished =
        runner.run(step.run, {{"DATABASE_URL", postgres.url()}, {"PORT", "3000"}});
    CAPTURE(finished.output);
    CHECK(finished.code == 0);
  }
  CHECK(gates == 1);
  CHECK(postgres.sql("SELECT count(*) FROM vitals_check") == "1");
}

}  // namespace
}  // namespace vitals::test
