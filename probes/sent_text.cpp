// Finds passwords and tokens in commands, messages and bodies that people configure.
#include "probes/sent_text.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <vitals/secrets.hpp>
#include <vitals/text.hpp>
#include <vitals/words.hpp>

namespace vitals {
namespace {

constexpr std::string_view blanks = " \t\r\n";
constexpr auto none = std::string_view::npos;

/// A shorter value of a message or a form is a word such as "on" or "admin", unless its name says
/// otherwise.
constexpr std::size_t value_secret_min = 8;

/// So many strings, values and long tokens of one text are known by themselves. A body with more is
/// data; looking for each of them in every answer would cost more than the attempt.
constexpr std::size_t values_max = 256;

/// Nobody's password on purpose. A closed list: what is not known is hidden.
constexpr std::array<std::string_view, 60> protocol_words{
    "get",       "head",   "options", "/",        "http/1.0",   "http/1.1", "host",  "localhost",
    "127.0.0.1", "accept", "*/*",     "close",    "connection", "ping",     "pong",  "*1",
    "$4",        "quit",   "exit",    "noop",     "help",       "stat",     "stats", "status",
    "version",   "info",   "ruok",    "mntr",     "srvr",       "time",     "echo",  "hello",
    "helo",      "ehlo",   "lhlo",    "starttls", "capability", "logout",   "type",  "event",
    "op",        "action", "method",  "cmd",      "command",    "message",  "data",  "id",
    "jsonrpc",   "2.0",    "params",  "1",        "health",     "healthz",  "ready", "alive",
    "heartbeat", "test",   "hi",      "vitals"};

http::SecretSink at_most(std::size_t count, const http::SecretSink& add_secret) {
  return [left = count, &add_secret](std::string_view value) mutable {
    if (left == 0) return;
    --left;
    add_secret(value);
  };
}

/// The first word of `text`, taken off its front; empty when there is none left.
std::string_view take_word(std::string_view& text, std::string_view separators) {
  text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
  const auto word = text.substr(0, text.find_first_of(separators));
  text.remove_prefix(word.size());
  return word;
}

std::string_view take_line(std::string_view& text) {
  const auto line = text.substr(0, text.find_first_of("\r\n"));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

std::string_view trimmed(std::string_view text) {
  const auto first = std::min(text.find_first_not_of(blanks), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

bool is_login(std::string_view word) {
  constexpr std::array<std::string_view, 3> commands{"AUTH", "PASS", "LOGIN"};
  return std::any_of(commands.begin(), commands.end(),
                     [&](auto command) { return same_ignoring_case(command, word); });
}

/// "AUTH name password", with a tag before it as IMAP has one: every argument, and every rest.
void hide_login(std::string_view line, const http::SecretSink& add_secret) {
  const auto first = take_word(line, blanks);
  if (!is_login(first) && !is_login(take_word(line, blanks))) return;
  while (!trimmed(line).empty()) {
    add_secret(trimmed(line));
    add_secret(take_word(line, blanks));
  }
}

bool is_name_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

/// Letters, digits and what tokens have between them (RFC 7235 token68).
bool is_token_byte(char c) {
  return is_name_byte(c) || std::string_view(".~+/=").find(c) != std::string_view::npos;
}

std::string without_backslashes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

/// `rest` begins after the opening quote.
void hide_quoted(std::string_view rest, char quote, const http::SecretSink& add_secret) {
  std::size_t end = 0;
  while (end < rest.size() && rest[end] != quote) end += rest[end] == '\\' ? 2 : 1;
  const auto value = rest.substr(0, end);
  add_secret(value);
  if (value.find('\\') != std::string_view::npos) add_secret(without_backslashes(value));
}

/// What is assigned to a name that `rest` follows: `": "x"`, `=x&`, ` = 'x'`.
void hide_value(std::string_view rest, const http::SecretSink& add_secret) {
  constexpr std::string_view quotes = "\"'`";
  if (!rest.empty() && quotes.find(rest.front()) != std::string_view::npos) rest.remove_prefix(1);
  rest = rest.substr(std::min(rest.find_first_not_of(blanks), rest.size()));
  if (rest.empty() || (rest.front() != ':' && rest.front() != '=')) return;
  rest.remove_prefix(1);
  rest = rest.substr(std::min(rest.find_first_not_of(blanks), rest.size()));
  if (rest.empty()) return;
  if (quotes.find(rest.front()) != std::string_view::npos) {
    return hide_quoted(rest.substr(1), rest.front(), add_secret);
  }
  add_secret(rest.substr(0, rest.find_first_of(" \t\r\n&;,})]\"'")));
}

void hide_named(std::string_view line, const http::SecretSink& add_secret) {
  for (std::size_t begin = 0; begin < line.size();) {
    std::size_t end = begin;
    while (end < line.size() && is_name_byte(line[end])) ++end;
    if (end > begin && http::names_a_secret(line.substr(begin, end - begin))) {
      hide_value(line.substr(end), add_secret);
    }
    begin = end + 1;
  }
}

/// Names have no digits, long tokens do.
void hide_tokens(std::string_view line, const http::SecretSink& add_secret) {
  constexpr std::size_t token_min = 16;
  while (!line.empty()) {
    const auto end = std::find_if_not(line.begin(), line.end(), is_token_byte);
    const auto word = line.substr(0, static_cast<std::size_t>(end - line.begin()));
    const bool digits = word.find_first_of("0123456789") != std::string_view::npos;
    if (word.size() >= token_min && digits) add_secret(word);
    line.remove_prefix(std::min(word.size() + 1, line.size()));
  }
}

/// Letters and what joins them: "eth_blockNumber", "chat.subscribe".
bool is_plain_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || std::string_view("_-./:").find(c) != none;
  });
}

/// Whether a key of JSON says what a message is: servers quote such names, and nobody hides them.
bool names_the_message(std::string_view key) {
  constexpr std::array<std::string_view, 9> keys{
      "type", "event", "op", "action", "kind", "method", "cmd", "command", "operationName"};
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_value_secret(std::string_view value) {
  return value.size() >= value_secret_min && !is_harmless(value) && !is_own_word(value);
}

/// Strings of JSON that are values, whatever they are called: a server may name one alone.
void hide_strings(std::string_view text, const http::SecretSink& add_secret) {
  std::string_view key;
  for (auto at = text.find('"'); at != none; at = text.find('"', at + 1)) {
    const auto before = at == 0 ? none : text.find_last_not_of(blanks, at - 1);
    const bool inside = before != none && std::string_view(":[,").find(text[before]) != none;
    auto end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) return;
    const auto string = text.substr(at + 1, end - at - 1);
    at = end;
    const auto after = text.find_first_not_of(blanks, end + 1);
    if (after != none && text[after] == ':') {
      key = string;
      continue;
    }
    const bool shown = names_the_message(key) && is_plain_name(string);
    const bool ordinary = is_ordinary(string) && !http::names_a_secret(key);
    if (!inside || shown || ordinary || !is_value_secret(string)) continue;
    add_secret(string);
    if (string.find('\\') != none) add_secret(without_backslashes(string));
  }
}

/// "a=1&key=value", as forms are sent.
void hide_form(std::string_view line, const http::SecretSink& add_secret) {
  if (line.find_first_of(" \t\"'{}<>") != none) return;
  while (!line.empty()) {
    const auto pair = line.substr(0, line.find('&'));
    line.remove_prefix(std::min(pair.size() + 1, line.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    std::string value(pair.substr(std::min(equals + 1, pair.size())));
    if (is_ordinary(value) || !is_value_secret(value)) continue;
    add_secret(value);
    std::replace(value.begin(), value.end(), '+', ' ');
    add_secret(value);
  }
}

}  // namespace

bool is_harmless(std::string_view text) {
  constexpr std::string_view separators = " \t\r\n{}[]\",:";
  while (true) {
    const auto word = take_word(text, separators);
    if (word.empty()) return true;
    const bool known = std::any_of(protocol_words.begin(), protocol_words.end(),
                                   [&](auto each) { return same_ignoring_case(each, word); });
    if (!known) return false;
  }
}

void hide_parts(std::string_view text, const http::SecretSink& add_secret) {
  const auto add_token = at_most(values_max, add_secret);
  for (auto rest = text; !rest.empty();) hide_tokens(take_line(rest), add_token);
  for (const auto& header : http::header_lines(text)) {
    http::hide_header_parts(header.name, header.value, add_secret);
  }
  while (!text.empty()) {
    const auto line = take_line(text);
    hide_login(line, add_secret);
    hide_named(line, add_secret);
  }
}

void hide_sent(std::string_view text, const http::SecretSink& add_secret) {
  const auto add_value = at_most(values_max, add_secret);
  hide_strings(text, add_value);
  for (auto rest = text; !rest.empty();) {
    const auto line = trimmed(take_line(rest));
    hide_form(line, add_value);
    if (!is_harmless(line)) add_secret(line);
  }
  // Last, for of what files hold only the youngest secrets are kept.
  hide_parts(text, add_secret);
}

}  // namespace vitals
