// Reads Postgres connection strings: which parts matter, which pass through, which are ignored.
#include "probes/postgres_url.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <vitals/text.hpp>

#include "probes/headers.hpp"

namespace vitals::postgres {
namespace {

constexpr std::string_view form = "write postgres://user:password@host:5432/database";

using Parameters = std::map<std::string, std::string, std::less<>>;

/// How a parameter of libpq is treated here.
enum class Treatment {
  ours,     // read below: where, who, which server
  pass,     // handed to libpq
  silent,   // settled by vitals: its deadline, its name
  refused,  // would mean something that does not happen: a mistake
};
struct Known {
  std::string_view key;
  Treatment treatment;
  std::string_view choices{};       // "a|b": the values libpq knows; empty: any
  std::string_view way_out = form;  // of what is refused
};
constexpr std::string_view tls_versions = "TLSv1|TLSv1.1|TLSv1.2|TLSv1.3";
constexpr std::array known_keys{
    Known{"host", Treatment::ours},
    Known{"hostaddr", Treatment::ours},
    Known{"port", Treatment::ours},
    Known{"user", Treatment::ours},
    Known{"password", Treatment::ours},
    Known{"dbname", Treatment::ours},
    Known{"target_session_attrs", Treatment::ours,
          "any|read-write|read-only|primary|standby|prefer-standby"},
    Known{"load_balance_hosts", Treatment::ours, "disable|random"},
    Known{"sslmode", Treatment::pass, "disable|allow|prefer|require|verify-ca|verify-full"},
    Known{"sslnegotiation", Treatment::pass, "postgres|direct"},
    Known{"sslrootcert", Treatment::pass},
    Known{"sslcert", Treatment::pass},
    Known{"sslkey", Treatment::pass},
    Known{"sslcertmode", Treatment::pass, "disable|allow|require"},
    Known{"sslpassword", Treatment::pass},
    Known{"sslcrl", Treatment::pass},
    Known{"sslcrldir", Treatment::pass},
    Known{"sslsni", Treatment::pass, "0|1"},
    Known{"ssl_min_protocol_version", Treatment::pass, tls_versions},
    Known{"ssl_max_protocol_version", Treatment::pass, tls_versions},
    Known{"channel_binding", Treatment::pass, "disable|prefer|require"},
    Known{"require_auth", Treatment::pass},
    Known{"requirepeer", Treatment::refused, {}, "vitals knows no user database; leave it out"},
    Known{"options", Treatment::pass},
    Known{"passfile",
          Treatment::refused,
          {},
          "write url = { file = \"/path\" } for a URL with its password in a file"},
    Known{"keepalives", Treatment::silent},
    Known{"keepalives_idle", Treatment::silent},
    Known{"keepalives_interval", Treatment::silent},
    Known{"keepalives_count", Treatment::silent},
    Known{"tcp_user_timeout", Treatment::silent},
    Known{"connect_timeout", Treatment::silent},
    Known{"application_name", Treatment::silent},
    Known{"fallback_application_name", Treatment::silent},
    Known{"sslcompression", Treatment::silent},
    Known{"gssencmode", Treatment::silent},
    Known{"service", Treatment::refused},
    Known{"replication", Treatment::refused},
};

const Known* find_known(std::string_view key) {
  const auto* found = std::find_if(known_keys.begin(), known_keys.end(),
                                   [&](const Known& known) { return known.key == key; });
  return found == known_keys.end() ? nullptr : found;
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const auto end = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, end) == value) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

std::string joined(std::string_view choices) {
  std::string text(choices);
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos;)
    text.replace(at, 1, ", ");
  return text;
}

/// A name fit to be shown: a misread password would not look like this for long.
bool is_plain_key(std::string_view key) {
  return !key.empty() && key.size() <= 40 &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// ---- the two written forms --------------------------------------------------------------------

/// One "host", "host:port", "[v6]:port" of a URI; percent-encoded.
void read_host(std::string_view text, std::string& hosts, std::string& ports, bool first) {
  std::string_view host = text;
  std::string_view port;
  const auto bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  if (bracket != std::string_view::npos) {
    host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (port.starts_with(':')) port.remove_prefix(1);
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  hosts += (first ? "" : ",") + net::percent_decode(host);
  ports += (first ? "" : ",") + net::percent_decode(port);
}

void read_authority(std::string_view authority, Parameters& parameters) {
  // A password with a raw '@' in it is a mistake that libpq would read into the host; the last one
  // is the one that is meant.
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const auto user = authority.substr(0, at);
    const auto colon = user.find(':');
    parameters["user"] = net::percent_decode(user.substr(0, colon));
    if (colon != std::string_view::npos) {
      parameters["password"] = net::percent_decode(user.substr(colon + 1));
    }
    authority.remove_prefix(at + 1);
  }
  std::string hosts;
  std::string ports;
  bool first = true;
  for (const auto& host : split(authority, ',')) {
    read_host(host, hosts, ports, first);
    first = false;
  }
  if (hosts.find_first_not_of(',') != std::string::npos) parameters["host"] = hosts;
  if (ports.find_first_not_of(',') != std::string::npos) parameters["port"] = ports;
}

void read_query(std::string_view query, Parameters& parameters) {
  if (query.empty()) return;
  for (const auto& pair : split(query, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos) continue;
    const auto key = net::percent_decode(std::string_view(pair).substr(0, equals));
    parameters[key] = net::percent_decode(std::string_view(pair).substr(equals + 1));
  }
}

Parameters read_uri(std::string_view rest) {
  Parameters parameters;
  auto end = std::min(rest.find('/'), rest.size());
  // Without a path the query may follow the host; a '?' before the '@' belongs to the password.
  const auto at = rest.substr(0, end).find('@');
  end = std::min(end, rest.find('?', at == std::string_view::npos ? 0 : at));
  read_authority(rest.substr(0, end), parameters);
  rest.remove_prefix(end);
  const auto question = std::min(rest.find('?'), rest.size());
  if (question > 1) parameters["dbname"] = net::percent_decode(rest.substr(1, question - 1));
  if (question < rest.size()) read_query(rest.substr(question + 1), parameters);
  return parameters;
}

/// `key = 'quoted \' value'`, separated by white space.
class KeyValueReader {
 public:
  explicit KeyValueReader(std::string_view text) : rest_(text) {}

  Result<Parameters> read() {
    Parameters parameters;
    for (skip_space(); !rest_.empty(); skip_space()) {
      const auto end = rest_.find_first_of("= \t\r\n");
      const std::string key(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end, rest_.size()));
      skip_space();
      if (!rest_.starts_with('=')) return Error{"not a Postgres URL; " + std::string(form)};
      rest_.remove_prefix(1);
      skip_space();
      const auto value = take_value();
      if (!value) return Error{"a quoted value does not end; close it with '"};
      parameters[key] = *value;
    }
    return parameters;
  }

 private:
  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  std::optional<std::string> take_value() {
    const bool quoted = rest_.starts_with('\'');
    if (quoted) rest_.remove_prefix(1);
    std::string value;
    while (!rest_.empty()) {
      char c = rest_.front();
      if (quoted ? c == '\'' : std::string_view(" \t\r\n").find(c) != std::string_view::npos) break;
      if (c == '\\' && rest_.size() > 1) {
        rest_.remove_prefix(1);
        c = rest_.front();
      }
      value += c;
      rest_.remove_prefix(1);
    }
    if (quoted && rest_.empty()) return std::nullopt;
    if (quoted) rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
};

/// What follows "postgres://" and its kin; nothing when it is another text.
std::optional<std::string_view> after_scheme(std::string_view text) {
  const auto mark = text.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  std::string scheme = to_lower(text.substr(0, mark));
  // SQLAlchemy names a driver: postgresql+asyncpg://
  scheme = scheme.substr(0, scheme.find('+'));
  if (scheme != "postgres" && scheme != "postgresql") return std::nullopt;
  return text.substr(mark + 3);
}

// ---- what it means ------------------------------------------------------------------------------

std::string taken(Parameters& parameters, std::string_view key) {
  const auto found = parameters.find(key);
  return found == parameters.end() ? std::string() : found->second;
}

Result<std::uint16_t> read_port(const std::string& text) {
  if (text.empty()) return default_port;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65'535) {
    return Error{
        "the port is not a number from 1 to 65535 (is a '/', '?', '#' or '@' of the "
        "password written as %2F, %3F, %23, %40?); " +
        std::string(form)};
  }
  return static_cast<std::uint16_t>(port);
}

Result<std::vector<Server>> read_servers(Parameters& parameters) {
  const auto hosts = taken(parameters, "host");
  const auto addresses = taken(parameters, "hostaddr");
  if (hosts.empty() && addresses.empty()) return Error{"no host; " + std::string(form)};
  const auto host_list = split(hosts.empty() ? addresses : hosts, ',');
  const auto address_list = split(addresses, ',');
  const auto port_list = split(taken(parameters, "port"), ',');
  if (host_list.size() > hosts_max) return Error{"more than 16 hosts; name fewer"};
  if (!addresses.empty() && address_list.size() != host_list.size()) {
    return Error{"'hostaddr' and 'host' name different numbers of hosts; give one for each"};
  }
  if (port_list.size() != 1 && port_list.size() != host_list.size()) {
    return Error{
        "'port' and 'host' have different numbers of entries; give one port or one for each"};
  }
  std::vector<Server> servers;
  for (std::size_t i = 0; i < host_list.size(); ++i) {
    const auto port = read_port(port_list[port_list.size() == 1 ? 0 : i]);
    if (!port) return port.error();
    if (host_list[i].empty()) return Error{"an empty host; " + std::string(form)};
    const auto& address = addresses.empty() ? std::string() : address_list[i];
    if (!address.empty() && !net::numeric_address(address, port.value())) {
      return Error{"'hostaddr' is not a numeric address; use 'host' for names"};
    }
    servers.push_back({host_list[i], address, port.value()});
  }
  return servers;
}

SessionAttrs read_attrs(const std::string& value) {
  for (const auto attrs : {SessionAttrs::read_write, SessionAttrs::read_only, SessionAttrs::primary,
                           SessionAttrs::standby}) {
    if (to_keyword(attrs) == value) return attrs;
  }
  return value == "prefer-standby" ? SessionAttrs::prefer_standby : SessionAttrs::any;
}

/// Spellings of drivers that mean one of libpq's.
void translate(Parameters& parameters) {
  // node-postgres, JDBC.
  const auto ssl = parameters.find("ssl");
  if (ssl != parameters.end()) {
    const bool on = ssl->second == "true" || ssl->second == "1";
    if (on && !parameters.contains("sslmode")) parameters["sslmode"] = "require";
    parameters.erase(ssl);
  }
  const auto mode = parameters.find("sslmode");
  if (mode != parameters.end() && mode->second == "no-verify") mode->second = "require";
}

/// libpq would look into ~/.postgresql, where an agent has nothing: the system's trust store it is.
std::optional<Error> settle_trust(Parameters& parameters) {
  const auto mode = taken(parameters, "sslmode");
  const auto root = taken(parameters, "sslrootcert");
  if (root == "system" && mode.empty()) parameters["sslmode"] = "verify-full";
  if (root == "system" && !mode.empty() && mode != "verify-full") {
    return Error{"sslrootcert=system needs sslmode=verify-full"};
  }
  if (root.empty() && mode == "verify-full") parameters["sslrootcert"] = "system";
  if (root.empty() && mode == "verify-ca") {
    return Error{"sslmode=verify-ca needs sslrootcert=/path/to/ca.pem (or use verify-full)"};
  }
  return std::nullopt;
}

std::optional<Error> read_keywords(const Parameters& parameters, Target& target) {
  for (const auto& [key, value] : parameters) {
    const Known* known = find_known(key);
    if (known == nullptr) {
      target.ignored.push_back(is_plain_key(key) ? key : "(unreadable)");
      continue;
    }
    if (value.empty()) continue;
    if (value.find('\0') != std::string::npos) return Error{"'" + key + "' has a zero byte"};
    if (!known->choices.empty() && !is_choice(known->choices, value)) {
      return Error{"'" + key + "' must be one of " + joined(known->choices)};
    }
    switch (known->treatment) {
      case Treatment::pass:
        target.keywords.emplace_back(key, value);
        break;
      case Treatment::refused:
        return Error{"'" + key + "' does not work here; " + std::string(known->way_out)};
      case Treatment::ours:
      case Treatment::silent:
        break;
    }
  }
  return std::nullopt;
}

Result<Target> to_target(Parameters parameters, std::string (*default_user)()) {
  translate(parameters);
  if (const auto error = settle_trust(parameters)) return *error;
  Target target;
  if (const auto error = read_keywords(parameters, target)) return *error;
  auto servers = read_servers(parameters);
  if (!servers) return servers.error();
  target.servers = std::move(servers).value();
  target.user = taken(parameters, "user");
  if (target.user.empty()) target.user = default_user();
  if (target.user.empty()) return Error{"no user; " + std::string(form)};
  target.password = taken(parameters, "password");
  target.database = taken(parameters, "dbname");
  if (target.database.empty()) target.database = target.user;
  target.attrs = read_attrs(taken(parameters, "target_session_attrs"));
  target.shuffle = taken(parameters, "load_balance_hosts") == "random";
  return target;
}

/// What "-c name=value" and "--name=value" of `options` set for an app (its names have a dot, those
/// of Postgres have none) and that may be a secret. Blanks in a value are escaped with a backslash.
void add_option_values(std::string_view options, std::vector<std::string>& secrets) {
  constexpr std::size_t secret_min = 8;
  std::string word;
  const auto take = [&] {
    const std::string setting = std::exchange(word, {});
    const auto equals = setting.find('=');
    if (equals == std::string::npos) return;
    const auto name = std::string_view(setting).substr(0, equals);
    const auto value = setting.substr(equals + 1);
    const bool of_app = name.find('.') != std::string_view::npos;
    if (of_app && (value.size() >= secret_min || http::names_a_secret(name))) {
      secrets.push_back(value);
    }
  };
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (std::string_view(" \t\r\n").find(options[i]) != std::string_view::npos) {
      take();
      continue;
    }
    if (options[i] == '\\' && i + 1 < options.size()) ++i;
    word += options[i];
  }
  take();
}

}  // namespace

std::string_view to_keyword(SessionAttrs attrs) {
  switch (attrs) {
    case SessionAttrs::any:
      return "any";
    case SessionAttrs::read_write:
      return "read-write";
    case SessionAttrs::read_only:
      return "read-only";
    case SessionAttrs::primary:
      return "primary";
    case SessionAttrs::standby:
    case SessionAttrs::prefer_standby:
      return "standby";
  }
  VITALS_ASSERT(false);
  return {};
}

bool Server::is_unix() const {
  return hostaddr.empty() && (host.starts_with('/') || host.starts_with('@'));
}

net::Endpoint Server::endpoint() const {
  net::Endpoint endpoint;
  if (is_unix()) {
    endpoint.unix_path = host + "/.s.PGSQL." + std::to_string(port);
  } else {
    endpoint.host = hostaddr.empty() ? host : hostaddr;
    endpoint.port = port;
  }
  return endpoint;
}

std::string user_in(std::string_view passwd, std::uint32_t uid) {
  constexpr std::size_t uid_field = 2;
  for (const auto& line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() > uid_field && fields[uid_field] == std::to_string(uid)) return fields[0];
  }
  return {};
}

std::string system_user() {
  std::ifstream file("/etc/passwd", std::ios::binary);
  const std::string passwd{std::istreambuf_iterator<char>(file), {}};
  return user_in(passwd, geteuid());
}

Result<Target> parse_url(std::string_view text, std::string (*default_user)()) {
  if (const auto rest = after_scheme(text)) return to_target(read_uri(*rest), default_user);
  if (text.find("://") != std::string_view::npos || text.find('=') == std::string_view::npos) {
    return Error{"not a Postgres URL; " + std::string(form)};
  }
  auto parameters = KeyValueReader(text).read();
  if (!parameters) return parameters.error();
  return to_target(std::move(parameters).value(), default_user);
}

std::vector<std::string> secrets_of(const Target& target) {
  std::vector<std::string> secrets;
  if (!target.password.empty()) secrets.push_back(target.password);
  for (const auto& [key, value] : target.keywords) {
    if (key == "sslpassword") secrets.push_back(value);
    if (key == "options") add_option_values(value, secrets);
  }
  return secrets;
}

}  // namespace vitals::postgres
