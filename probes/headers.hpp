// Heads of HTTP messages, written and read: shared by the kinds that speak HTTP first.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals::http {

/// One line of a message head; the value is trimmed.
struct HeaderLine {
  std::string_view name;
  std::string_view value;
};
/// The header lines of a raw head (status line and malformed lines left out). Views into `head`.
[[nodiscard]] std::vector<HeaderLine> header_lines(std::string_view head);
/// The first header of that name (any case).
[[nodiscard]] std::optional<std::string_view> find_header(std::string_view head,
                                                          std::string_view name);

/// RFC 9110 token: what a header name or method may be made of.
[[nodiscard]] bool is_token(std::string_view text);
/// No CR, LF or NUL: can't smuggle another header line.
[[nodiscard]] bool is_header_value(std::string_view text);
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

/// What probes call themselves: "vitals/<version>".
[[nodiscard]] std::string_view user_agent();

[[nodiscard]] std::string base64(std::string_view bytes);
/// Nothing when it is not base64.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

/// Whether a parameter, field or header of that name usually has a secret for its value: "api_key".
[[nodiscard]] bool names_a_secret(std::string_view name);

/// What takes a secret: Settings::secret_sink().
using SecretSink = std::function<void(std::string_view value)>;
/// The parts of what is sent that must never come back out: the password and the query values of a
/// URL, the password of "user:password" (the user, where there is no password), the token and the
/// cookies of a header, and the parts of its value that are eight bytes or more and no well-known
/// word; of headers such as Accept or User-Agent only what follows a name such as "token=".
void hide_url_secrets(std::string_view url, const SecretSink& add_secret);
void hide_user_password(std::string_view pair, const SecretSink& add_secret);
void hide_header_parts(std::string_view name, std::string_view value, const SecretSink& add_secret);

}  // namespace vitals::http
