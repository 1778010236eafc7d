// The kind postgres on the wire: TLS, several hosts, startup parameters, and what no real server
// says. Scripted, because real programs do not do it on demand: a malformed first byte, an
// ErrorResponse without SQLSTATE or terminator, an HTTP server on the port, a hang-up in mid-login,
// an endless login, Supavisor's own messages; and one that reads the startup message.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>

#include <vitals/fd.hpp>

#include "tests/support/certificates.hpp"
#include "tests/support/name_server.hpp"
#include "tests/support/postgres_fixture.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/resolver_jail.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"

using namespace vitals;
using namespace vitals::test;
using namespace std::chrono_literals;

namespace {

/// Reads what a client says first and answers with fixed bytes; then closes, or holds the line.
class OneAnswer {
 public:
  enum class Then { close, hold };

  explicit OneAnswer(std::string answer, Then then = Then::close)
      : server_([this, answer = std::move(answer), then](ScriptedConnection& connection) {
          auto bytes = connection.read_bytes();
          {
            const std::lock_guard lock(mutex_);
            heard_ = std::move(bytes);
          }
          connection.send(answer);
          if (then == Then::hold) connection.hang();
        }) {}

  [[nodiscard]] std::string url(const std::string& parameters = "sslmode=disable") const {
    return "postgres://u:Canary55@127.0.0.1:" + std::to_string(port()) + "/d?" + parameters;
  }
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] std::string heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  mutable std::mutex mutex_;
  std::string heard_;
  ScriptedServer server_;
};

/// A port of 127.0.0.1 that drops SYNs; on ::1 nobody has its number.
class BlackHole {
 public:
  BlackHole() { listener_.fill(); }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  test::DeafListener listener_{"127.0.0.1", free_port()};
};

/// A message of the server: type, length, body.
std::string message(char type, const std::string& body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 4);
  std::string text(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>((length >> shift) & 0xff);
  return text + body;
}
std::string error_fields(const std::map<char, std::string>& fields) {
  std::string body;
  for (const auto& [type, value] : fields) body += type + value + '\0';
  return message('E', body + '\0');
}

/// Lets everybody in and answers each question with the same bytes.
ScriptedServer::Script answering_queries(std::string answer) {
  using namespace std::string_literals;
  return [answer = std::move(answer)](ScriptedConnection& connection) {
    if (connection.read_bytes().empty()) return;
    connection.send(message('R', "\0\0\0\0"s) + message('K', "\0\0\0\1\0\0\0\2"s) +
                    message('Z', "I"));
    while (!connection.read_bytes().empty()) connection.send(answer);
  };
}
std::string completed(const std::string& tag) { return message('C', tag + '\0'); }
std::string url_of(const ScriptedServer& server) {
  return "postgres://u:p@127.0.0.1:" + std::to_string(server.port()) + "/d?sslmode=disable";
}

bool has_ipv6_loopback() {
  const Fd fd(socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

/// TLS servers: the certificate is given a place that the server may read.
PostgresOptions with_tls(const Certificate& certificate) {
  static std::vector<std::unique_ptr<TempDir>> folders;
  folders.push_back(std::make_unique<TempDir>());
  const auto copy = [&](const std::filesystem::path& from, const char* name) {
    const auto to = folders.back()->path() / name;
    std::filesystem::copy_file(from, to);
    std::filesystem::permissions(to, std::filesystem::perms::owner_read);
    give_to_server(to);
    return to.string();
  };
  return {.settings = {{"ssl", "on"},
                       {"ssl_cert_file", copy(certificate.certificate, "server.pem")},
                       {"ssl_key_file", copy(certificate.key, "server.key")}}};
}

Authority& authority() {
  static Authority one;
  return one;
}
PostgresServer& secure() {
  static PostgresServer server(with_tls(authority().valid()));
  return server;
}
std::string verified(const PostgresServer& server, const std::string& host = "localhost") {
  return "postgres://" + std::string(app_user) + ":" + app_password + "@" + host + ":" +
         std::to_string(server.port()) +
         "/app?sslmode=verify-full&sslrootcert=" + authority().ca_file().string();
}

/// Variables set for as long as it lives.
class Variables {
 public:
  explicit Variables(std::map<std::string, std::string> values) : values_(std::move(values)) {
    for (const auto& [name, value] : values_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) unsetenv(name.c_str());
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace

TEST_SUITE("postgres") {
  TEST_CASE("postgres: TLS is used, verified, and has a phase of its own") {
    const auto result = ask(postgres_check(verified(secure())));
    expect_pass(result);
    CHECK(result.phases.get(Phase::tls).has_value());
    CHECK(result.phases.get(Phase::auth).has_value());
    expect_pass(ask(postgres_check(secure().url("sslmode=require&channel_binding=require"))));
    const auto plain = ask(postgres_check(secure().url("sslmode=disable")));
    expect_pass(plain);
    CHECK_FALSE(plain.phases.get(Phase::tls).has_value());
  }

  TEST_CASE("postgres: certificates that cannot be trusted are fail(tls_verify)") {
    const Authority other("somebody else");
    const auto url = secure().url("sslmode=verify-full&sslrootcert=" + other.ca_file().string());
    const auto distrusted = ask(postgres_check(url));
    expect_fail(distrusted, Reason::tls_verify, "set sslrootcert");
    CHECK(distrusted.detail.find("ca_file") == std::string::npos);
    PostgresServer lone(with_tls(authority().self_signed()));
    expect_fail(ask(postgres_check(verified(lone))), Reason::tls_verify,
                "self-signed; set sslrootcert to trust it");
    PostgresServer elsewhere(with_tls(authority().other_host()));
    expect_fail(ask(postgres_check(verified(elsewhere))), Reason::tls_verify, "localhost");
    const auto ca_only =
        elsewhere.url("sslmode=verify-ca&sslrootcert=" + authority().ca_file().string());
    expect_pass(ask(postgres_check(ca_only)));
  }

  TEST_CASE("postgres: a certificate outside its validity is fail(tls_expired)") {
    PostgresServer expired(with_tls(authority().expired()));
    expect_fail(ask(postgres_check(verified(expired))), Reason::tls_expired);
    PostgresServer early(with_tls(authority().not_yet_valid()));
    expect_fail(ask(postgres_check(verified(early))), Reason::tls_expired);
    // Whatever else is wrong with it; and nothing is where nobody asked.
    const Authority other("somebody else");
    const auto strange = "sslmode=verify-full&sslrootcert=" + other.ca_file().string();
    expect_fail(ask(postgres_check(expired.url(strange))), Reason::tls_expired, "has expired");
    expect_fail(ask(postgres_check(early.url(strange))), Reason::tls_expired, "not valid yet");
    expect_pass(ask(postgres_check(expired.url("sslmode=require"))));
  }

  TEST_CASE("postgres: a server without TLS is fail(tls) when TLS is required") {
    PostgresServer plain;
    expect_fail(ask(postgres_check(plain.url("sslmode=require"))), Reason::tls,
                "does not support SSL");
    expect_pass(ask(postgres_check(plain.url())));
  }

  TEST_CASE("postgres: sslrootcert that is not there is internal, with the way out") {
    expect_fail(ask(postgres_check(secure().url("sslmode=verify-full&sslrootcert=/no/such.pem"))),
                Reason::internal, "/no/such.pem");
    const TempDir folder;
    const auto empty = folder.write("empty.pem", "");
    expect_fail(
        ask(postgres_check(secure().url("sslmode=verify-full&sslrootcert=" + empty.string()))),
        Reason::internal, "sslrootcert");
  }

  TEST_CASE("postgres: sslrootcert=system trusts what SSL_CERT_FILE names") {
    const auto url = "postgres://" + std::string(app_user) + ":" + app_password +
                     "@localhost:" + std::to_string(secure().port()) + "/app?sslmode=verify-full";
    {
      const Variables trust({{"SSL_CERT_FILE", authority().ca_file().string()}});
      expect_pass(ask(postgres_check(url)));
      expect_pass(ask(postgres_check(url + "&sslrootcert=system")));
    }
    const auto result = ask(postgres_check(url));
    CHECK(result.outcome == Outcome::fail);
    CHECK((result.reason == Reason::tls_verify || result.reason == Reason::internal));
  }

  TEST_CASE("postgres: a deadline inside a TLS server's silence is kept, kept connection or not") {
    PostgresServer server(with_tls(authority().valid()));
    const auto check = postgres_check(verified(server));
    expect_pass(ask(check));
    server.freeze();
    expect_fail(ask_until_deadline(check, Duration(400)), Reason::timeout);
    expect_fail(ask_until_deadline(postgres_check(verified(server)), Duration(400)),
                Reason::timeout);
  }

  TEST_CASE("postgres: only user, database and application_name are sent at startup") {
    // PGTZ, PGDATESTYLE and PGGEQO go into libpq's startup message whatever its caller says.
    const Variables app({{"PGTZ", "UTC"},
                         {"PGDATESTYLE", "ISO"},
                         {"PGGEQO", "on"},
                         {"PGOPTIONS", "-c geqo=off"},
                         {"PGAPPNAME", "other"},
                         {"PGCLIENTENCODING", "LATIN1"},
                         {"PGSERVICE", "none-such"},
                         {"PGUSER", "other"},
                         {"PGDATABASE", "other"},
                         {"PGSSLMODE", "require"},
                         {"PGHOSTADDR", "127.0.0.9"},
                         {"PGPASSWORD", "other"},
                         {"PGTARGETSESSIONATTRS", "standby"},
                         {"PGREQUIREAUTH", "gss"}});
    const OneAnswer server("");
    expect_fail(ask(postgres_check(server.url())), Reason::reset);
    const auto heard = server.heard();
    using namespace std::string_literals;
    CHECK(heard.substr(4) == "\0\3\0\0user\0u\0database\0d\0application_name\0vitals\0\0"s);
    expect_pass(ask(postgres_check(secure().url("sslmode=disable"))));
  }

  TEST_CASE("postgres: startup options are sent when the URL has them") {
    const OneAnswer server("");
    (void)ask(postgres_check(server.url("sslmode=disable&options=-c%20geqo%3Doff")));
    CHECK(server.heard().find("-c geqo=off") != std::string::npos);
  }

  TEST_CASE("postgres: a malformed first byte is fail(protocol), no crash") {
    for (const char* bytes : {"Zxxxxxxxxx", "\x01\x02\x03\x04\x05\x06", "R\0\0\0\1"}) {
      const OneAnswer server(bytes, OneAnswer::Then::hold);
      const auto result = ask(postgres_check(server.url()), Duration(300));
      CHECK((result.reason == Reason::protocol || result.reason == Reason::timeout));
    }
    const OneAnswer server("Zxxxxxxxxx", OneAnswer::Then::hold);
    expect_fail(ask(postgres_check(server.url())), Reason::protocol);
    const OneAnswer tls("Zxxxxxxxxx", OneAnswer::Then::hold);
    expect_fail(ask(postgres_check(tls.url("sslmode=require"))), Reason::protocol);
  }

  TEST_CASE("postgres: an HTTP server on the port is fail(protocol) and said so") {
    const OneAnswer server("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    expect_fail(ask(postgres_check(server.url())), Reason::protocol, "HTTP");
    expect_fail(ask(postgres_check(server.url("sslmode=prefer"))), Reason::protocol, "HTTP");
    expect_fail(ask(postgres_check(server.url("sslmode=require"))), Reason::protocol, "HTTP");
  }

  TEST_CASE("postgres: an ErrorResponse without code is fail(protocol)") {
    const OneAnswer server(error_fields({{'S', "FATAL"}, {'M', "something"}}));
    expect_fail(ask(postgres_check(server.url())), Reason::protocol, "something");
    const OneAnswer bare(error_fields({{'M', "something"}}));
    expect_fail(ask(postgres_check(bare.url())), Reason::protocol, "something");
    const OneAnswer empty(message('E', std::string(8, '\0')));
    expect_fail(ask(postgres_check(empty.url())), Reason::protocol);
  }

  TEST_CASE(
      "postgres: an ErrorResponse without terminator is fail(protocol), or reset at hang-up") {
    const OneAnswer server(message('E', "SFATAL"), OneAnswer::Then::hold);
    expect_fail(ask(postgres_check(server.url())), Reason::protocol);
    auto cut = error_fields({{'S', "FATAL"}, {'C', "28000"}, {'M', "no"}});
    cut.resize(cut.size() - 4);
    const OneAnswer closing(cut);
    expect_fail(ask(postgres_check(closing.url())), Reason::reset);
    const OneAnswer holding(cut, OneAnswer::Then::hold);
    expect_fail(ask_until_deadline(postgres_check(holding.url()), Duration(300)), Reason::timeout);
  }

  TEST_CASE("postgres: a hang-up in mid-login is fail(reset)") {
    const OneAnswer silent("");
    expect_fail(ask(postgres_check(silent.url())), Reason::reset);
    expect_fail(ask(postgres_check(silent.url("sslmode=require"))), Reason::reset);
    const OneAnswer half("R");
    expect_fail(ask(postgres_check(half.url())), Reason::reset);
  }

  TEST_CASE("postgres: an endless login is fail(protocol)") {
    using namespace std::string_literals;
    auto flood = message('R', "\0\0\0\0"s);
    for (int i = 0; i < 4000; ++i) flood += message('S', "a" + std::string(500, 'b') + "\0c\0"s);
    const OneAnswer server(flood, OneAnswer::Then::hold);
    expect_fail(ask(postgres_check(server.url())), Reason::protocol, "endless");
  }

  TEST_CASE("postgres: garbage after the login is fail(protocol)") {
    using namespace std::string_literals;
    const auto login =
        message('R', "\0\0\0\0"s) + message('K', "\0\0\0\1\0\0\0\2"s) + message('Z', "I");
    const OneAnswer server(login + "garbage, and more of it", OneAnswer::Then::hold);
    const auto result = ask(postgres_check(server.url()), Duration(500));
    CHECK(result.outcome == Outcome::fail);
    CHECK((result.reason == Reason::protocol || result.reason == Reason::timeout));
  }

  TEST_CASE("postgres: a server that is ready without having answered is fail(protocol)") {
    const auto ready = message('Z', "I");
    const ScriptedServer mute(answering_queries(ready));
    expect_fail(ask(postgres_check(url_of(mute))), Reason::protocol, "without having answered");
    const ScriptedServer forgetful(
        answering_queries(completed("BEGIN") + completed("SET") + completed("COMMIT") + ready));
    expect_fail(ask(postgres_check(url_of(forgetful))), Reason::protocol, "without having");
  }

  TEST_CASE("postgres: a role that is expected and not told is fail(protocol)") {
    const auto said = completed("BEGIN") + completed("SET") + completed("SELECT 0") +
                      completed("SELECT 1") + completed("COMMIT") + message('Z', "I");
    const ScriptedServer server(answering_queries(said));
    for (const std::string setting :
         {"expect_role = \"primary\"", "expect_role = \"replica\"", "max_lag = \"1s\""}) {
      CAPTURE(setting);
      expect_fail(ask(postgres_check(url_of(server), setting)), Reason::protocol,
                  "pg_is_in_recovery");
    }
    expect_pass(ask(postgres_check(url_of(server))));
  }

  TEST_CASE("postgres: of several addresses that fail the one that says most is told") {
    const BlackHole hole;
    const auto url = "postgres://u:p@localhost:" + std::to_string(hole.port()) + "/d";
    const auto result = ask(postgres_check(url), Duration(600));
    expect_fail(result, has_ipv6_loopback() ? Reason::refused : Reason::connect_timeout);
  }

  TEST_CASE("postgres: a server echoing the password shows it to nobody") {
    const OneAnswer server(error_fields(
        {{'S', "FATAL"}, {'C', "28P01"}, {'M', "password \"Canary55\" is not the one"}}));
    const auto check = postgres_check(server.url());
    const auto result = ask(check);
    expect_fail(result, Reason::auth, "28P01");
    CHECK(check.secrets->scrub(result.detail).find("Canary55") == std::string::npos);
  }

  TEST_CASE("postgres: Supavisor's words are understood") {
    const OneAnswer tenant(
        error_fields({{'S', "FATAL"}, {'C', "XX000"}, {'M', "Tenant or user not found"}}));
    expect_fail(ask(postgres_check(tenant.url())), Reason::auth);
    const OneAnswer full(
        error_fields({{'S', "FATAL"}, {'C', "XX000"}, {'M', "Max client connections reached"}}));
    expect_fail(ask(postgres_check(full.url())), Reason::saturated);
  }

  TEST_CASE("postgres: nobody listens: fail(refused); no such name: fail(dns)") {
    const auto port = std::to_string(free_port());
    expect_fail(ask(postgres_check("postgres://u:p@127.0.0.1:" + port + "/d")), Reason::refused,
                "127.0.0.1:" + port);
    expect_fail(ask(postgres_check("postgres://u:p@no-such-host.invalid/d"), Duration(800)),
                Reason::dns);
  }

  TEST_CASE("postgres: an error of an impossible length is fail(protocol), also on an open line") {
    using namespace std::string_literals;
    for (const auto& answer : {"E\x7f\xff\xff\xffSFATAL"s, "E\xff\xff\xff\xffSFATAL"s, "E\0\0\0\4"s,
                               "E\0\1\0\0SFATAL"s}) {
      const OneAnswer holds(answer, OneAnswer::Then::hold);
      const auto check = postgres_check(holds.url());
      // A Machine that stands still may not have heard it by then.
      CHECK(eventually([&] { return ask(check, 400ms).reason == Reason::protocol; }));
    }
    // One that is possible and not finished is no answer.
    const OneAnswer slow("E\0\0\1\0SFATAL"s, OneAnswer::Then::hold);
    const auto unfinished = postgres_check(slow.url());
    CHECK(eventually([&] { return ask(unfinished, 400ms).reason == Reason::timeout; }));
    // What a postmaster without memory for a new process says, in the way of protocol 2.
    const OneAnswer old("Ecould not fork new process for connection: Out of memory\n\0"s);
    CHECK(ask(postgres_check(old.url())).detail.find("could not fork") != std::string::npos);
  }

  TEST_CASE("postgres: a dropped SYN is fail(connect_timeout) at the deadline") {
    const BlackHole hole;
    const auto url = "postgres://u:p@127.0.0.1:" + std::to_string(hole.port()) + "/d";
    expect_fail(ask_until_deadline(postgres_check(url), Duration(400)), Reason::connect_timeout);
  }

  TEST_CASE("postgres: a dead first host leaves time for the next") {
    PostgresServer& server = secure();
    const BlackHole hole;
    constexpr Duration limit{4'000};  // half of it is the first one's
    const auto port = std::to_string(server.port());
    const auto rest = "/app?sslmode=disable";
    const auto user = "postgres://" + std::string(app_user) + ":" + app_password + "@";
    expect_pass(ask(postgres_check(user + "127.0.0.1:" + std::to_string(hole.port()) +
                                   ",127.0.0.1:" + port + rest),
                    limit));
    expect_pass(ask(postgres_check(user + "127.0.0.1:" + std::to_string(free_port()) +
                                   ",127.0.0.1:" + port + rest),
                    limit));
    const OneAnswer silent("", OneAnswer::Then::hold);
    expect_pass(ask(postgres_check(user + "127.0.0.1:" + std::to_string(silent.port()) +
                                   ",127.0.0.1:" + port + rest),
                    limit));
    // localhost is ::1 first, where nobody listens.
    expect_pass(ask(postgres_check(user + "localhost:" + port + rest)));
  }

  TEST_CASE("postgres: every address of a name is tried inside the deadline, the last one too") {
    PostgresServer& server = secure();
    DeafListener silent("127.0.0.2", server.port());
    silent.fill();
    const NameServer names([](const DnsQuestion& question) {
      DnsReply reply;
      if (question.v6) return reply;
      reply.addresses.assign(question.name == "five.example" ? 4 : 20, "127.0.0.2");
      reply.addresses.emplace_back("127.0.0.1");
      return reply;
    });
    const auto check_of = [&](const std::string& name) {
      return postgres_check("postgres://" + std::string(app_user) + ":" + app_password + "@" +
                            name + ":" + std::to_string(server.port()) + "/app?sslmode=disable");
    };
    const auto five = check_of("five.example");
    const auto many = check_of("many.example");
    bool five_passed = false;
    bool many_passed = false;
    ResolverJail("nameserver " + names.address()).run([&] {
      five_passed = eventually([&] { return ask(five, 1s).outcome == Outcome::pass; });
      many_passed = eventually([&] { return ask(many, 4s).outcome == Outcome::pass; }, 60s);
    });
    CHECK(five_passed);
    CHECK(many_passed);
  }

  TEST_CASE("postgres: target_session_attrs finds the right one of several hosts") {
    PostgresServer primary;
    const auto replica = PostgresServer::replica_of(primary);
    const auto url = [&](const std::string& attrs) {
      return "postgres://" + std::string(app_user) + ":" + app_password +
             "@127.0.0.1:" + std::to_string(replica->port()) +
             ",127.0.0.1:" + std::to_string(primary.port()) + "/app?target_session_attrs=" + attrs;
    };
    const auto recovering = [&](const std::string& attrs) {
      const auto result = ask(postgres_check(url(attrs)));
      expect_pass(result);
      return measured(result, "postgres_in_recovery");
    };
    CHECK(recovering("any") == 1);
    CHECK(recovering("read-write") == 0);
    CHECK(recovering("primary") == 0);
    CHECK(recovering("standby") == 1);
    CHECK(recovering("prefer-standby") == 1);
    expect_fail(ask(postgres_check(replica->url("target_session_attrs=read-write"))),
                Reason::readonly, "read-only");
    expect_fail(ask(postgres_check(primary.url("target_session_attrs=standby"))),
                Reason::replication, "hot standby");

    const auto check = postgres_check(url("read-write"), "expect_role = \"primary\"");
    expect_pass(ask(check));
    primary.stop("immediate");
    CHECK(ask(check).outcome == Outcome::fail);
    REQUIRE(replica->sql("SELECT pg_promote()") == "t");
    expect_pass(ask(check));
  }

  TEST_CASE("postgres: a Unix socket needs neither name nor port") {
    PostgresServer& server = secure();
    const auto check =
        postgres_check("host=" + server.socket_folder() + " port=" + std::to_string(server.port()) +
                       " user=app dbname=app");
    expect_pass(ask(check));
    CHECK(check.spec->target ==
          "unix:" + server.socket_folder() + "/.s.PGSQL." + std::to_string(server.port()));
    expect_fail(ask(postgres_check("host=/no/such/folder user=app")), Reason::refused);
  }
}
