// What libpq calls instead of its own: three symbols are renamed when it is linked
// (cmake/dependencies.cmake), because no option of libpq reaches them.
#include "probes/postgres_libpq.hpp"

#include <libpq-fe.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "probes/tls.hpp"

namespace {

constexpr int sha256_bytes = 32;
/// Asked for by the server, worked off by us, and nothing can interrupt it: 0.1 s of CPU is enough.
/// PostgreSQL's default is 4,096.
constexpr int scram_iterations_max = 600'000;

/// RFC 5802, Hi(). One entry per thread, that is per check: a server keeps its salt, and 4,096
/// HMACs are most of what a login costs.
struct SaltedPassword {
  std::string password;
  std::string salt;
  int iterations = 0;
  std::array<std::uint8_t, sha256_bytes> key{};
};

thread_local long verify_result = X509_V_OK;

}  // namespace

/// libpq's SSL_free: the last moment at which somebody knows why a handshake failed.
extern "C" void vitals_libpq_ssl_free(SSL* ssl);
extern "C" void vitals_libpq_ssl_free(SSL* ssl) {
  if (ssl != nullptr) verify_result = vitals::tls::verify_result_of(ssl);
  SSL_free(ssl);
}

/// libpq's getenv. PG* variables are the app's, not ours, and some (PGTZ, PGSERVICE) could not be
/// overruled by keywords. The home folder is one without files: asking the system for it would load
/// NSS modules.
extern "C" char* vitals_libpq_getenv(const char* name);
extern "C" char* vitals_libpq_getenv(const char* name) {
  static std::array<char, 10> nowhere{"/dev/null"};
  return std::strcmp(name, "HOME") == 0 ? nowhere.data() : nullptr;
}

/// libpq's scram_SaltedPassword (src/common/scram-common.c of 17): 0, or -1 and a reason.
extern "C" int vitals_libpq_salted_password(const char* password, int hash_type, int key_length,
                                            const char* salt, int salt_length, int iterations,
                                            std::uint8_t* result, const char** error);
extern "C" int vitals_libpq_salted_password(const char* password, int /*hash_type*/, int key_length,
                                            const char* salt, int salt_length, int iterations,
                                            std::uint8_t* result, const char** error) {
  thread_local SaltedPassword last;
  if (key_length != sha256_bytes || iterations > scram_iterations_max) {
    *error = "the server asks for more SCRAM iterations than 600000";
    return -1;
  }
  const std::string salt_text(salt, static_cast<std::size_t>(salt_length));
  if (last.iterations != iterations || last.salt != salt_text || last.password != password) {
    last.iterations = 0;
    if (PKCS5_PBKDF2_HMAC(password, static_cast<int>(std::strlen(password)),
                          reinterpret_cast<const unsigned char*>(salt), salt_length, iterations,
                          EVP_sha256(), sha256_bytes, last.key.data()) != 1) {
      *error = "PBKDF2 failed";
      return -1;
    }
    last.password = password;
    last.salt = salt_text;
    last.iterations = iterations;
  }
  std::memcpy(result, last.key.data(), last.key.size());
  return 0;
}

namespace vitals {

long last_verify_result() { return verify_result; }
void forget_verify_result() { verify_result = X509_V_OK; }

}  // namespace vitals
