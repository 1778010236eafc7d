// The examples are files that people copy: each is complete, is validated and linted here.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "agent/config/loader.hpp"
#include "agent/lint/lint.hpp"
#include "probes/registry.hpp"
#include "tests/support/config_mistakes.hpp"
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

/// A block of code in the README.
struct Snippet {
  std::string language;
  std::vector<std::string> lines;
};

/// Blocks of "Add it to your Fly app" by the bold words they stand under.
std::map<std::string, std::vector<Snippet>> snippets() {
  std::map<std::string, std::vector<Snippet>> all;
  std::istringstream readme(test::read_file(root() / "README.md"));
  std::string shape;
  bool in_section = false;
  bool in_block = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("#") && !in_block) in_section = line == "## Add it to your Fly app";
    if (!in_section) continue;
    if (line.starts_with("**")) shape = line.substr(2, line.find("**", 2) - 2);
    if (line.starts_with("```")) {
      in_block = !in_block;
      if (in_block) all[shape].push_back({line.substr(3), {}});
    } else if (in_block) {
      all[shape].back().lines.push_back(line);
    }
  }
  return all;
}

/// Without comments, and with one blank where there are more.
std::string bare(const std::string& line) {
  const auto text = std::regex_replace(line, std::regex(" *#.*"), "");
  return std::regex_replace(text, std::regex("^ +|( ) +"), "$1");
}

std::set<std::string> bare_lines(const fs::path& folder) {
  std::set<std::string> all;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::istringstream stream(test::read_file(entry.path()));
    for (std::string line; std::getline(stream, line);) all.insert(bare(line));
  }
  return all;
}

std::string mistakes_in(const std::string& text) {
  config::LoadInput input;
  input.name = "vitals.toml";
  input.text = text;
  input.environment = variable;
  input.kinds = all_kinds();
  return test::mistakes_of(input);
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
    CHECK(mistakes_in(test::read_file(folder / "vitals.toml")) == "");
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

TEST_CASE("readme: each shape takes at most ten lines, all of them out of its example") {
  constexpr std::size_t lines_max = 10;
  const std::map<std::string, std::string> folders{{"Parent of the app", "parent"},
                                                   {"Container beside the app", "container"},
                                                   {"Second process", "second-process"}};
  const auto shapes = snippets();
  CHECK(shapes.size() == folders.size());
  for (const auto& [shape, blocks] : shapes) {
    CAPTURE(shape);
    REQUIRE(folders.contains(shape));
    const auto shipped = bare_lines(root() / "examples" / folders.at(shape));
    std::size_t count = 0;
    for (const Snippet& block : blocks) {
      count += block.lines.size();
      for (const auto& line : block.lines) {
        CAPTURE(line);
        const std::string text = bare(line);
        const bool is_there = std::any_of(shipped.begin(), shipped.end(), [&](const auto& other) {
          return other == text ||
                 std::regex_replace(other, std::regex("\\$\\{PORT:-(\\d+)\\}"), "$1") == text;
        });
        CHECK(is_there);
      }
    }
    CHECK(count > 0);
    CHECK(count <= lines_max);
  }
}

TEST_CASE("readme: its snippets of vitals.toml are valid and those of fly.toml pass lint") {
  int checked = 0;
  for (const auto& [shape, blocks] : snippets()) {
    CAPTURE(shape);
    for (const Snippet& block : blocks) {
      if (block.language != "toml") continue;
      std::string text;
      for (const auto& line : block.lines) text += line + "\n";
      const bool is_fly = text.find("fly.toml, top level") != std::string::npos;
      std::string found = is_fly ? "" : mistakes_in(text);
      if (is_fly) {
        for (const auto& line : lint::lint({{"fly.toml", text}, {}, {}})) found += line + "\n";
      }
      CHECK(found == "");
      ++checked;
    }
  }
  CHECK(checked == 2);
}

}  // namespace
}  // namespace vitals
