// `vitals lint FILE...`: reads each fly.toml and its neighbours, prints what is wrong with them.
#include <cstdio>
#include <filesystem>

#include "agent/cli/commands.hpp"
#include "agent/config/file_text.hpp"
#include "agent/lint/lint.hpp"

namespace vitals::cli {
namespace {

namespace fs = std::filesystem;

/// What stands beside the file is looked at when it is there: it is nobody's argument.
std::optional<lint::SourceFile> neighbour(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  auto text = config::read_whole_file(file.string());
  if (!text) return std::nullopt;
  return lint::SourceFile{file.string(), std::move(text).value()};
}

Result<lint::Input> read_input(const fs::path& file) {
  auto text = config::read_whole_file(file.string());
  if (!text) return text.error();
  lint::Input input;
  input.fly = {file.string(), std::move(text).value()};
  const fs::path folder = file.parent_path();
  input.vitals = neighbour(folder / "vitals.toml");
  if (const auto dockerfile = lint::dockerfile_of(input.fly.text)) {
    input.dockerfile = neighbour(folder / *dockerfile);
  }
  return input;
}

}  // namespace

int lint(const Arguments& arguments) {
  if (arguments.names.empty()) {
    return complain("lint: name at least one file, as in 'vitals lint fly.toml'", exit_usage);
  }
  std::size_t found = 0;
  int code = exit_ok;
  for (const std::string& name : arguments.names) {
    const auto input = read_input(name);
    if (!input) {
      code = complain(input.error().message, exit_usage);
      continue;
    }
    const auto lines = lint::lint(input.value());
    for (const std::string& line : lines) std::printf("%s\n", line.c_str());
    if (lines.empty()) std::printf("%s: ok\n", name.c_str());
    found += lines.size();
  }
  if (found == 0) return code;
  std::fprintf(stderr, "vitals: %zu finding%s; each says why it matters and what to write\n", found,
               found == 1 ? "" : "s");
  return code == exit_ok ? exit_fail : code;
}

}  // namespace vitals::cli
