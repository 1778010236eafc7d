// Servers that give back what they were sent, secrets included, in the form that the client names.
#pragma once

#include <string>
#include <vector>

#include "tests/support/scripted_server.hpp"

namespace vitals::test {

/// One way to give a text back.
struct EchoForm {
  std::string name;
  std::string (*encode)(const std::string& text);
};
/// raw percent lower form base64 base64url base64percent json jsonslash html split
const std::vector<EchoForm>& echo_forms();
std::string encode_as(const std::string& form, const std::string& text);

/// HTTP. The path is /echo/<how>/<part>: `part` is a header's name in lower case, "query" (of
/// `key`), or "body"; Basic credentials are decoded first. `how`: a form of the list (status 500,
/// the body begins with the part in that form), or asis (not decoded) markup page status location
/// follow header document content. All answers carry the whole request in a header, and all bodies
/// of errors have it after the part.
ScriptedServer::Script echo_http();
/// The same, for an HTTP proxy: refuses CONNECT with the credentials in its status line.
ScriptedServer::Script echo_proxy();
/// Redis. The user's name is the form; "later-<form>" lets it log in and refuses every command.
ScriptedServer::Script echo_redis(bool tls = false);
/// Postgres, asking for a clear-text password. The database's name is the form; "later-<form>" lets
/// it log in and refuses every query.
ScriptedServer::Script echo_postgres();
/// Upgrades to a WebSocket, says the first message again, and closes.
ScriptedServer::Script echo_websocket();
/// Sends `before` and what it received.
ScriptedServer::Script echo_bytes(std::string before);

}  // namespace vitals::test
