// What this binary is made of: version, revision, compiler and the libraries linked into it.
#pragma once

#include <span>
#include <string_view>

namespace vitals::build_info {

/// One library inside. All three are static text.
struct Library {
  std::string_view name;     // "openssl"
  std::string_view version;  // upstream's: "3.5.7"
  std::string_view package;  // Debian's, with its security patches: "3.5.7-1~deb13u2"
};

/// "0.1.0"
std::string_view version();
/// What `git describe --always --dirty` said when it was built; "unknown" outside a checkout.
std::string_view revision();
/// "GNU 12.2.0"
std::string_view compiler();
/// Sorted by name; never empty. Header-only libraries and those of tests are in it too.
std::span<const Library> libraries();

}  // namespace vitals::build_info
