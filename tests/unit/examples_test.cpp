// The examples are files that people copy: each is complete, is validated and linted here.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config/loader.hpp"
#include "agent/lint/lint.hpp"
#include "probes/registry.hpp"
#include "tests/support/golden.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

constexpr std::ptrdiff_t readme_lines_max = 60;  // one page

fs::path root() { return test::source_dir(); }

std::vector<fs::path> examples() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root() / "examples")) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// What secrets and [env] give a Machine.
std::optional<std::string> variable(std::string_view name) {
  static const std::map<std::string_view, std::string> all{
      {"PORT", "3000"},
      {"DATABASE_URL", "postgres://app:secret@pooler.example:6543/app?pgbouncer=true"},
      {"REDIS_URL", "rediss://default:secret@fly-shop.upstash.io:6379"},
      {"API_URL", "https://api.example"},
      {"VITALS_TOKEN", "token"},
      {"FLY_APP_NAME", "shop"},
  };
  const auto found = all.find(name);
  return found == all.end() ? std::nullopt : std::optional(found->second);
}

std::string mistakes_in(const fs::path& file) {
  config::LoadInput input;
  input.name = file.filename().string();
  input.text = test::read_file(file);
  input.environment = variable;
  input.kinds = all_kinds();
  const auto loaded = config::load(input);
  std::string all;
  if (loaded) return all;
  for (const auto& line : loaded.error().lines) all += line + "\n";
  return all;
}

std::string findings_in(const fs::path& folder) {
  lint::Input input{{"fly.toml", test::read_file(folder / "fly.toml")}, {}, {}};
  if (fs::exists(folder / "vitals.toml")) {
    input.vitals = {"vitals.toml", test::read_file(folder / "vitals.toml")};
  }
  if (fs::exists(folder / "Dockerfile")) {
    input.dockerfile = {"Dockerfile", test::read_file(folder / "Dockerfile")};
  }
  std::string all;
  for (const auto& line : lint::lint(input)) all += line + "\n";
  return all;
}

TEST_CASE("examples: three shapes and four stacks, each complete, each README one page") {
  std::set<std::string> names;
  for (const auto& folder : examples()) {
    CAPTURE(folder.filename().string());
    names.insert(folder.filename().string());
    for (const std::string file : {"fly.toml", "Dockerfile", "vitals.toml", "README.md"}) {
      CHECK_MESSAGE(fs::exists(folder / file), "missing: " << file);
    }
    const auto readme = test::read_file(folder / "README.md");
    CHECK(std::count(readme.begin(), readme.end(), '\n') <= readme_lines_max);
    for (const std::string part : {"What you get", "What it costs", "What to watch"}) {
      CHECK_MESSAGE(readme.find(part) != std::string::npos, "missing: " << part);
    }
  }
  CHECK(names == std::set<std::string>{"api-fly-postgres", "container", "parent", "scale-to-zero",
                                       "second-process", "voice-bot", "voice-platform",
                                       "websocket-chat"});
}

TEST_CASE("examples: every vitals.toml is valid") {
  for (const auto& folder : examples()) {
    CAPTURE(folder.filename().string());
    CHECK(mistakes_in(folder / "vitals.toml") == "");
  }
}

TEST_CASE("examples: every fly.toml passes lint, with the vitals.toml and Dockerfile beside it") {
  CHECK(findings_in(root()) == "");
  for (const auto& folder : examples()) {
    CAPTURE(folder.filename().string());
    CHECK(findings_in(folder) == "");
  }
}

TEST_CASE("examples: the fly.toml at the top is the one of the recommended shape") {
  CHECK(test::read_file(root() / "fly.toml") ==
        test::read_file(root() / "examples/parent/fly.toml"));
}

}  // namespace
}  // namespace vitals
