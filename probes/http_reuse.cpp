// What libcurl calls instead of OpenSSL: three symbols are renamed when it is linked
// (cmake/dependencies.cmake), because no option of libcurl reaches them.
#include "probes/http_reuse.hpp"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <vitals/assert.hpp>

namespace vitals::http {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSession {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

/// A session as libcurl stores it, and the object that these bytes were made of.
struct Kept {
  std::string bytes;
  std::unique_ptr<SSL_SESSION, FreeSession> session;
};

/// A server of TLS 1.3 sends two tickets, mostly.
constexpr std::size_t sessions_max = 2;

}  // namespace

struct TlsReuse::Impl {
  bool keeps_context = false;
  const SSL_METHOD* method = nullptr;  // of the context
  Context context;
  std::array<Kept, sessions_max> sessions;
  std::size_t next = 0;

  [[nodiscard]] SSL_CTX* lend(const SSL_METHOD* wanted);
  void keep(std::string_view bytes, SSL_SESSION* session);
  /// Null: unknown, or of no use any more.
  [[nodiscard]] SSL_SESSION* find(std::string_view bytes) const;
};

namespace {

thread_local TlsReuse::Impl* in_use = nullptr;

}  // namespace

/// Making one costs a third of a resumed handshake: OpenSSL asks its providers for every cipher,
/// group and signature that it has ever known.
SSL_CTX* TlsReuse::Impl::lend(const SSL_METHOD* wanted) {
  if (!keeps_context) return SSL_CTX_new(wanted);
  if (!context || method != wanted) {
    context.reset(SSL_CTX_new(wanted));
    method = wanted;
  } else {
    // As in a new one: libcurl adds flags to what it finds there, which may be everybody's.
    SSL_CTX_set_cert_store(context.get(), X509_STORE_new());
  }
  if (context) VITALS_ASSERT(SSL_CTX_up_ref(context.get()) == 1);
  return context.get();
}

void TlsReuse::Impl::keep(std::string_view bytes, SSL_SESSION* session) {
  if (session == nullptr || SSL_SESSION_up_ref(session) != 1) return;
  auto& entry = sessions[next];
  next = (next + 1) % sessions.size();
  entry.bytes = bytes;
  entry.session.reset(session);
}

SSL_SESSION* TlsReuse::Impl::find(std::string_view bytes) const {
  for (const auto& kept : sessions) {
    if (kept.session == nullptr || kept.bytes != bytes) continue;
    // A connection that ended badly takes its session along; the bytes know nothing of that.
    return SSL_SESSION_is_resumable(kept.session.get()) == 1 ? kept.session.get() : nullptr;
  }
  return nullptr;
}

TlsReuse::TlsReuse() : impl_(std::make_unique<Impl>()) {}
TlsReuse::~TlsReuse() = default;

void TlsReuse::forget() {
  VITALS_ASSERT(in_use != impl_.get());
  *impl_ = {};
}

TlsReuse::Use::Use(TlsReuse& reuse, bool keeps_context) : reuse_(reuse) {
  VITALS_ASSERT(in_use == nullptr);
  if (!keeps_context) reuse.impl_->context.reset();
  reuse.impl_->keeps_context = keeps_context;
  in_use = reuse.impl_.get();
}

TlsReuse::Use::~Use() {
  VITALS_ASSERT(in_use == reuse_.impl_.get());
  in_use = nullptr;
}

}  // namespace vitals::http

using vitals::http::in_use;

/// libcurl's SSL_CTX_new.
extern "C" SSL_CTX* vitals_curl_context_new(const SSL_METHOD* method);
extern "C" SSL_CTX* vitals_curl_context_new(const SSL_METHOD* method) {
  return in_use == nullptr ? SSL_CTX_new(method) : in_use->lend(method);
}

/// libcurl's i2d_SSL_SESSION, asked for the size first, then for the bytes.
extern "C" int vitals_curl_session_to_bytes(const SSL_SESSION* session, unsigned char** bytes);
extern "C" int vitals_curl_session_to_bytes(const SSL_SESSION* session, unsigned char** bytes) {
  const unsigned char* const begin = bytes == nullptr ? nullptr : *bytes;
  const int size = i2d_SSL_SESSION(session, bytes);
  if (in_use == nullptr || begin == nullptr || size <= 0) return size;
  in_use->keep({reinterpret_cast<const char*>(begin), static_cast<std::size_t>(size)},
               const_cast<SSL_SESSION*>(session));  // for its count of owners
  return size;
}

/// libcurl's d2i_SSL_SESSION: the certificate inside need not be read again.
extern "C" SSL_SESSION* vitals_curl_session_of_bytes(SSL_SESSION** out, const unsigned char** bytes,
                                                     long size);
extern "C" SSL_SESSION* vitals_curl_session_of_bytes(SSL_SESSION** out, const unsigned char** bytes,
                                                     long size) {
  if (in_use == nullptr || out != nullptr || size <= 0) return d2i_SSL_SESSION(out, bytes, size);
  const std::string_view wanted(reinterpret_cast<const char*>(*bytes),
                                static_cast<std::size_t>(size));
  if (auto* const kept = in_use->find(wanted); kept != nullptr && SSL_SESSION_up_ref(kept) == 1) {
    *bytes += size;
    return kept;
  }
  auto* const session = d2i_SSL_SESSION(nullptr, bytes, size);
  in_use->keep(wanted, session);
  return session;
}
