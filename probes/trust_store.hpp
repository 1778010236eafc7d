// Which certificate authorities are trusted: loaded once per file and process, shared by all checks
// (a system's bundle is a megabyte and ten milliseconds). OpenSSL's type appears by name only.
#pragma once

#include <memory>
#include <string>

#include "probes/net.hpp"

struct x509_store_st;

namespace vitals::tls {

using TrustStore = std::shared_ptr<x509_store_st>;

/// The store of `ca_file`; of SSL_CERT_FILE, SSL_CERT_DIR or the system's bundle when it is empty.
/// The same object as long as the file does not change (one stat per call). Thread-safe. Failure is
/// `internal` with the way out. Must not be changed by the caller.
[[nodiscard]] net::NetResult<TrustStore> trust_store(const std::string& ca_file);

/// The file where this system keeps all its CA certificates; empty when there is none.
[[nodiscard]] std::string system_bundle();

/// What tells one content of a file from the next without reading it; empty when there is none.
[[nodiscard]] std::string file_stamp(const std::string& path);

}  // namespace vitals::tls
