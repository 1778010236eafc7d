// The one-time initialisation that third-party libraries want, offered to the registry by the files
// that own them. Internal to probes/.
#pragma once

namespace vitals {

// Called once by initialise_probe_libraries(), before any probe runs.
void initialise_http();      // http_exchange.cpp: curl_global_init
void initialise_resolver();  // resolver.cpp: ares_library_init
void initialise_tls();       // tls.cpp: OPENSSL_init_ssl without atexit handlers

}  // namespace vitals
