// Finds, compares and rewrites golden files.
#include "tests/support/golden.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

std::string first_difference(const std::string& name, const std::string& expected,
                             std::string_view actual) {
  std::istringstream wanted(expected);
  std::istringstream got{std::string(actual)};
  std::string a;
  std::string b;
  for (int line = 1; wanted || got; ++line) {
    a.clear();
    b.clear();
    std::getline(wanted, a);
    std::getline(got, b);
    if (a == b) continue;
    return name + ":" + std::to_string(line) + ":\n  expected: " + a + "\n  actual:   " + b +
           "\n(VITALS_UPDATE_GOLDEN=1 rewrites it)";
  }
  return name + ": the end of the last line differs";
}

}  // namespace

fs::path source_dir() {
#ifdef VITALS_SOURCE_DIR
  return VITALS_SOURCE_DIR;
#else
  if (const char* given = std::getenv("VITALS_SOURCE_DIR")) return given;
  for (fs::path at = fs::current_path(); at.has_relative_path(); at = at.parent_path()) {
    if (fs::exists(at / "tests" / "golden")) return at;
  }
  throw std::runtime_error("no tests/golden upwards from here; set VITALS_SOURCE_DIR");
#endif
}

std::string read_file(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string golden_difference(const std::string& name, std::string_view actual) {
  const auto file = source_dir() / "tests" / "golden" / name;
  const char* update = std::getenv("VITALS_UPDATE_GOLDEN");
  if (update != nullptr && std::string_view(update) == "1") {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << actual;
    return {};
  }
  if (!fs::exists(file)) return "no " + file.string() + "; VITALS_UPDATE_GOLDEN=1 writes it";
  const auto expected = read_file(file);
  return expected == actual ? "" : first_difference(name, expected, actual);
}

}  // namespace vitals::test
