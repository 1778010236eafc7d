// Any bytes as a config file: never a crash, never an endless run, and what is accepted prints as
// TOML again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <vitals/assert.hpp>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"

namespace {

vitals::config::LoadInput input_of(std::string text) {
  vitals::config::LoadInput input;
  input.name = "fuzz.toml";
  input.text = std::move(text);
  input.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "A") return "1";
    if (name == "URL") return "redis://:secret@127.0.0.1:1/0";
    return std::nullopt;
  };
  input.kinds = vitals::all_kinds();
  // No disk: a path may name anything, and only its content matters here.
  input.read_file = [](const std::string& path) -> vitals::Result<std::string> {
    if (path.size() % 2 == 0) return vitals::Error{"cannot read it"};
    return path;
  };
  return input;
}

/// "fuzz.toml:3:1: not TOML: …"
bool is_syntax_error(std::string_view line) {
  const auto message = line.find(": ");
  return message != std::string_view::npos && line.substr(message + 2).starts_with("not TOML");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto loaded =
      vitals::config::load(input_of(std::string(reinterpret_cast<const char*>(data), size)));
  if (!loaded) {
    VITALS_ASSERT(!loaded.error().lines.empty());
    return 0;
  }
  const auto printed = vitals::config::print(loaded.value());
  // Masked values may be refused by their kinds, but it is TOML.
  const auto again = vitals::config::load(input_of(printed));
  if (again) return 0;
  for (const auto& line : again.error().lines) VITALS_ASSERT(!is_syntax_error(line));
  return 0;
}
