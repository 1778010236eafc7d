// One config per file: those of tests/config/bad with their exact mistakes beside them, those of
// tests/config/good without any.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"
#include "tests/support/config_mistakes.hpp"
#include "tests/support/golden.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> configs_in(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "tests/config" / folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// What `vitals validate` would say of it when asked in its own folder, with these variables alone.
std::string mistakes_in(const fs::path& file) {
  config::LoadInput input;
  input.name = file.filename().string();
  input.text = test::read_file(file);
  input.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "SET") return "set";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  input.kinds = all_kinds();
  return test::mistakes_of(input);
}

TEST_CASE("config: every file in tests/config/bad is refused with exactly the mistakes beside it") {
  const auto files = configs_in("bad");
  REQUIRE(files.size() > 20);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    const auto mistakes = mistakes_in(file);
    CHECK(mistakes != "");
    CHECK(mistakes.find("canary") == std::string::npos);
    auto beside = file;
    beside.replace_extension(".txt");
    const char* update = std::getenv("VITALS_UPDATE_GOLDEN");
    if (update != nullptr && std::string_view(update) == "1") {
      std::ofstream(beside, std::ios::binary | std::ios::trunc) << mistakes;
    }
    CHECK(mistakes == test::read_file(beside));
  }
}

TEST_CASE("config: every file in tests/config/good loads without a mistake") {
  const auto files = configs_in("good");
  REQUIRE(files.size() >= 3);
  for (const auto& file : files) {
    CAPTURE(file.filename().string());
    CHECK(mistakes_in(file) == "");
  }
}

}  // namespace
}  // namespace vitals
