// Finds the secret stretches of a URL or connection string.
#include "agent/config/redact.hpp"

#include <algorithm>
#include <cctype>

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

void find_password(std::string_view url, std::size_t start, Reach reach,
                   std::vector<Stretch>& found) {
  const auto slash = url.find('/', start);
  const auto authority = url.substr(0, slash);
  const auto at = (reach == Reach::authority ? authority : url).rfind('@');
  if (at == std::string_view::npos || at < start) return;
  const auto colon = url.find(':', start);
  if (colon == std::string_view::npos || colon > at) return;
  found.push_back({colon + 1, at, true});
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

/// libpq's key=value form: password = 'it''s \'secret\''. Empty for what is no such string.
std::vector<Stretch> keyword_passwords(std::string_view text) {
  std::vector<Stretch> found;
  if (text.find("://") != std::string_view::npos) return found;
  constexpr std::string_view keyword = "password";
  for (auto at = text.find(keyword); at != std::string_view::npos;
       at = text.find(keyword, at + keyword.size())) {
    auto value = text.find_first_not_of(blanks, at + keyword.size());
    if (value == std::string_view::npos || text[value] != '=') continue;
    value = text.find_first_not_of(blanks, value + 1);
    if (value == std::string_view::npos) break;
    const bool quoted = text[value] == '\'';
    auto end = quoted ? value + 1 : value;
    while (end < text.size()) {
      if (text[end] == '\\')
        ++end;
      else if (quoted ? text[end] == '\'' : blanks.find(text[end]) != std::string_view::npos)
        break;
      ++end;
    }
    found.push_back({quoted ? value + 1 : value, std::min(end, text.size()), true});
  }
  return found;
}

/// Where the authority of a URL begins.
std::size_t authority_of(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == std::string_view::npos ? 0 : scheme + 3;
}

std::vector<Stretch> find_secrets(std::string_view url, Reach reach) {
  auto found = keyword_passwords(url);
  if (!found.empty()) return found;
  const auto start = authority_of(url);
  find_password(url, start, reach, found);
  // A '?' in front of the '@' belongs to a password that was not encoded.
  find_query_values(url, found.empty() ? start : found.back().end, found);
  std::erase_if(found, [](const Stretch& stretch) { return stretch.begin >= stretch.end; });
  return found;
}

/// What is not shown: as find_secrets(), and all that may be a secret in either reading.
std::vector<Stretch> find_hidden(std::string_view url) {
  const auto start = authority_of(url);
  if (!is_ambiguous(url, start) || !keyword_passwords(url).empty()) {
    return find_secrets(url, Reach::authority);
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
    out += url.substr(done, begin - done);
    out += "***";
    done = end;
  }
  out += url.substr(done);
  return out;
}

}  // namespace vitals::config
