// Which agents may be shown the token: a pure question about URLs.
#pragma once

#include <string_view>

namespace vitals::cli {

/// True when `url` (with a scheme) leads to this Machine for certain: a loopback address or
/// localhost, and nothing in it that two readers of URLs could take for different hosts.
[[nodiscard]] bool leads_to_loopback(std::string_view url);

}  // namespace vitals::cli
