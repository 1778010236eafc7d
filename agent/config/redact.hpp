// What of a URL is secret, by its shape alone. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitals::config {

/// Passwords (of URLs and of key=value connection strings; of a web URL without one the user) and
/// query values inside of `url`, as written. For a malformed URL rather too much than too little.
/// Of a key=value string everything but the plain values of harmless keys ("host").
[[nodiscard]] std::vector<std::string> url_secrets(std::string_view url);

/// The passwords, and what stands for one, of a well-formed one.
[[nodiscard]] std::vector<std::string> url_passwords(std::string_view url);

/// A well-formed URL with `***` for passwords, query values and the fragment.
[[nodiscard]] std::string redact_url(std::string_view url);

}  // namespace vitals::config
