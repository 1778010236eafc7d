// What each file that owns a third-party library offers to the registry: its one-time
// initialisation, where the library wants one, and its version. Internal to probes/.
#pragma once

#include "probes/registry.hpp"

namespace vitals {

// Called once by initialise_probe_libraries(), before any probe runs.
void initialise_http();      // http_probe.cpp: curl_global_init
void initialise_resolver();  // resolver.cpp: ares_library_init
void initialise_tls();       // tls.cpp: OPENSSL_init_ssl without atexit handlers

// The version of the library that is linked in (not of its header, where the library can tell).
[[nodiscard]] LibraryVersion curl_version();      // http_probe.cpp
[[nodiscard]] LibraryVersion resolver_version();  // resolver.cpp: c-ares
[[nodiscard]] LibraryVersion tls_version();       // tls.cpp: OpenSSL
[[nodiscard]] LibraryVersion regex_version();     // regex.cpp: PCRE2
[[nodiscard]] LibraryVersion libpq_version();     // postgres_libpq.cpp
[[nodiscard]] LibraryVersion hiredis_version();   // redis_connection.cpp

}  // namespace vitals
