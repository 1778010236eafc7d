// Finds the configuration, reads it with the kinds of this program, and prints it.
#include "agent/config/config.hpp"

#include "agent/config/file_text.hpp"
#include "agent/config/loader.hpp"
#include "probes/registry.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

/// The files of one configuration while it is loaded.
struct FileMemory {
  bool loading = true;
  Files kept;  // by the agent before us
  Files read;
};

config::FileReader remembering(const std::shared_ptr<FileMemory>& memory) {
  return [memory](const std::string& path) {
    auto content = config::read_text_file(path);
    if (!memory->loading) return content;
    const auto kept = memory->kept.find(path);
    if (!content && kept != memory->kept.end()) content = kept->second;
    if (content) memory->read[path] = content.value();
    return content;
  };
}

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

Result<Config, ConfigMistakes> config_of(config::LoadInput input, Files kept) {
  const auto memory = std::make_shared<FileMemory>();
  memory->kept = std::move(kept);
  input.read_file = remembering(memory);
  auto loaded = config::load(input);
  memory->loading = false;
  memory->kept.clear();
  if (!loaded) return loaded.error();
  Config config = std::move(std::move(loaded).value().config);
  if (input.text) {
    config.origin =
        ConfigOrigin{std::move(input.name), *std::move(input.text), std::move(memory->read)};
  }
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
    // Only what is not there is passed over: one that can't be read, or a link to a file that is
    // not mounted, is worth an error.
    if (fs::symlink_status(place, error).type() != fs::file_type::not_found) return fs::path(place);
  }
  return std::nullopt;
}

Result<Config, ConfigMistakes> load_config(const ConfigSource& source) {
  auto input = input_from(source);
  if (!input) return input.error();
  return config_of(std::move(input).value(), {});
}

Result<Config, ConfigMistakes> load_config(const ConfigSource& source, ConfigOrigin origin) {
  auto input = empty_input(source);
  input.name = std::move(origin.path);
  input.text = std::move(origin.text);
  return config_of(std::move(input), std::move(origin.files));
}

Result<ServerConfig, ConfigMistakes> load_server_access(const ConfigSource& source) {
  const auto input = input_from(source);
  if (!input) return input.error();
  return config::load_access(input.value());
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
