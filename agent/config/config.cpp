// Finds the configuration, reads it with the kinds of this program, and prints it.
#include "agent/config/config.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <vitals/fd.hpp>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"

namespace vitals {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t config_max = 4 * 1024 * 1024;

Error cannot_read(const fs::path& file, const std::string& cause) {
  return Error{file.string() + ": cannot read it: " + cause};
}

Result<std::string> read_config_file(const fs::path& file) {
  // A pipe is fine here: vitals validate --config <(…).
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return cannot_read(file, std::strerror(errno));
  std::string text;
  char buffer[16 * 1024];
  while (text.size() <= config_max) {
    const auto got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(file, std::strerror(errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return cannot_read(file, "more than 4 MiB");
}

Result<config::Loaded, ConfigMistakes> load(const ConfigSource& source) {
  config::LoadInput input;
  input.environment = source.environment;
  input.environment_names = source.environment_names;
  input.kinds = all_kinds();
  const auto file = find_config(source);
  input.name = file ? file->string() : "environment";
  if (file) {
    auto text = read_config_file(*file);
    if (!text) return ConfigMistakes{{text.error().message}};
    input.text = std::move(text).value();
  }
  return config::load(input);
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
  auto loaded = load(source);
  if (!loaded) return loaded.error();
  return std::move(std::move(loaded).value().config);
}

Result<std::string, ConfigMistakes> print_config(const ConfigSource& source) {
  const auto loaded = load(source);
  if (!loaded) return loaded.error();
  return config::print(loaded.value());
}

}  // namespace vitals
