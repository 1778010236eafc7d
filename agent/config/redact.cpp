// Finds the secret stretches of a URL or connection string.
#include "agent/config/redact.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <vitals/text.hpp>

namespace vitals::config {
namespace {

struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool password = false;
};

constexpr std::string_view blanks = " \t\r\n";

/// How far a user part may reach. In a URL that a kind accepted it ends at the first '/'; in one
/// that it refuses, somebody may have forgotten to encode the password, and it is a secret still.
enum class Reach { authority, anywhere };

/// Where a user alone is sent as Basic authentication: a token (GitHub, Sentry, Stripe). The user
/// of a database without a password is one that needs none.
bool is_web(std::string_view url) {
  const std::string scheme = to_lower(url.substr(0, url.find("://")));
  constexpr std::array<std::string_view, 6> schemes{"http", "https",     "ws",
                                                    "wss",  "http+unix", "ws+unix"};
  return std::find(schemes.begin(), schemes.end(), scheme) != schemes.end();
}

void find_password(std::string_view url, std::size_t start, Reach reach,
                   std::vector<Stretch>& found) {
  const auto slash = url.find('/', start);
  const auto authority = url.substr(0, slash);
  const auto at = (reach == Reach::authority ? authority : url).rfind('@');
  if (at == std::string_view::npos || at < start) return;
  const auto colon = std::min(url.find(':', start), at);
  if (colon + 1 < at) {
    found.push_back({colon + 1, at, true});
  } else if (reach == Reach::authority && is_web(url)) {
    found.push_back({start, colon, true});
  }
}

/// A '?' or '#' in front of an '@', and no '/' before either: a query without a path
/// (https://host:8443?key=abc@def), or a password that was not encoded (postgres://u:p?w@host).
/// Nobody can tell for sure, and either reading alone shows what the other hides.
bool is_ambiguous(std::string_view url, std::size_t start) {
  const auto mark = url.find_first_of("/?#", start);
  if (mark == std::string_view::npos || url[mark] == '/') return false;
  return url.find('@', mark) != std::string_view::npos;
}

void find_query_values(std::string_view url, std::size_t start, std::vector<Stretch>& found) {
  const auto fragment = std::min(url.find('#', start), url.size());
  auto from = url.find('?', start);
  while (from < fragment) {
    const auto end = std::min(url.find_first_of("&;", from + 1), fragment);
    const auto equals = url.find('=', from);
    if (equals < end)
      found.push_back({equals + 1, end, false});
    else
      found.push_back({from + 1, end, false});
    from = end;
  }
  if (fragment + 1 < url.size()) found.push_back({fragment + 1, url.size(), false});
}

/// What of libpq's key=value form may be shown. A closed list: drivers have spellings of their own
/// for a password, and options set what an app likes to.
constexpr std::array<std::string_view, 37> harmless_keys{"host",
                                                         "hostaddr",
                                                         "port",
                                                         "dbname",
                                                         "database",
                                                         "user",
                                                         "username",
                                                         "sslmode",
                                                         "ssl",
                                                         "sslnegotiation",
                                                         "sslcompression",
                                                         "sslrootcert",
                                                         "sslcert",
                                                         "sslkey",
                                                         "sslcertmode",
                                                         "sslcrl",
                                                         "sslcrldir",
                                                         "sslsni",
                                                         "ssl_min_protocol_version",
                                                         "ssl_max_protocol_version",
                                                         "channel_binding",
                                                         "require_auth",
                                                         "requirepeer",
                                                         "target_session_attrs",
                                                         "load_balance_hosts",
                                                         "connect_timeout",
                                                         "tcp_user_timeout",
                                                         "keepalives",
                                                         "keepalives_idle",
                                                         "keepalives_interval",
                                                         "keepalives_count",
                                                         "application_name",
                                                         "fallback_application_name",
                                                         "client_encoding",
                                                         "gssencmode",
                                                         "replication",
                                                         "passfile"};

/// What pools and drivers add to it. These show their values, too, but do not make a connection
/// string of a text: "service=billing state=down" is none.
constexpr std::array<std::string_view, 15> extra_harmless_keys{"schema",
                                                               "search_path",
                                                               "pgbouncer",
                                                               "service",
                                                               "krbsrvname",
                                                               "gsslib",
                                                               "gssdelegation",
                                                               "min_protocol_version",
                                                               "max_protocol_version",
                                                               "ssl_mode",
                                                               "sslaccept",
                                                               "connection_limit",
                                                               "pool_timeout",
                                                               "socket_timeout",
                                                               "statement_timeout"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](std::string_view each) { return same_ignoring_case(each, key); });
}

/// What else a value of that key may have in it: programs and their instances ("app (web:1)"), and
/// a user of Azure's ("me@server").
std::string_view extra_marks(std::string_view key) {
  constexpr std::array<std::string_view, 2> names{"application_name", "fallback_application_name"};
  constexpr std::array<std::string_view, 2> users{"user", "username"};
  if (holds(names, key)) return "()@:";
  return holds(users, key) ? "()@" : "";
}

bool is_key(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool names_a_password(std::string_view key) {
  const std::string lower = to_lower(key);
  return lower.find("pass") != std::string::npos || lower.find("pwd") != std::string::npos;
}

/// Whether a value is what it should be: not a whole URL, not pairs of another driver's form.
bool is_plain(std::string_view key, std::string_view value) {
  constexpr std::string_view address = "0123456789abcdefABCDEF:.,[]";
  if (value.find_first_not_of(address) == std::string_view::npos) return true;
  // "u:password@h"
  if (value.find('@', std::min(value.find(':'), value.size())) != std::string_view::npos) {
    return false;
  }
  const auto marks = std::string(" ._-,/+~*").append(extra_marks(key));
  return std::all_of(value.begin(), value.end(), [&](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string::npos;
  });
}

/// `key = 'quoted \' value'`; a word alone has no key.
struct Pair {
  std::string_view key;
  std::size_t begin = 0;
  std::size_t end = 0;
};

Pair value_at(std::string_view text, std::string_view key, std::size_t begin) {
  const bool quoted = begin < text.size() && text[begin] == '\'';
  if (quoted) ++begin;
  auto end = begin;
  while (end < text.size()) {
    if (text[end] == '\\')
      ++end;
    else if (quoted ? text[end] == '\'' : blanks.find(text[end]) != std::string_view::npos)
      break;
    ++end;
  }
  return {key, begin, std::min(end, text.size())};
}

std::vector<Pair> pairs_of(std::string_view text) {
  std::vector<Pair> pairs;
  for (auto at = text.find_first_not_of(blanks); at < text.size();
       at = text.find_first_not_of(blanks, at)) {
    const auto key_end = std::min(text.find_first_of("= \t\r\n", at), text.size());
    const auto equals = text.find_first_not_of(blanks, key_end);
    if (equals == std::string_view::npos || text[equals] != '=') {
      pairs.push_back({{}, at, key_end});
      at = key_end;
      continue;
    }
    const auto begin = std::min(text.find_first_not_of(blanks, equals + 1), text.size());
    pairs.push_back(value_at(text, text.substr(at, key_end - at), begin));
    const auto end = pairs.back().end;
    at = end < text.size() && text[end] == '\'' ? end + 1 : end;
  }
  return pairs;
}

/// Whether it is a connection string, and not some text with a '=' in it: it begins with a pair and
/// has a key that such strings have.
bool is_connection_string(const std::vector<Pair>& pairs) {
  return !pairs.empty() && is_key(pairs.front().key) &&
         std::any_of(pairs.begin(), pairs.end(), [](const Pair& pair) {
           return holds(harmless_keys, pair.key) || names_a_password(pair.key) ||
                  pair.key == "options";
         });
}

/// What is secret in libpq's key=value form, and whether all of the text has that form. Empty for
/// what is a URL, or has nothing to hide.
struct Keywords {
  std::vector<Stretch> secrets;
  bool whole = false;
};

Keywords keyword_secrets(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return {};
  if (text.substr(0, equals).find("://") != std::string_view::npos) return {};
  const auto pairs = pairs_of(text);
  const bool whole = is_connection_string(pairs);
  std::vector<Stretch> found;
  for (const auto& [key, begin, end] : pairs) {
    const auto value = text.substr(begin, end - begin);
    const bool known = holds(harmless_keys, key) || holds(extra_harmless_keys, key);
    const bool harmless = known && is_plain(key, value);
    // "a=1&password=x": pairs inside of a value.
    const bool nested = value.find('=') != std::string_view::npos && names_a_password(value);
    if (whole ? !harmless : names_a_password(key) || nested) found.push_back({begin, end, true});
  }
  return {std::move(found), whole};
}

/// Where the authority of a URL begins.
std::size_t authority_of(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == std::string_view::npos ? 0 : scheme + 3;
}

std::vector<Stretch> find_secrets(std::string_view url, Reach reach) {
  auto keywords = keyword_secrets(url);
  auto found = std::move(keywords.secrets);
  if (!keywords.whole) {
    const auto start = authority_of(url);
    std::vector<Stretch> of_url;
    find_password(url, start, reach, of_url);
    // A '?' in front of the '@' belongs to a password that was not encoded.
    find_query_values(url, of_url.empty() ? start : of_url.back().end, of_url);
    found.insert(found.end(), of_url.begin(), of_url.end());
  }
  std::erase_if(found, [](const Stretch& stretch) { return stretch.begin >= stretch.end; });
  return found;
}

/// What is not shown: as find_secrets(), and all that may be a secret in either reading.
std::vector<Stretch> find_hidden(std::string_view url) {
  const auto start = authority_of(url);
  if (!is_ambiguous(url, start) || keyword_secrets(url).whole) {
    auto found = find_secrets(url, Reach::authority);
    std::sort(found.begin(), found.end(),
              [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
    return found;
  }
  return {{url.find_first_of(":?#", start) + 1, url.size(), true}};
}

}  // namespace

std::vector<std::string> url_secrets(std::string_view url) {
  std::vector<std::string> secrets;
  const auto add = [&](const std::vector<Stretch>& found) {
    for (const auto& [begin, end, password] : found) {
      secrets.emplace_back(url.substr(begin, end - begin));
    }
  };
  for (const auto reach : {Reach::authority, Reach::anywhere}) add(find_secrets(url, reach));
  if (is_ambiguous(url, authority_of(url))) {
    std::vector<Stretch> found;
    find_query_values(url, authority_of(url), found);
    std::erase_if(found, [](const Stretch& stretch) { return stretch.begin >= stretch.end; });
    add(found);
  }
  return secrets;
}

std::vector<std::string> url_passwords(std::string_view url) {
  std::vector<std::string> passwords;
  for (const auto& [begin, end, password] : find_secrets(url, Reach::authority)) {
    if (password) passwords.emplace_back(url.substr(begin, end - begin));
  }
  return passwords;
}

std::string redact_url(std::string_view url) {
  std::string out;
  std::size_t done = 0;
  for (const auto& [begin, end, password] : find_hidden(url)) {
    // Two readings may have found the same.
    if (begin >= done) out += std::string(url.substr(done, begin - done)) + "***";
    done = std::max(done, end);
  }
  out += url.substr(done);
  return out;
}

}  // namespace vitals::config
