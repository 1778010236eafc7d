// Finds the configuration, reads it with the kinds of this program, and prints it.
#include "agent/config/config.hpp"

#include "agent/config/file_text.hpp"
#include "agent/config/loader.hpp"
#include "probes/registry.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

config::LoadInput empty_input(const ConfigSource& source) {
  config::LoadInput input;
  input.environment = source.environment;
  input.environment_names = source.environment_names;
  input.kinds = all_kinds();
  const auto file = find_config(source);
  input.name = file ? file->string() : "environment";
  return input;
}

Result<config::LoadInput, ConfigMistakes> input_from(const ConfigSource& source) {
  auto input = empty_input(source);
  if (const auto file = find_config(source)) {
    auto text = config::read_whole_file(file->string());
    if (!text) return ConfigMistakes{{text.error().message}};
    input.text = std::move(text).value();
  }
  return input;
}

Result<Config, ConfigMistakes> config_of(const config::LoadInput& input) {
  auto loaded = config::load(input);
  if (!loaded) return loaded.error();
  Config config = std::move(std::move(loaded).value().config);
  config.text = input.text;
  return config;
}

Result<config::Loaded, ConfigMistakes> load(const ConfigSource& source) {
  const auto input = input_from(source);
  if (!input) return input.error();
  return config::load(input.value());
}

}  // namespace

std::optional<fs::path> find_config(const ConfigSource& source) {
  if (source.file) return source.file;
  const auto named = source.environment ? source.environment("VITALS_CONFIG") : std::nullopt;
  if (named && !named->empty()) return fs::path(*named);
  for (const char* place : {"vitals.toml", "/etc/vitals.toml"}) {
    std::error_code error;
    // Only what is not there is passed over: one that can't be read is worth an error.
    if (fs::status(place, error).type() != fs::file_type::not_found) return fs::path(place);
  }
  return std::nullopt;
}

Result<Config, ConfigMistakes> load_config(const ConfigSource& source) {
  const auto input = input_from(source);
  if (!input) return input.error();
  return config_of(input.value());
}

Result<Config, ConfigMistakes> load_config(const ConfigSource& source, std::string text) {
  auto input = empty_input(source);
  input.text = std::move(text);
  return config_of(input);
}

Result<AppUser, ConfigMistakes> load_app_user(const ConfigSource& source) {
  const auto input = input_from(source);
  if (!input) return input.error();
  return config::load_user(input.value());
}

Result<std::string, ConfigMistakes> print_config(const ConfigSource& source) {
  const auto loaded = load(source);
  if (!loaded) return loaded.error();
  return config::print(loaded.value());
}

}  // namespace vitals
