// What a certificate's dates do to a result, and what TLS errors mean.
#include "probes/tls.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <string>

namespace vitals::tls {
namespace {

using std::chrono::hours;

const WallTime now = std::chrono::system_clock::from_time_t(1'800'000'000);

struct Case {
  hours left;
  hours cert_warn;
  bool verify;
  Outcome outcome;
  Reason reason;
};

TlsSettings settings_of(const Case& one) {
  TlsSettings settings;
  settings.verify = one.verify;
  settings.cert_warn = one.cert_warn;
  return settings;
}

}  // namespace

TEST_SUITE("tls") {
  TEST_CASE("judge_certificate: dates turn a pass into warn or fail") {
    const Case cases[] = {
        {hours(24 * 30), hours(336), true, Outcome::pass, Reason::none},
        {hours(337), hours(336), true, Outcome::pass, Reason::none},
        {hours(336), hours(336), true, Outcome::warn, Reason::cert_expiring},
        {hours(1), hours(336), true, Outcome::warn, Reason::cert_expiring},
        {hours(1), hours(0), true, Outcome::pass, Reason::none},
        {hours(0), hours(0), true, Outcome::fail, Reason::tls_expired},
        {hours(-5), hours(336), true, Outcome::fail, Reason::tls_expired},
        {hours(-5), hours(336), false, Outcome::warn, Reason::cert_expiring},
        {hours(-5), hours(0), false, Outcome::pass, Reason::none},
    };
    for (const auto& one : cases) {
      CAPTURE(one.left.count());
      CAPTURE(one.verify);
      auto result = passed("ok");
      judge_certificate(result, {"TLSv1.3", now + one.left, false}, settings_of(one), now);
      CHECK(result.outcome == one.outcome);
      CHECK(result.reason == one.reason);
      if (one.outcome == Outcome::pass) CHECK(result.detail == "ok");
      REQUIRE(result.measurements.size() == 2);
      CHECK(result.measurements[0].metric == &metric_specs[1]);
      CHECK(result.measurements[0].labels == std::vector<std::string>{"TLSv1.3"});
      CHECK(result.measurements[0].value == 1);
      CHECK(result.measurements[1].metric == &metric_specs[0]);
      CHECK(result.measurements[1].value ==
            1'800'000'000.0 + static_cast<double>(one.left.count()) * 3'600);
    }
  }

  TEST_CASE("judge_certificate: another failure keeps its reason, a warning too unless expired") {
    TlsSettings settings;
    settings.cert_warn = hours(336);
    auto failing = failed(Reason::status, "500");
    judge_certificate(failing, {"TLSv1.2", now - hours(1), false}, settings, now);
    CHECK(failing.reason == Reason::status);
    CHECK(failing.measurements.size() == 2);
    auto slow = warned(Reason::slow, "slow");
    judge_certificate(slow, {"TLSv1.2", now + hours(1), false}, settings, now);
    CHECK(slow.reason == Reason::slow);
    judge_certificate(slow, {"TLSv1.2", now - hours(1), false}, settings, now);
    CHECK(slow.reason == Reason::tls_expired);
  }

  TEST_CASE("judge_certificate: without a date there is the version alone") {
    auto result = passed("ok");
    judge_certificate(result, {"TLSv1.3", std::nullopt, false}, {}, now);
    CHECK(result.outcome == Outcome::pass);
    CHECK(result.measurements.size() == 1);
  }

  TEST_CASE("handshake_failure: verification results and errors become their reasons") {
    const auto verify = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED);
    const auto reason_of = [&](long result) {
      return handshake_failure(result, verify, "db.example").reason;
    };
    CHECK(reason_of(X509_V_ERR_CERT_HAS_EXPIRED) == Reason::tls_expired);
    CHECK(reason_of(X509_V_ERR_CERT_NOT_YET_VALID) == Reason::tls_expired);
    for (const long result :
         {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
          X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
          X509_V_ERR_CA_MD_TOO_WEAK}) {
      CAPTURE(result);
      CHECK(reason_of(result) == Reason::tls_verify);
      CHECK(handshake_failure(result, verify, "db.example").detail.find("db.example") !=
            std::string::npos);
    }
    const auto plain = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_WRONG_VERSION_NUMBER);
    CHECK(handshake_failure(X509_V_OK, plain).reason == Reason::tls);
    CHECK(handshake_failure(X509_V_OK, plain).detail.find("plain text") != std::string::npos);
    const auto eof = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    CHECK(handshake_failure(X509_V_OK, eof).reason == Reason::reset);
    // A bad certificate that verify = false let pass is not why the handshake failed later.
    CHECK(handshake_failure(X509_V_ERR_CERT_HAS_EXPIRED, plain).reason == Reason::tls);
  }
}

}  // namespace vitals::tls
