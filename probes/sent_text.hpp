// What of a text that a check sends is secret. Pure.
#pragma once

#include <string_view>

#include "probes/headers.hpp"

namespace vitals {

/// Whether `text` is made of nothing but well-known words of protocols ("PING", "GET / HTTP/1.0",
/// {"type":"ping"}): the one kind of text to send that nobody has to hide.
[[nodiscard]] bool is_harmless(std::string_view text);

/// The parts of `text` that a peer may repeat alone and that look like a secret: the password of a
/// login line, credentials of a header line, what stands after a name such as "token", long tokens.
void hide_parts(std::string_view text, const http::SecretSink& add_secret);

/// hide_parts(), each line that is not harmless, and each string of JSON and value of a form that
/// has eight bytes or more, but for names that say what a message is ("method": "subscribe").
void hide_sent(std::string_view text, const http::SecretSink& add_secret);

}  // namespace vitals
