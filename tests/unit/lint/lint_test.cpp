// One folder per mistake: those of tests/lint/bad with exactly the findings beside them, those of
// tests/lint/good, which are shapes from life, without any.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "agent/lint/lint.hpp"
#include "tests/support/golden.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> folders_in(const std::string& name) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "tests/lint" / name)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::optional<lint::SourceFile> file_in(const fs::path& folder, const std::string& name) {
  if (!fs::exists(folder / name)) return std::nullopt;
  return lint::SourceFile{name, test::read_file(folder / name)};
}

lint::Input input_of(const fs::path& folder) {
  return {*file_in(folder, "fly.toml"), file_in(folder, "vitals.toml"),
          file_in(folder, "Dockerfile")};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

std::string findings(const std::string& fly) {
  return joined(lint::lint({{"fly.toml", fly}, {}, {}}));
}

/// The rule that a folder is for: its own name, or what begins it ("kill_timeout_default" is one
/// more case of "kill_timeout_short" and says so in this table).
std::string rule_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (name == "kill_timeout_default") return "kill_timeout_short";
  if (name == "metrics_path") return "metrics_port";
  return name;
}

TEST_CASE("lint: every folder in tests/lint/bad is told exactly the findings beside it") {
  for (const auto& folder : folders_in("bad")) {
    CAPTURE(folder.filename().string());
    const auto found = joined(lint::lint(input_of(folder)));
    CHECK(found != "");
    CHECK(found.find("canary") == std::string::npos);
    const auto beside = folder / "findings.txt";
    const char* update = std::getenv("VITALS_UPDATE_GOLDEN");
    if (update != nullptr && std::string_view(update) == "1") {
      std::ofstream(beside, std::ios::binary | std::ios::trunc) << found;
    }
    CHECK(found == test::read_file(beside));
  }
}

TEST_CASE("lint: every rule has a folder in tests/lint/bad, and no other rule speaks there") {
  std::set<std::string> covered;
  for (const auto& folder : folders_in("bad")) {
    CAPTURE(folder.filename().string());
    const auto input = input_of(folder);
    covered.insert(rule_of(folder));
    CHECK(lint::lint(input, rule_of(folder)) == lint::lint(input));
  }
  for (const auto rule : lint::rule_names()) {
    CHECK_MESSAGE(covered.contains(std::string(rule)), "missing: tests/lint/bad/" << rule);
  }
  CHECK(covered.size() == lint::rule_names().size());
}

TEST_CASE("lint: what is right is left alone: every folder in tests/lint/good") {
  const auto folders = folders_in("good");
  REQUIRE(folders.size() >= 9);
  for (const auto& folder : folders) {
    CAPTURE(folder.filename().string());
    CHECK(joined(lint::lint(input_of(folder))) == "");
  }
}

TEST_CASE("lint: gating needs a Machine where autostop stops, whatever the path of the check") {
  const auto service = [](const std::string& settings, const std::string& path) {
    return findings("[http_service]\ninternal_port = 1\n" + settings +
                    "\n[[http_service.checks]]\npath = \"" + path + "\"\n");
  };
  for (const auto* path : {"/health", "/healthz", "/health/ready", "/readyz", "/health/check/db",
                           "/health?fail=any", "/health/live", "/up", "/"}) {
    CAPTURE(path);
    CHECK(service("auto_stop_machines = true", path) != "");
    CHECK(service("min_machines_running = 0", path) != "");
    CHECK(service("auto_stop_machines = \"suspend\"\nmin_machines_running = 1", path) == "");
    CHECK(service("auto_stop_machines = \"off\"\nmin_machines_running = 0", path) == "");
    CHECK(service("", path) == "");
  }
  const auto findings_of = [](const std::string& checks, const std::string& settings) {
    return findings("[[services]]\ninternal_port = 1\nauto_stop_machines = true\n" + settings +
                    "\n[[services.ports]]\nport = 443\n" + checks);
  };
  for (const auto* checks : {"[[services.http_checks]]\npath = \"/up\"\n",
                             "[[services.tcp_checks]]\ninterval = \"15s\"\n"}) {
    CAPTURE(checks);
    CHECK(findings_of(checks, "min_machines_running = 0").find("a check gates") !=
          std::string::npos);
    CHECK(findings_of(checks, "min_machines_running = 1") == "");
  }
  CHECK(findings_of("[checks.app]\ntype = \"http\"\nport = 1\npath = \"/up\"\n", "") == "");
}

TEST_CASE("lint: kill_timeout has to hold drain_delay and stop_timeout, to the millisecond") {
  const auto with = [](const std::string& fly, const std::string& app) {
    lint::Input input{{"fly.toml", fly}, lint::SourceFile{"vitals.toml", app}, {}};
    return joined(lint::lint(input));
  };
  const std::string app = "[app]\ndrain_delay = \"2s\"\nstop_timeout = \"3s\"\n";
  CHECK(with("", app) == "");
  CHECK(with("kill_timeout = 5\n", app) == "");
  CHECK(with("kill_timeout = 4\n", app) != "");
  CHECK(with("kill_timeout = \"4999ms\"\n", app) != "");
  CHECK(with("kill_timeout = 1\n", "[app]\n") != "");
  CHECK(with("kill_timeout = 1\n", "[server]\n") == "");
}

TEST_CASE("lint: the agent's port is the one of vitals.toml and of VITALS_LISTEN in [env]") {
  const auto metrics = [](const std::string& fly, const std::string& vitals) {
    lint::Input input{{"fly.toml", fly + "[metrics]\nport = 9200\npath = \"/metrics\"\n"},
                      lint::SourceFile{"vitals.toml", vitals},
                      {}};
    return joined(lint::lint(input));
  };
  CHECK(metrics("", "") != "");
  CHECK(metrics("", "[server]\nlisten = \"[::]:9200\"\n") == "");
  CHECK(metrics("[env]\nVITALS_LISTEN = \"0.0.0.0:9200\"\n", "[server]\nlisten = \"[::]:1\"\n") ==
        "");
  CHECK(metrics("[env]\nP = 9200\n", "[server]\nlisten = \"[::]:${P}\"\n") == "");
  CHECK(metrics("", "[server]\nlisten = \"[::]:${P:-9200}\"\n") == "");
}

TEST_CASE("lint: an agent that is the only service may be public") {
  CHECK(findings("[http_service]\ninternal_port = 9100\n") == "");
  CHECK(findings("[[services]]\ninternal_port = 9100\n[[services]]\ninternal_port = 80\n") == "");
}

TEST_CASE("lint: the stage that is built says who starts the Machine") {
  const std::string dockerfile =
      "FROM a AS one\nENTRYPOINT [\"vitals\", \"run\", \"--\", \"x\"]\nFROM b\nCMD [\"y\"]\n";
  const auto with = [&](const std::string& fly) {
    lint::Input input{{"fly.toml", fly}, {}, lint::SourceFile{"Dockerfile", dockerfile}};
    return joined(lint::lint(input));
  };
  CHECK(with("") == "");
  CHECK(with("[build]\nbuild-target = \"one\"\n").starts_with("Dockerfile:2:1: ENTRYPOINT holds"));
}

TEST_CASE("lint: the Dockerfile is the one that is built") {
  CHECK(lint::dockerfile_of("") == "Dockerfile");
  CHECK(lint::dockerfile_of("[build]\n") == "Dockerfile");
  CHECK(lint::dockerfile_of("[build]\ndockerfile = \"deploy/D\"\n") == "deploy/D");
  CHECK(lint::dockerfile_of("[build]\nimage = \"x\"\n") == std::nullopt);
  CHECK(lint::dockerfile_of("[build]\ndockerfile = \"https://h/D\"\n") == std::nullopt);
  CHECK(lint::dockerfile_of("[build\n") == std::nullopt);
}

TEST_CASE("lint: odd shapes are no crash: wrong types, empty lists, deep tables, huge numbers") {
  for (const auto* fly :
       {"http_service = 3", "services = [1, \"x\"]", "checks = \"x\"", "[checks]\na = 1",
        "env = [[{a=1}]]", "[[http_service]]\nchecks = [[{path=1}]]", "metrics = []",
        "kill_timeout = 9223372036854775807", "[[services]]\ninternal_port = \"x\"\nports = 3",
        "[http_service]\ninternal_port = 99999999999999999999999"}) {
    CAPTURE(fly);
    lint::Input input{{"fly.toml", fly},
                      lint::SourceFile{"vitals.toml", "app = 1\nchecks = 2\nserver = \"x\"\n"},
                      lint::SourceFile{"Dockerfile", "FROM\nENTRYPOINT [\"\nUSER\nRUN <<\n\\"}};
    for (const auto& line : lint::lint(input)) CHECK(line.find(".toml:") != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals
