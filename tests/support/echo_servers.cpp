// HTTP, Redis and Postgres as far as it takes to hear a secret and say it again.
#include "tests/support/echo_servers.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "tests/support/canary.hpp"
#include "tests/support/websocket_peer.hpp"

namespace vitals::test {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int letter = std::tolower(static_cast<unsigned char>(c));
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 0;
}

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string base64_decoded(const std::string& text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = digits.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFFU);
  }
  return out;
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return text;
}

// ---- HTTP -----------------------------------------------------------------------------------

struct Wanted {
  std::string how, part;
};

Wanted wanted_of(const std::string& target) {
  const std::string mark = "/echo/";
  const auto begin = target.find(mark);
  if (begin == std::string::npos) return {"raw", "query"};
  const auto path = target.substr(begin + mark.size(), target.find('?') - begin - mark.size());
  const auto slash = path.find('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string part_of(const std::string& request, const Wanted& wanted) {
  if (wanted.part == "body") return request.substr(request.find("\r\n\r\n") + 4);
  if (wanted.part == "query") {
    const auto target = ScriptedConnection::target_of(request);
    const auto at = target.find("key=");
    if (at == std::string::npos) return {};
    const auto value = target.substr(at + 4, target.find('&', at) - at - 4);
    return wanted.how == "asis" ? value : percent_decoded(value);
  }
  auto value = ScriptedConnection::header_of(request, wanted.part);
  if (wanted.how == "asis" || !value.starts_with("Basic ")) return value;
  return base64_decoded(value.substr(value.find(' ') + 1));
}

std::string echo_answer(const std::string& request) {
  const Wanted wanted = wanted_of(ScriptedConnection::target_of(request));
  const std::string part = part_of(request, wanted);
  const std::string all = "X-Request: " + one_line(request) + "\r\n";
  const std::string& how = wanted.how;
  if (how == "status") return http_answer("500 you sent " + part, "", all);
  if (how == "location") return http_answer("302 Found", "", "Location: /next/" + part + "\r\n");
  if (how == "follow") {
    return http_answer("307 Again", "",
                       "Location: /echo/raw/query?key=" + percent_encoded(part) + "\r\n");
  }
  if (how == "header") return http_answer("200 OK", "", "X-Echo: " + part + "\r\n" + all);
  if (how == "document") {
    return http_answer("200 OK", "{\"echo\": \"" + json_escaped(part) + "\"}", all);
  }
  if (how == "content") return http_answer("200 OK", part + " | " + request, all);
  if (how == "markup") return http_answer("500 No", "<p>" + part + "</p>", all);
  if (how == "page") return http_answer("500 No", "<p>" + html_escaped(part) + "</p>", all);
  const std::string form = how == "asis" ? "raw" : how;
  return http_answer("500 No", encode_as(form, part) + " | " + encode_as(form, request), all);
}

// ---- Redis ----------------------------------------------------------------------------------

/// A command in RESP, taken off the front of `bytes`; nothing when it is not whole yet.
std::optional<std::vector<std::string>> take_command(std::string& bytes) {
  std::size_t at = 0;
  const auto number = [&](char mark) -> std::optional<std::size_t> {
    const auto end = bytes.find("\r\n", at);
    if (end == std::string::npos) return std::nullopt;
    if (bytes[at] != mark) throw std::runtime_error("echo_redis: not RESP: " + bytes);
    const auto value = std::stoul(bytes.substr(at + 1, end - at - 1));
    at = end + 2;
    return value;
  };
  if (bytes.empty()) return std::nullopt;
  const auto count = number('*');
  std::vector<std::string> words;
  for (std::size_t i = 0; count && i < *count; ++i) {
    const auto length = at < bytes.size() ? number('$') : std::nullopt;
    if (!length || bytes.size() < at + *length + 2) return std::nullopt;
    words.push_back(bytes.substr(at, *length));
    at += *length + 2;
  }
  if (!count) return std::nullopt;
  bytes.erase(0, at);
  return words;
}

constexpr std::string_view later = "later-";

/// "later-json" → "json".
std::string form_of(const std::string& name) {
  return name.starts_with(later) ? name.substr(later.size()) : name;
}

std::string redis_answer(const std::vector<std::string>& words, std::string& name,
                         std::string& password) {
  if (words.at(0) == "AUTH") {
    name = words.size() > 2 ? words[1] : "raw";
    password = words.back();
    if (name.starts_with(later)) return "+OK\r\n";
    return "-ERR you said " + encode_as(name, password) + " which is wrong\r\n";
  }
  return "-ERR no " + words[0] + " for " + encode_as(form_of(name), password) + "\r\n";
}

// ---- Postgres -------------------------------------------------------------------------------

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return ntohl(number);
}

std::string number_bytes(std::size_t number) {
  const std::uint32_t value = htonl(static_cast<std::uint32_t>(number));
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string message(char type, const std::string& body) {
  return type + number_bytes(body.size() + 4) + body;
}

/// Reads messages whole: `prefix` bytes, then a length that counts itself.
class PostgresReader {
 public:
  explicit PostgresReader(ScriptedConnection& connection) : connection_(connection) {}

  /// Without type and length; "" at the end.
  std::string next(std::size_t prefix) {
    while (bytes_.size() < prefix + 4 || bytes_.size() < prefix + number_at(bytes_, prefix)) {
      const std::string more = connection_.read_bytes();
      if (more.empty()) return {};
      bytes_ += more;
    }
    const auto length = number_at(bytes_, prefix);
    std::string body = bytes_.substr(prefix + 4, length - 4);
    bytes_.erase(0, prefix + length);
    return body;
  }

 private:
  ScriptedConnection& connection_;
  std::string bytes_;
};

std::string refusal(const std::string& severity, const std::string& sqlstate,
                    const std::string& text) {
  const std::string end(1, '\0');
  return message('E', "S" + severity + end + "V" + severity + end + "C" + sqlstate + end + "M" +
                          text + end + end);
}

std::string startup_value(const std::string& startup, const std::string& key) {
  const std::string mark = std::string(1, '\0') + key + std::string(1, '\0');
  const auto at = startup.find(mark, 3);  // the version's last byte is a zero, too
  return at == std::string::npos ? "" : startup.c_str() + at + mark.size();
}

}  // namespace

const std::vector<EchoForm>& echo_forms() {
  using Text = const std::string&;
  static const std::vector<EchoForm> forms{
      {"raw", [](Text text) { return text; }},
      {"percent", [](Text text) { return percent_encoded(text); }},
      {"lower", [](Text text) { return percent_encoded(text, false); }},
      {"form", [](Text text) { return form_encoded(text); }},
      {"base64", [](Text text) { return base64_encoded(text); }},
      {"base64url", [](Text text) { return base64_encoded(text, true); }},
      {"base64percent", [](Text text) { return percent_encoded(base64_encoded(text)); }},
      {"json", [](Text text) { return json_escaped(text); }},
      {"jsonslash", [](Text text) { return json_escaped(text, true); }},
      {"html", [](Text text) { return html_escaped(text); }},
      {"split",
       [](Text text) {
         return text.substr(0, text.size() / 2) + "\x01" + text.substr(text.size() / 2);
       }},
  };
  return forms;
}

std::string encode_as(const std::string& form, const std::string& text) {
  for (const EchoForm& each : echo_forms()) {
    if (each.name == form) return each.encode(text);
  }
  throw std::runtime_error("no echo form " + form);
}

ScriptedServer::Script echo_http() {
  return [](ScriptedConnection& connection) {
    const std::string request = connection.read_request();
    if (!request.empty()) connection.send(echo_answer(request));
  };
}

ScriptedServer::Script echo_proxy() {
  return [](ScriptedConnection& connection) {
    const std::string request = connection.read_request();
    const std::string said = part_of(request, {.how = "raw", .part = "proxy-authorization"});
    connection.send(
        http_answer("407 not with " + said, said, "X-Request: " + one_line(request) + "\r\n"));
  };
}

ScriptedServer::Script echo_redis(bool tls) {
  return [tls](ScriptedConnection& connection) {
    if (tls && !connection.handshake()) return;
    std::string bytes, name, password;
    while (true) {
      const std::string more = connection.read_bytes();
      if (more.empty()) return;
      bytes += more;
      while (const auto words = take_command(bytes)) {
        connection.send(redis_answer(*words, name, password));
      }
    }
  };
}

ScriptedServer::Script echo_postgres() {
  return [](ScriptedConnection& connection) {
    PostgresReader reader(connection);
    const std::string startup = reader.next(0);
    if (startup.empty()) return;
    connection.send(message('R', number_bytes(3)));  // AuthenticationCleartextPassword
    std::string password = reader.next(1);
    if (password.empty()) return;
    password.pop_back();
    const std::string name = startup_value(startup, "database");
    const std::string said = encode_as(form_of(name), password);
    if (!name.starts_with(later)) {
      connection.send(refusal("FATAL", "28P01", "\"" + said + "\" is not the password"));
      return;
    }
    connection.send(message('R', number_bytes(0)) + message('Z', "I"));
    while (!reader.next(1).empty()) {
      connection.send(refusal("ERROR", "42501", "nothing for " + said) + message('Z', "I"));
    }
  };
}

ScriptedServer::Script echo_websocket() {
  return [](ScriptedConnection& connection) {
    WebsocketPeer peer(connection);
    if (!peer.upgrade()) return;
    peer.send(ws_text, "you sent " + peer.read().payload);
    peer.send(ws_close, close_with(1000));
  };
}

ScriptedServer::Script echo_bytes(std::string before) {
  return [before = std::move(before)](ScriptedConnection& connection) {
    connection.send(before + connection.read_bytes());
  };
}

}  // namespace vitals::test
