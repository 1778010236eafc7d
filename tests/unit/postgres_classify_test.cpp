// From the words of servers, poolers and libpq to reasons: the table of contract §7 as text.
#include "probes/postgres_classify.hpp"

#include <doctest/doctest.h>

using namespace vitals;
using namespace vitals::postgres;

namespace {

std::string label(const net::Failure& failure) { return std::string(to_label(failure.reason)); }

constexpr const char* begin_of_try = "connection to server at \"127.0.0.1\", port 5432 failed: ";

}  // namespace

TEST_SUITE("postgres") {
  TEST_CASE("postgres classify: every SQLSTATE of the table has its reason") {
    struct Row {
      const char* sqlstate;
      const char* message;
      const char* reason;
    };
    for (const auto& [sqlstate, message, reason] : {
             Row{"57P01", "terminating connection due to administrator command", "starting"},
             Row{"57P02", "terminating connection because of crash", "starting"},
             Row{"57P03", "the database system is starting up", "starting"},
             Row{"53300", "sorry, too many clients already", "saturated"},
             Row{"53300", "remaining connection slots are reserved", "saturated"},
             Row{"28P01", "password authentication failed for user \"u\"", "auth"},
             Row{"28000", "no pg_hba.conf entry", "auth"},
             Row{"3D000", "database \"d\" does not exist", "auth"},
             Row{"25006", "cannot execute INSERT in a read-only transaction", "readonly"},
             Row{"57014", "canceling statement due to user request", "assertion"},
             Row{"08P01", "password authentication failed", "auth"},
             Row{"08P01", "no such user", "auth"},
             Row{"08P01", "no such database: d", "auth"},
             Row{"08P01", "no more connections allowed (max_client_conn)", "saturated"},
             Row{"08P01", "query_wait_timeout", "saturated"},
             Row{"08P01", "server login has been failing, try again later (server_login_retry)",
                 "pooler"},
             Row{"08P01", "pgbouncer cannot connect to server", "pooler"},
             Row{"08P01", "unsupported startup parameter: options", "internal"},
             Row{"XX000", "Tenant or user not found", "auth"},
             Row{"XX000", "Max client connections reached", "saturated"},
             Row{"XX000", "cache lookup failed", "assertion"},
             Row{"42P01", "relation \"x\" does not exist", "assertion"},
             Row{"", "something", "protocol"},
         }) {
      CAPTURE(sqlstate);
      CAPTURE(message);
      const auto failure = classify({sqlstate, message}, "d");
      CHECK(label(failure) == reason);
      CHECK(failure.detail.find(message) != std::string::npos);
      CHECK(failure.detail.find(sqlstate) != std::string::npos);
    }
  }

  TEST_CASE("postgres classify: the detail names the database, whatever the server's language") {
    CHECK(classify({"3D000", "database \"shop\" does not exist"}, "shop").detail ==
          "3D000 database \"shop\" does not exist");
    CHECK(classify({"3D000", "gibt es nicht"}, "shop").detail.find("\"shop\"") !=
          std::string::npos);
  }

  TEST_CASE("postgres classify: the server's error is found in libpq's text, in any language") {
    const auto error = server_error_of(std::string(begin_of_try) +
                                       "FATAL:  53300: sorry, too many clients already\n"
                                       "LOCATION:  InitProcess, proc.c:1\n");
    REQUIRE(error.has_value());
    CHECK(error->sqlstate == "53300");
    CHECK(error->message == "sorry, too many clients already");
    const auto german = server_error_of(std::string(begin_of_try) + "FATAL:  28P01: Passwort\n");
    CHECK((german && german->sqlstate == "28P01"));
    const auto bare = server_error_of(std::string(begin_of_try) + "FATAL:  no code\n");
    CHECK((bare && bare->sqlstate.empty()));
    CHECK_FALSE(server_error_of(std::string(begin_of_try) + "Connection refused\n").has_value());
    CHECK_FALSE(server_error_of(std::string(begin_of_try) + "SSL error: bad\n").has_value());
    CHECK_FALSE(server_error_of("").has_value());
  }

  TEST_CASE("postgres classify: of two tries the one that says more counts") {
    const std::string full = std::string(begin_of_try) + "FATAL:  53300: full\n";
    const std::string plain = std::string(begin_of_try) + "FATAL:  28000: no encryption\n";
    CHECK(server_error_of(full + plain)->sqlstate == "53300");
    CHECK(server_error_of(plain + full)->sqlstate == "53300");
    CHECK(server_error_of(plain + plain)->sqlstate == "28000");
  }

  TEST_CASE("postgres classify: what libpq says itself has a reason") {
    struct Row {
      const char* text;
      const char* reason;
    };
    for (const auto& [text, reason] : {
             Row{"Connection refused\n\tIs the server running", "refused"},
             Row{"No route to host", "unreachable"},
             Row{"could not receive data from server: Connection reset by peer", "reset"},
             Row{"SSL SYSCALL error: Connection reset by peer", "reset"},
             Row{"SSL SYSCALL error: EOF detected", "reset"},
             Row{"server closed the connection unexpectedly\n\tThis probably means", "reset"},
             Row{"SSL error: unexpected eof while reading", "reset"},
             Row{"SSL error: certificate verify failed", "tls_verify"},
             Row{"server certificate for \"a\" does not match host name \"b\"", "tls_verify"},
             Row{"SSL error: tlsv1 alert protocol version", "tls"},
             Row{"server does not support SSL, but SSL was required", "tls"},
             Row{"received invalid response to SSL negotiation: H", "protocol"},
             Row{"expected authentication request from server, but received H", "protocol"},
             Row{"received invalid error message", "protocol"},
             Row{"fe_sendauth: no password supplied", "auth"},
             Row{"channel binding required, but SSL not in use", "auth"},
             Row{"authentication method requirement \"gss\" failed: x", "auth"},
             Row{"root certificate file \"/x\" does not exist\nEither provide", "internal"},
             Row{"could not read root certificate file \"/x\": no such file", "internal"},
             Row{"could not open certificate file \"/x\": Permission denied", "internal"},
             Row{"private key file \"/x\" has group or world access", "internal"},
             Row{"invalid require_auth value: \"x\"", "internal"},
             Row{"what no version ever said", "protocol"},
             Row{"", "protocol"},
         }) {
      CAPTURE(text);
      CHECK(label(classify_libpq(std::string(begin_of_try) + text + "\n", "h:1")) == reason);
      CHECK(label(classify_libpq(std::string(text) + "\n", "h:1")) == reason);
    }
    CHECK(label(classify_libpq("Permission denied\n", "h:1")) == "unreachable");
    const auto denied = classify_libpq("Permission denied\n", "unix:/run/.s.PGSQL.5432");
    CHECK(label(denied) == "internal");
    CHECK(denied.detail.find("run vitals as a user that may use this socket") != std::string::npos);
    CHECK(classify_libpq(std::string(begin_of_try) + "Connection refused\n", "h:1")
              .detail.find("h:1") != std::string::npos);
  }

  TEST_CASE("postgres classify: the wrong role of a session is known by libpq's words") {
    const auto reason = [](const std::string& text) -> std::string {
      const auto failure = wrong_role(begin_of_try + text + "\n");
      return failure ? label(*failure) : "";
    };
    CHECK(reason("session is read-only") == "readonly");
    CHECK(reason("session is not read-only") == "replication");
    CHECK(reason("server is in hot standby mode") == "readonly");
    CHECK(reason("server is not in hot standby mode") == "replication");
    CHECK(reason("Connection refused") == "");
  }
}
