// TLS for all probes: the shared settings, trust stores loaded once, handshakes under a deadline.
// OpenSSL's types appear by their forward declarations only.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <vitals/kind.hpp>

#include "probes/net.hpp"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace vitals::tls {

/// ca_file client_cert client_key server_name verify min_tls cert_warn: every kind that speaks TLS
/// appends these to its own settings with join().
extern const std::array<SettingSpec, 7> setting_specs;

/// check_tls_not_after_timestamp_seconds, check_tls_info{version}.
extern const std::array<MetricSpec, 2> metric_specs;

struct TlsSettings {
  std::string ca_file;  // empty: SSL_CERT_FILE, SSL_CERT_DIR or the usual bundles of the system
  std::string client_cert;
  std::string client_key;
  std::string server_name;  // empty: the host
  bool verify = true;
  int min_version = 0;  // OpenSSL's TLS1_2_VERSION …; 0: library default (TLS 1.2)
  Duration cert_warn{};
};
[[nodiscard]] TlsSettings read_settings(Settings& settings);

using ContextHandle = std::shared_ptr<ssl_ctx_st>;
struct SslFree {
  void operator()(ssl_st* ssl) const;
};
using SslHandle = std::unique_ptr<ssl_st, SslFree>;

/// What the handshake showed.
struct Peer {
  std::string version;  // "TLSv1.3"
  /// Earliest of the chain that was verified, or refused; of what the peer sent with verify =
  /// false; of the peer's own certificate on a resumed session.
  std::optional<WallTime> not_after;
  bool resumed = false;
  /// The server wanted a certificate of ours.
  bool asked_for_ours = false;
};

/// Puts the trust store of `settings` and its limits into a context somebody else made (libcurl).
/// `shown` is told of each certificate that is verified there, also of one that is refused; it
/// outlives the last handshake of the context.
[[nodiscard]] std::optional<net::Failure> configure_context(ssl_ctx_st* context,
                                                            const TlsSettings& settings,
                                                            std::optional<Peer>& shown);

/// The session frees its ssl before the caller closes the socket.
struct Session {
  SslHandle ssl;
  Peer peer;
};
/// A resumed session shows no certificate: of so many handshakes one at least is a full one.
inline constexpr int full_handshake_every = 10;

/// The TLS side of one probe: keeps its context (made again when the CA, certificate or key file
/// changes) and its last session, so that most handshakes are short ones. Resumption hides nothing
/// for long: every `full_handshake_every`-th handshake at least is a full one, a failed one is
/// always followed by a full one, and peer.not_after is known on each. Not thread-safe.
class Client {
 public:
  explicit Client(TlsSettings settings);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] const TlsSettings& settings() const;
  /// The context as of now, with the trust store of the settings (loaded once per file and process,
  /// shared); stats the files it was made from. Failure is `internal` with the way out: no CA
  /// bundle found, unreadable ca_file, key does not match.
  [[nodiscard]] net::NetResult<ContextHandle> context();
  /// Client handshake on a connected non-blocking socket. SNI and host name check use
  /// settings.server_name or `host` (IP addresses are checked as such). Failure: tls, tls_verify,
  /// tls_expired, reset, timeout, or `internal` (see context()). The session must not outlive this
  /// client.
  [[nodiscard]] net::NetResult<Session> handshake(int fd, const std::string& host,
                                                  const Deadline& deadline);
  /// What the latest handshake showed although it failed: there was a certificate to verify. Asked
  /// once: nothing after that, until another one fails.
  [[nodiscard]] std::optional<Peer> take_refused();
  /// The next handshake is a full one.
  void forget_session();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads the facts of an established connection; `ssl` is not owned.
[[nodiscard]] Peer peer_of(const ssl_st* ssl);

/// Reason and text for a failed verification or handshake: pass SSL_get_verify_result, the error
/// queue's last code, and the name that was asked for.
[[nodiscard]] net::Failure handshake_failure(long verify_result, unsigned long openssl_error,
                                             std::string_view host = {});

/// A certificate that somebody else refused (libpq), in the words of whoever set it up.
struct Refusal {
  long verify_result = 0;
  std::string_view host;
  std::string_view trust_setting;  // what names the authorities there
};
[[nodiscard]] net::Failure refused_certificate(const Refusal& refusal);

/// SSL_get_verify_result for a session that somebody else verified (libpq), with the rule of all
/// kinds: a refused certificate outside its validity is that, whatever else is wrong with it.
[[nodiscard]] long verify_result_of(const ssl_st* ssl);

/// Adds the TLS measurements to a result, and turns a pass into warn(cert_expiring) when the
/// certificate ends within settings.cert_warn of `now` (fail tls_expired when it has ended and
/// verify is on).
void judge_certificate(ProbeResult& result, const Peer& peer, const TlsSettings& settings,
                       WallTime now);

/// The result of a stream that did not open, with the TLS measurements of the certificate that
/// `client` refused, if it did. Null: plain.
[[nodiscard]] ProbeResult to_result(const net::Failure& failure, Client* client);

/// Concatenates declarations at compile time: join(my_settings, tls::setting_specs) needs static
/// storage for the result in the kind's file.
template <typename T, std::size_t A, std::size_t B>
[[nodiscard]] std::array<T, A + B> join(const std::array<T, A>& first,
                                        const std::array<T, B>& second) {
  std::array<T, A + B> all{};
  for (std::size_t i = 0; i < A; ++i) all[i] = first[i];
  for (std::size_t i = 0; i < B; ++i) all[A + i] = second[i];
  return all;
}

}  // namespace vitals::tls
