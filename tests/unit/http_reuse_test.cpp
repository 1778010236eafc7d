// What libcurl gets when it asks for a context or a session: kept or new, and never somebody
// else's.
#include "probes/http_reuse.hpp"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>

#include "probes/registry.hpp"

using namespace vitals;
using http::TlsReuse;

extern "C" SSL_CTX* vitals_curl_context_new(const SSL_METHOD* method);
extern "C" int vitals_curl_session_to_bytes(const SSL_SESSION* session, unsigned char** bytes);
extern "C" SSL_SESSION* vitals_curl_session_of_bytes(SSL_SESSION** out, const unsigned char** bytes,
                                                     long size);

namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

Context ask_for_context() { return {vitals_curl_context_new(TLS_client_method()), &SSL_CTX_free}; }

/// One that could be resumed, told from others by `id`.
Session a_session(unsigned char id) {
  Session session(SSL_SESSION_new(), &SSL_SESSION_free);
  const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  const std::array<unsigned char, 2> ecdhe_rsa_aes128_gcm{0xC0, 0x2F};
  REQUIRE(SSL_SESSION_set_protocol_version(session.get(), TLS1_2_VERSION) == 1);
  REQUIRE(SSL_SESSION_set_cipher(session.get(),
                                 SSL_CIPHER_find(ssl.get(), ecdhe_rsa_aes128_gcm.data())) == 1);
  const std::array<unsigned char, 48> key{id};
  REQUIRE(SSL_SESSION_set1_master_key(session.get(), key.data(), key.size()) == 1);
  const std::array<unsigned char, 32> name{id};
  REQUIRE(SSL_SESSION_set1_id(session.get(), name.data(), name.size()) == 1);
  REQUIRE(SSL_SESSION_is_resumable(session.get()) == 1);
  return session;
}

/// As libcurl stores it.
std::string store(const Session& session) {
  const int size = vitals_curl_session_to_bytes(session.get(), nullptr);
  REQUIRE(size > 0);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  auto* at = reinterpret_cast<unsigned char*>(bytes.data());
  REQUIRE(vitals_curl_session_to_bytes(session.get(), &at) == size);
  CHECK(at == reinterpret_cast<unsigned char*>(bytes.data()) + size);
  return bytes;
}

Session fetch(const std::string& bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  Session session(vitals_curl_session_of_bytes(nullptr, &at, static_cast<long>(bytes.size())),
                  &SSL_SESSION_free);
  if (session) CHECK(at == reinterpret_cast<const unsigned char*>(bytes.data()) + bytes.size());
  return session;
}

}  // namespace

TEST_CASE(
    "http reuse: a context comes back for the next connection, with an empty store of its own") {
  initialise_probe_libraries();
  TlsReuse reuse;
  const TlsReuse::Use use(reuse, true);
  auto first = ask_for_context();
  REQUIRE(first);
  auto* const kept = first.get();
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> shared(X509_STORE_new(),
                                                                       &X509_STORE_free);
  SSL_CTX_set1_cert_store(kept, shared.get());
  first.reset();
  const auto second = ask_for_context();
  CHECK(second.get() == kept);
  CHECK(SSL_CTX_get_cert_store(kept) != nullptr);
  CHECK(SSL_CTX_get_cert_store(kept) != shared.get());
}

TEST_CASE(
    "http reuse: without a use, after forget() and where none may be kept, contexts are new") {
  initialise_probe_libraries();
  const auto stranger = ask_for_context();
  CHECK(ask_for_context().get() != stranger.get());
  TlsReuse reuse;
  Context first(nullptr, &SSL_CTX_free);
  {
    const TlsReuse::Use use(reuse, true);
    first = ask_for_context();
    CHECK(first.get() != stranger.get());
  }
  CHECK(ask_for_context().get() != first.get());
  {
    TlsReuse another;
    const TlsReuse::Use use(another, true);
    CHECK(ask_for_context().get() != first.get());
  }
  reuse.forget();
  Context second(nullptr, &SSL_CTX_free);
  {
    const TlsReuse::Use use(reuse, true);
    second = ask_for_context();
    CHECK(second.get() != first.get());
  }
  {
    const TlsReuse::Use use(reuse, false);
    const auto with_a_key = ask_for_context();
    CHECK(with_a_key.get() != second.get());
    CHECK(ask_for_context().get() != with_a_key.get());
  }
  const TlsReuse::Use use(reuse, true);
  CHECK(ask_for_context().get() != second.get());
}

TEST_CASE("http reuse: the bytes of a session lead to the session they were made of") {
  initialise_probe_libraries();
  TlsReuse reuse;
  const TlsReuse::Use use(reuse, true);
  const auto one = a_session(1);
  const auto two = a_session(2);
  const auto bytes_of_one = store(one);
  const auto bytes_of_two = store(two);
  CHECK(fetch(bytes_of_one).get() == one.get());
  CHECK(fetch(bytes_of_two).get() == two.get());
  const auto read = fetch(store(a_session(3)));
  REQUIRE(read);
  CHECK(fetch(bytes_of_two).get() == two.get());
  const auto again = fetch(bytes_of_one);  // had to go for the third
  REQUIRE(again);
  CHECK(again.get() != one.get());
  CHECK(fetch(bytes_of_one).get() == again.get());
}

TEST_CASE("http reuse: bytes nobody knows are read as ever, broken ones are no session") {
  initialise_probe_libraries();
  TlsReuse reuse;
  const auto session = a_session(4);
  const auto bytes = store(session);
  CHECK(fetch(bytes).get() != session.get());
  const TlsReuse::Use use(reuse, true);
  const auto read = fetch(bytes);
  REQUIRE(read);
  unsigned length = 0;
  CHECK(SSL_SESSION_get_id(read.get(), &length)[0] == 4);
  auto broken = bytes;
  broken[0] = 'x';
  CHECK_FALSE(fetch(broken));
  CHECK_FALSE(fetch(bytes.substr(0, bytes.size() / 2)));
  CHECK(fetch(bytes).get() == read.get());
}

TEST_CASE("http reuse: a session whose connection broke is read from its bytes again") {
  initialise_probe_libraries();
  TlsReuse reuse;
  const TlsReuse::Use use(reuse, true);
  const auto session = a_session(5);
  const auto bytes = store(session);
  const auto context = ask_for_context();
  SSL_CTX_remove_session(context.get(), session.get());  // as SSL_free() does then
  REQUIRE(SSL_SESSION_is_resumable(session.get()) == 0);
  const auto read = fetch(bytes);
  REQUIRE(read);
  CHECK(read.get() != session.get());
  CHECK(SSL_SESSION_is_resumable(read.get()) == 1);
}
