// The configuration as the program uses it, and the one way to load it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/check.hpp>
#include <vitals/probe.hpp>
#include <vitals/result.hpp>
#include <vitals/secrets.hpp>
#include <vitals/settings.hpp>

#include "agent/config/app_config.hpp"
#include "agent/config/autostop_config.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals {

enum class Details { private_, always, token, never };
enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat { logfmt, json };

struct ServerConfig {
  std::string listen = "[::]:9100";
  /// Read per use; an empty value means: no token.
  Text token;
  Details details = Details::private_;
  std::set<Exporter> compat;
};

struct LogConfig {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::logfmt;
};

/// `[fleet]`: who is asked about failing shared critical checks.
struct FleetConfig {
  std::string peers;  // a name; empty: nobody
  std::uint16_t port = 9'100;
  std::size_t sample = 8;
};

/// A check ready to run.
struct ConfiguredCheck {
  std::shared_ptr<const CheckSpec> spec;
  std::unique_ptr<Probe> probe;
  std::shared_ptr<SecretSet> secrets;
  /// MadeProbe::signal: empty for kinds that nobody calls in to.
  std::function<void(Instant now)> signal;
};

/// What a configuration was read from, to make it again when that has gone bad. Holds secrets.
struct ConfigOrigin {
  std::string path;
  std::string text;
  /// Each `{ file = "/path" }` as it was when the configuration was loaded, by path.
  std::map<std::string, std::string> files;
};

struct Config {
  /// "vitals.toml", or "environment".
  std::string source;
  /// Nothing: made from the environment.
  std::optional<ConfigOrigin> origin;
  ServerConfig server;
  /// The token and the secrets of all checks, each of which scrubs with these as well.
  std::shared_ptr<SecretSet> secrets;
  LogConfig log;
  AppConfig app;
  SharedRule shared_rule = SharedRule::fleet;
  FleetConfig fleet;
  AutostopConfig autostop;
  std::vector<ConfiguredCheck> checks;
  /// Checks made of checks: no probe. Their members are in `checks`.
  std::vector<std::shared_ptr<const CheckSpec>> groups;
  /// Things worth one log line each: an ignored URL parameter, UPSTASH_REDIS_REST_URL beside
  /// REDIS_URL.
  std::vector<std::string> remarks;
};

/// Reads environment variables; nullopt when unset. main passes getenv, tests a table.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
/// All names that are set, for VITALS_CHECK_<NAME>.
using EnvironmentNames = std::function<std::vector<std::string>()>;

struct ConfigSource {
  std::optional<std::filesystem::path> file;  // --config
  Environment environment;
  EnvironmentNames environment_names;
};

/// All mistakes at once, one "file:line:column: path: message" each, in file order.
struct ConfigMistakes {
  std::vector<std::string> lines;
  /// A way out of all of them together; empty: each line has its own.
  std::string_view way_out{};
};

/// Which file the search order of contract §2 picks: --config, $VITALS_CONFIG, ./vitals.toml,
/// /etc/vitals.toml; nothing: the environment is discovered (§3.3).
[[nodiscard]] std::optional<std::filesystem::path> find_config(const ConfigSource& source);

/// Reads, checks and builds everything, or says all that is wrong. Blocking disk I/O.
[[nodiscard]] Result<Config, ConfigMistakes> load_config(const ConfigSource& source);
/// The same with the text of `origin` in the place of what the file holds now, and with its files
/// in the place of those that can't be read now. They stand in for loading alone: whoever reads one
/// later reads what is there.
[[nodiscard]] Result<Config, ConfigMistakes> load_config(const ConfigSource& source,
                                                         ConfigOrigin origin);

/// Where the agent listens, and its token, for whoever asks it: a check may name variables that the
/// one who asks does not have (cron). Mistakes elsewhere are none here.
[[nodiscard]] Result<ServerConfig, ConfigMistakes> load_server_access(const ConfigSource& source);

/// [app] user and no more, for a one-off command: mistakes elsewhere must not stop a release.
[[nodiscard]] Result<AppUser, ConfigMistakes> load_app_user(const ConfigSource& source);

/// The effective configuration as TOML with every secret as `***` (validate --print): what was
/// written, plus the defaults in force.
[[nodiscard]] Result<std::string, ConfigMistakes> print_config(const ConfigSource& source);

}  // namespace vitals
