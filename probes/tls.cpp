// TLS on OpenSSL: settings, contexts, handshakes under a deadline, and what their failures mean.
#include "probes/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <vitals/text.hpp>

#include "probes/libraries.hpp"
#include "probes/trust_store.hpp"

namespace vitals::tls {
namespace {

/// Names listed in a detail when the certificate is for somebody else.
constexpr int names_shown_max = 3;

constexpr std::array<std::string_view, 1> version_label{"version"};

/// Without ML-KEM, which OpenSSL 3.5 offers first: measured on loopback, a resumed handshake costs
/// 310 µs of CPU instead of 490. Offering it last is worse than either (565, and a round trip
/// more): a server on OpenSSL 3.5 then asks for it by a HelloRetryRequest.
constexpr const char* key_exchange = "X25519:P-256:P-384:P-521";

/// For TLS 1.3, OpenSSL's own list in another order: SHA-256 before SHA-384, which costs a resumed
/// handshake some 7 % more where the CPU has instructions for the former only. Servers choose.
constexpr const char* ciphersuites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

// ---------------------------------------------------------------- dates and names

std::optional<WallTime> to_wall(const ASN1_TIME* time) {
  std::tm utc{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &utc) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

std::optional<WallTime> earliest_end(const STACK_OF(X509) * chain) {
  std::optional<WallTime> earliest;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const auto end = to_wall(X509_get0_notAfter(sk_X509_value(chain, i)));
    if (end && (!earliest || *end < *earliest)) earliest = end;
  }
  return earliest;
}

std::string common_name(X509* certificate) {
  std::array<char, 256> text{};
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                               text.data(), text.size());
  return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : "a nameless one";
}

/// What a certificate says it is for: "example.test, *.example.test, …".
std::string names_of(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return common_name(certificate);
  std::string text;
  int shown = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    if (shown == names_shown_max) return text + ", …";
    const auto* bytes = ASN1_STRING_get0_data(name->d.dNSName);
    text += (shown++ > 0 ? ", " : "") +
            std::string(reinterpret_cast<const char*>(bytes),
                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return text.empty() ? common_name(certificate) : text;
}

// ---------------------------------------------------------------- verification

/// What the verification stumbled over, kept while the chain is at hand.
struct VerifyNote {
  long error = X509_V_OK;
  std::string names;      // of the certificate at fault
  long also = X509_V_OK;  // what else is wrong with one that is outside its validity
  std::optional<Peer> shown;
  std::string_view trust_setting = "ca_file";
};

/// X509_V_OK: today is between its dates.
long verdict_on_dates(const X509* certificate) {
  if (X509_cmp_time(X509_get0_notAfter(certificate), nullptr) < 0) {
    return X509_V_ERR_CERT_HAS_EXPIRED;
  }
  const bool begun = X509_cmp_time(X509_get0_notBefore(certificate), nullptr) <= 0;
  return begun ? X509_V_OK : X509_V_ERR_CERT_NOT_YET_VALID;
}

int client_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int note_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int shown_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// A refused certificate has an end, too: who watches it must not lose sight of it on that day.
void show(const SSL* ssl, VerifyNote* note, X509_STORE_CTX* context) {
  auto* const place = note != nullptr ? &note->shown
                                      : static_cast<std::optional<Peer>*>(SSL_CTX_get_ex_data(
                                            SSL_get_SSL_CTX(ssl), shown_index()));
  if (place == nullptr) return;
  place->emplace(Peer{.version = SSL_get_version(ssl),
                      .not_after = earliest_end(X509_STORE_CTX_get0_chain(context))});
}

/// OpenSSL ends at the first fault and looks at dates last. Whatever else is wrong, a server's
/// certificate outside its validity is that above all: this is the error the session keeps, for
/// libcurl, too. Nothing is accepted here.
int on_verify(int ok, X509_STORE_CTX* context) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* note = static_cast<VerifyNote*>(SSL_get_ex_data(ssl, note_index()));
  const bool complete = X509_STORE_CTX_get_error_depth(context) == 0;
  if (ok != 1 || complete) show(ssl, note, context);
  if (ok == 1) return ok;
  const int fault = X509_STORE_CTX_get_error(context);
  X509* const own = X509_STORE_CTX_get0_cert(context);
  const long dates = own == nullptr ? X509_V_OK : verdict_on_dates(own);
  if (dates != X509_V_OK) X509_STORE_CTX_set_error(context, static_cast<int>(dates));
  if (note == nullptr) return ok;
  note->error = X509_STORE_CTX_get_error(context);
  if (fault != note->error) note->also = fault;
  X509* certificate = dates == X509_V_OK ? X509_STORE_CTX_get_current_cert(context) : own;
  if (certificate != nullptr) note->names = names_of(certificate);
  return ok;
}

std::string of_host(std::string_view host) {
  return host.empty() ? std::string() : " of " + std::string(host);
}

/// "; also: self-signed certificate".
std::string also_text(long error) {
  return error == X509_V_OK ? std::string()
                            : std::string("; also: ") + X509_verify_cert_error_string(error);
}

net::Failure verify_failure(const VerifyNote& note, std::string_view host) {
  const auto certificate = "the certificate" + of_host(host);
  const auto& names = note.names;
  switch (note.error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {Reason::tls_expired, certificate + " has expired" +
                                       (names.empty() ? "" : " (" + names + ")") +
                                       also_text(note.also)};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {Reason::tls_expired,
              certificate + " is not valid yet; is the clock right?" + also_text(note.also)};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {Reason::tls_verify, certificate + " is self-signed; set " +
                                      std::string(note.trust_setting) + " to trust it"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return {Reason::tls_verify, certificate + " leads to an unknown root: set " +
                                      std::string(note.trust_setting) +
                                      ", or the server does not send its intermediate "
                                      "certificates"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {Reason::tls_verify,
              "wrong host: the certificate" +
                  (names.empty() ? std::string() : " is for " + names + " and") + " is not for " +
                  (host.empty() ? "the host asked for" : std::string(host)) +
                  "; set server_name if that is right"};
    default:
      return {Reason::tls_verify, certificate + ": " + X509_verify_cert_error_string(note.error)};
  }
}

// ---------------------------------------------------------------- handshake errors

/// For the texts of OpenSSL that a person would not understand.
std::string_view words_for(int reason) {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LAYER_FAILURE:
      return "the answer is not TLS: does this port speak plain text?";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "no common TLS version (TLS 1.2 at least, or what min_tls says)";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "the server refused the handshake: no common cipher, or it wants a client certificate";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "the server wants a client certificate: set client_cert and client_key";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the server does not accept our client certificate: unknown authority";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "the server does not accept our client certificate";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
      return "the server does not know this name: set server_name";
    default:
      return {};
  }
}

std::string reason_text(unsigned long openssl_error) {
  const auto words = words_for(ERR_GET_REASON(openssl_error));
  if (!words.empty()) return std::string(words);
  const char* text = ERR_reason_error_string(openssl_error);
  return text == nullptr ? "unknown error" : text;
}

bool is_verify_error(unsigned long openssl_error) {
  return openssl_error == 0 || (ERR_GET_LIB(openssl_error) == ERR_LIB_SSL &&
                                ERR_GET_REASON(openssl_error) == SSL_R_CERTIFICATE_VERIFY_FAILED);
}

bool is_eof(unsigned long openssl_error) {
  return ERR_GET_LIB(openssl_error) == ERR_LIB_SSL &&
         ERR_GET_REASON(openssl_error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

net::Failure closed_in_handshake(std::string_view host) {
  return {Reason::reset, "the connection was closed in the TLS handshake" +
                             (host.empty() ? std::string() : " with " + std::string(host))};
}

/// What SSL_connect's failure means; `saved_errno` is of right after the call.
net::Failure failure_of(SSL* ssl, int error, int saved_errno, const VerifyNote& note,
                        std::string_view host) {
  const auto openssl_error = ERR_peek_last_error();
  if (error == SSL_ERROR_SYSCALL && openssl_error == 0) {
    if (saved_errno == 0) return closed_in_handshake(host);
    return net::from_errno(saved_errno, "TLS handshake");
  }
  if (note.error != X509_V_OK && is_verify_error(openssl_error)) {
    return verify_failure(note, host);
  }
  return handshake_failure(SSL_get_verify_result(ssl), openssl_error, host);
}

// ---------------------------------------------------------------- contexts

net::Failure unusable(std::string_view setting, const std::string& path) {
  const auto error = ERR_peek_error();
  const bool no_file = ERR_GET_LIB(error) == ERR_LIB_SYS;
  const char* why = ERR_reason_error_string(error);
  ERR_clear_error();
  return {Reason::internal, std::string(setting) + " " + path + ": " +
                                (why == nullptr ? "unusable" : why) +
                                (no_file ? "" : "; it must be an unencrypted PEM file")};
}

const std::string& key_file(const TlsSettings& settings) {
  return settings.client_key.empty() ? settings.client_cert : settings.client_key;
}

std::optional<net::Failure> add_client_certificate(SSL_CTX* context, const TlsSettings& settings) {
  if (settings.client_cert.empty()) return std::nullopt;
  ERR_clear_error();
  // Without this OpenSSL asks for a passphrase on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(context, settings.client_cert.c_str()) != 1) {
    return unusable("client_cert", settings.client_cert);
  }
  const auto& key = key_file(settings);
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return unusable("client_key", key);
  }
  if (SSL_CTX_check_private_key(context) != 1) return unusable("client_key", key);
  return std::nullopt;
}

std::optional<net::Failure> configure(SSL_CTX* context, const TlsSettings& settings,
                                      const TrustStore& store) {
  SSL_CTX_set_min_proto_version(context, std::max(settings.min_version, TLS1_2_VERSION));
  VITALS_ASSERT(SSL_CTX_set1_groups_list(context, key_exchange) == 1);
  SSL_CTX_set_verify(context, settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     settings.verify ? &on_verify : nullptr);
  if (store) {
    SSL_CTX_set1_cert_store(context, store.get());
    // A CA file may hold an intermediate alone.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  }
  return add_client_certificate(context, settings);
}

/// Null when nothing is verified: then no bundle is needed.
net::NetResult<TrustStore> store_for(const TlsSettings& settings) {
  if (!settings.verify) return TrustStore();
  return trust_store(settings.ca_file);
}

net::NetResult<ContextHandle> make_context(const TlsSettings& settings, const TrustStore& store) {
  ContextHandle context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  VITALS_ASSERT(context != nullptr);
  if (const auto failure = configure(context.get(), settings, store)) return *failure;
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  // Sessions are kept by their Client, not by the context.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  return context;
}

// ---------------------------------------------------------------- one handshake

void set_name(SSL* ssl, const std::string& name, bool verify) {
  const bool numeric = net::numeric_address(name, 0).has_value();
  if (!numeric) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (!verify) return;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // A zone ("fe80::1%eth0") says how to get there; no certificate names it.
  const std::string address = name.substr(0, name.find('%'));
  const int set = numeric ? X509_VERIFY_PARAM_set1_ip_asc(parameters, address.c_str())
                          : X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
  VITALS_ASSERT(set == 1);
}

std::string name_to_check(const TlsSettings& settings, const std::string& host) {
  std::string name = settings.server_name.empty() ? host : settings.server_name;
  if (name.ends_with('.')) name.pop_back();
  return name.empty() ? "localhost" : name;  // a Unix socket
}

std::optional<net::Failure> connect(SSL* ssl, int fd, const std::string& name,
                                    const VerifyNote& note, const Deadline& deadline) {
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int done = SSL_connect(ssl);
    const int saved_errno = errno;
    if (done == 1) return std::nullopt;
    const int error = SSL_get_error(ssl, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      auto failure = failure_of(ssl, error, saved_errno, note, name);
      ERR_clear_error();
      return failure;
    }
    const short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    switch (net::wait_for(fd, events, deadline)) {
      case net::Wait::ready:
        break;
      case net::Wait::interrupted:
        return net::interrupted();
      case net::Wait::timeout:
        return net::Failure{Reason::timeout, "no answer to the TLS handshake from " + name};
    }
  }
}

/// OpenSSL calls it on a client when the server asks for a certificate.
int note_request(SSL* /*ssl*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 1;
}

/// `prepare` sees the new SSL before the handshake.
template <typename Prepare>
net::NetResult<Session> shake_hands(const ContextHandle& context, const TlsSettings& settings,
                                    int fd, const std::string& host, const Deadline& deadline,
                                    std::optional<Peer>& refused, Prepare prepare) {
  Session session;
  session.ssl.reset(SSL_new(context.get()));
  SSL* ssl = session.ssl.get();
  VITALS_ASSERT(ssl != nullptr);
  const auto name = name_to_check(settings, host);
  VerifyNote note;
  SSL_set_ex_data(ssl, note_index(), &note);
  set_name(ssl, name, settings.verify);
  VITALS_ASSERT(SSL_set_fd(ssl, fd) == 1);
  bool asked_for_ours = false;
  SSL_set_cert_cb(ssl, &note_request, &asked_for_ours);
  prepare(ssl);
  const auto failure = connect(ssl, fd, name, note, deadline);
  SSL_set_cert_cb(ssl, nullptr, nullptr);
  SSL_set_ex_data(ssl, note_index(), nullptr);
  if (failure) {
    refused = std::move(note.shown);
    return *failure;
  }
  session.peer = peer_of(ssl);
  session.peer.asked_for_ours = asked_for_ours;
  return session;
}

// ---------------------------------------------------------------- measurements

void measure(ProbeResult& result, const Peer& peer) {
  result.measurements.push_back({&metric_specs[1], {peer.version}, 1});
  if (!peer.not_after) return;
  const auto end = peer.not_after->time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(end).count();
  result.measurements.push_back({&metric_specs[0], {}, static_cast<double>(seconds)});
}

}  // namespace

// ---------------------------------------------------------------- declarations

constinit const std::array<SettingSpec, 7> setting_specs{{
    {.name = "ca_file",
     .doc = "PEM file with the authorities to trust; without it SSL_CERT_FILE, SSL_CERT_DIR or the "
            "system's bundle"},
    {.name = "client_cert", .doc = "PEM file with our certificate, for servers that ask for one"},
    {.name = "client_key", .doc = "PEM file with its key, unencrypted; without it client_cert"},
    {.name = "server_name",
     .doc = "name for SNI and for the certificate check; without it the host"},
    {.name = "verify",
     .type = SettingType::flag,
     .fallback = "true",
     .doc = "check the server's certificate"},
    {.name = "min_tls",
     .type = SettingType::choice,
     .fallback = "1.2",
     .doc = "lowest TLS version to accept",
     .choices = "1.2|1.3"},
    {.name = "cert_warn",
     .type = SettingType::duration,
     .fallback = "336h",
     .doc = "warn when the certificate ends within this time (336h are 14 days); 0s: never"},
}};

constinit const std::array<MetricSpec, 2> metric_specs{{
    {.name = "check_tls_not_after_timestamp_seconds",
     .help = "When the first certificate of the chain ends.",
     .alias = "probe_ssl_earliest_cert_expiry",
     .exporter = Exporter::blackbox},
    {.name = "check_tls_info",
     .help = "The TLS version in use, always 1.",
     .labels = version_label},
}};

TlsSettings read_settings(Settings& settings) {
  TlsSettings tls;
  tls.ca_file = settings.text("ca_file");
  tls.client_cert = settings.text("client_cert");
  tls.client_key = settings.text("client_key");
  tls.server_name = settings.text("server_name");
  tls.verify = settings.flag("verify");
  tls.min_version = settings.choice("min_tls") == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  tls.cert_warn = settings.duration("cert_warn", {.min = Duration(0)});
  if (!tls.client_key.empty() && tls.client_cert.empty()) {
    settings.complain("client_key", "a key without a certificate: set client_cert too");
  }
  return tls;
}

// ---------------------------------------------------------------- handshakes

void SslFree::operator()(ssl_st* ssl) const {
  // Nothing is sent: the socket may be gone already. Without the flags OpenSSL would take the
  // session for broken and not resume it.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl);
}

std::optional<net::Failure> configure_context(ssl_ctx_st* context, const TlsSettings& settings,
                                              std::optional<Peer>& shown) {
  const auto store = store_for(settings);
  if (!store) return store.error();
  SSL_CTX_set_ex_data(context, shown_index(), &shown);
  return configure(context, settings, store.value());
}

Peer peer_of(const ssl_st* ssl) {
  Peer peer;
  peer.version = SSL_get_version(ssl);
  peer.resumed = SSL_session_reused(ssl) == 1;
  const bool verified = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
  const STACK_OF(X509)* chain =
      verified ? SSL_get0_verified_chain(ssl) : SSL_get_peer_cert_chain(ssl);
  if (chain != nullptr) {
    peer.not_after = earliest_end(chain);
  } else if (X509* own = SSL_get0_peer_certificate(ssl); own != nullptr) {
    peer.not_after = to_wall(X509_get0_notAfter(own));
  }
  return peer;
}

net::Failure handshake_failure(long verify_result, unsigned long openssl_error,
                               std::string_view host) {
  if (verify_result != X509_V_OK && is_verify_error(openssl_error)) {
    return verify_failure({.error = verify_result}, host);
  }
  if (is_eof(openssl_error)) return closed_in_handshake(host);
  return {Reason::tls, "TLS handshake" + (host.empty() ? "" : " with " + std::string(host)) + ": " +
                           reason_text(openssl_error)};
}

net::Failure refused_certificate(const Refusal& refusal) {
  return verify_failure({.error = refusal.verify_result, .trust_setting = refusal.trust_setting},
                        refusal.host);
}

long verify_result_of(const ssl_st* ssl) {
  const long result = SSL_get_verify_result(ssl);
  const STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl);
  if (result == X509_V_OK || sk_X509_num(sent) <= 0) return result;
  const long dates = verdict_on_dates(sk_X509_value(sent, 0));
  return dates == X509_V_OK ? result : dates;
}

ProbeResult to_result(const net::Failure& failure, Client* client) {
  auto result = net::to_result(failure);
  if (client == nullptr) return result;
  if (const auto peer = client->take_refused()) measure(result, *peer);
  return result;
}

void judge_certificate(ProbeResult& result, const Peer& peer, const TlsSettings& settings,
                       WallTime now) {
  measure(result, peer);
  if (!peer.not_after || result.outcome == Outcome::fail) return;

  const auto end = *peer.not_after;
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(end - now).count();
  if (end <= now && settings.verify) {
    result.outcome = Outcome::fail;
    result.reason = Reason::tls_expired;
    result.detail = "the certificate expired " + human_duration(-left) + " ago";
  } else if (result.outcome == Outcome::pass && settings.cert_warn > Duration(0) &&
             end - now <= settings.cert_warn) {
    result.outcome = Outcome::warn;
    result.reason = Reason::cert_expiring;
    result.detail = end <= now ? "the certificate expired " + human_duration(-left) + " ago"
                               : "the certificate ends in " + human_duration(left);
  }
}

// ---------------------------------------------------------------- Client

struct FreeSession {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};

struct Client::Impl {
  TlsSettings settings;
  TrustStore store;
  std::string stamp;  // of certificate and key
  ContextHandle context;

  std::unique_ptr<SSL_SESSION, FreeSession> session;
  std::string session_host;
  std::optional<WallTime> not_after;  // of the last full handshake
  int resumed_in_a_row = 0;
  std::optional<Peer> refused;

  void forget() {
    session.reset();
    resumed_in_a_row = 0;
  }

  [[nodiscard]] bool may_resume(const std::string& host) const {
    return session && session_host == host && resumed_in_a_row + 1 < full_handshake_every &&
           SSL_SESSION_is_resumable(session.get()) == 1;
  }

  /// Tickets of TLS 1.3 come after the handshake, with the first read.
  static int on_new_session(SSL* ssl, SSL_SESSION* session) {
    auto* self = static_cast<Impl*>(SSL_get_ex_data(ssl, client_index()));
    if (self == nullptr) return 0;
    self->session.reset(session);
    return 1;  // the reference is ours now
  }
};

Client::Client(TlsSettings settings) : impl_(std::make_unique<Impl>()) {
  impl_->settings = std::move(settings);
}
Client::~Client() = default;

const TlsSettings& Client::settings() const { return impl_->settings; }

net::NetResult<ContextHandle> Client::context() {
  const auto& settings = impl_->settings;
  const auto store = store_for(settings);
  if (!store) return store.error();
  const bool certified = !settings.client_cert.empty();
  const auto stamp =
      certified ? file_stamp(settings.client_cert) + "/" + file_stamp(key_file(settings)) : "";
  if (impl_->context && impl_->store == store.value() && impl_->stamp == stamp) {
    return impl_->context;
  }
  auto made = make_context(settings, store.value());
  if (!made) return made;
  SSL_CTX_sess_set_new_cb(made.value().get(), &Impl::on_new_session);
  impl_->context = made.value();
  impl_->store = store.value();
  impl_->stamp = stamp;
  impl_->forget();
  return made;
}

net::NetResult<Session> Client::handshake(int fd, const std::string& host,
                                          const Deadline& deadline) {
  const auto current = context();
  if (!current) return current.error();
  if (!impl_->may_resume(host)) impl_->forget();
  const auto prepare = [&](SSL* ssl) {
    SSL_set_ex_data(ssl, client_index(), impl_.get());
    if (impl_->session) SSL_set_session(ssl, impl_->session.get());
  };
  auto session =
      shake_hands(current.value(), impl_->settings, fd, host, deadline, impl_->refused, prepare);
  if (!session) {
    impl_->forget();
    return session;
  }
  impl_->session_host = host;
  if (session.value().peer.resumed) {
    ++impl_->resumed_in_a_row;
    session.value().peer.not_after = impl_->not_after;
  } else {
    impl_->resumed_in_a_row = 0;
    impl_->not_after = session.value().peer.not_after;
  }
  return session;
}

std::optional<Peer> Client::take_refused() { return std::exchange(impl_->refused, std::nullopt); }

void Client::forget_session() { impl_->forget(); }

}  // namespace vitals::tls

namespace vitals {

void initialise_tls() {
  // No config file of the image may change what we see, and nothing may run at exit while checks
  // still do.
  const int done = OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  VITALS_ASSERT(done == 1);
}

}  // namespace vitals
