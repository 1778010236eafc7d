// Kind http against real nginx and tinyproxy, and against a scripted server for every fault.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <vitals/fd.hpp>

#include "probes/registry.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using Connection = ScriptedConnection;

std::string http_check(const std::string& url, const std::string& more = {}) {
  return "kind = \"http\"\nurl = \"" + url + "\"\n" + more;
}

ConfiguredCheck make(const std::string& url, const std::string& more = {}) {
  initialise_probe_libraries();
  return make_check(http_check(url, more));
}

ProbeResult ask_url(const std::string& url, const std::string& more = {},
                    Duration timeout = 10'000ms) {
  return ask(make(url, more), timeout);
}

/// All mistakes that loading says, or "" when it loads.
std::string mistakes(const std::string& url, const std::string& more = {}) {
  try {
    make(url, more);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Timed {
  ProbeResult result;
  test::Took took;
};
Timed ask_timed(const ConfiguredCheck& check, Duration timeout) {
  const test::Stopwatch watch;
  auto result = ask(check, timeout);
  return {std::move(result), watch.took()};
}

void check_on_time(const Timed& timed, Duration timeout) {
  test::check_ended_at(timed.took, timeout, 1ms);
}

/// Runs the script once, asks it, and expects this reason at the deadline.
ProbeResult ends_at_deadline(const ScriptedServer::Script& script, Reason reason,
                             const std::string& more = {}) {
  const ScriptedServer server(script);
  const auto timed = ask_timed(make(server.url(), more), 300ms);
  check_on_time(timed, 300ms);
  CHECK(timed.result.outcome == Outcome::fail);
  CHECK(to_label(timed.result.reason) == to_label(reason));
  return timed.result;
}

ProbeResult answered(const std::string& raw, const std::string& more = {}) {
  const ScriptedServer server(answering(raw));
  return ask_url(server.url(), more);
}

void check_failed(const ProbeResult& result, Reason reason, const std::string& detail) {
  CHECK(result.outcome == Outcome::fail);
  CHECK(to_label(result.reason) == to_label(reason));
  CAPTURE(result.detail);
  CHECK(has(result.detail, detail));
}

void check_passed(const ProbeResult& result) {
  CAPTURE(result.detail);
  CHECK(result.outcome == Outcome::pass);
  CHECK(to_label(result.reason) == "none");
}

/// A real nginx with `locations` inside one server block.
class Nginx {
 public:
  explicit Nginx(const std::string& locations, const Certificate* certificate = nullptr)
      : port_(free_port()), tls_port_(free_port()) {
    const auto folder = folder_.path().string();
    std::string listen =
        "listen 127.0.0.1:" + std::to_string(port_) + ";\nlisten unix:" + folder + "/app.sock;\n";
    if (certificate != nullptr) {
      listen += "listen 127.0.0.1:" + std::to_string(tls_port_) + " ssl;\nssl_certificate " +
                certificate->certificate.string() + ";\nssl_certificate_key " +
                certificate->key.string() +
                ";\nssl_protocols TLSv1.2 TLSv1.3;\nssl_session_cache shared:x:1m;\n";
    }
    std::string temporary;
    for (const std::string kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      temporary += kind + "_temp_path " + folder + "/" + kind + ";\n";
    }
    folder_.write("nginx.conf", "daemon off;\nmaster_process off;\nerror_log stderr;\npid " +
                                    folder + "/pid;\nevents {}\nhttp {\naccess_log off;\n" +
                                    temporary + "server {\n" + listen + locations + "\n}\n}\n");
    process_.emplace(Command{.argv = {"nginx", "-p", folder, "-c", folder + "/nginx.conf"}});
    // Written when all of its sockets listen.
    REQUIRE(eventually([&] { return std::filesystem::exists(folder_.path() / "pid"); }));
  }
  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  [[nodiscard]] std::string https_url(const std::string& path) const {
    return "https://localhost:" + std::to_string(tls_port_) + path;
  }
  [[nodiscard]] std::string unix_url(const std::string& path) const {
    std::string encoded;
    for (const char c : (folder_.path() / "app.sock").string()) {
      encoded += c == '/' ? std::string("%2F") : std::string(1, c);
    }
    return "http+unix://" + encoded + path;
  }
  [[nodiscard]] std::string socket_path() const { return (folder_.path() / "app.sock").string(); }

 private:
  TempDir folder_;
  std::uint16_t port_;
  std::uint16_t tls_port_;
  std::optional<Process> process_;
};

std::size_t open_fds() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

[[maybe_unused]] std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

std::string trust(const Authority& authority) {
  return "ca_file = \"" + authority.ca_file().string() + "\"\n";
}

Certificate& good_certificate();
Authority& authority() {
  static Authority one;
  return one;
}
Certificate& good_certificate() {
  static Certificate one = authority().valid();
  return one;
}

ScriptedOptions with(const Certificate& certificate) {
  return {.certificate = certificate.certificate, .key = certificate.key};
}

}  // namespace

TEST_SUITE("http") {
  TEST_CASE("http: a real server that answers passes, with its status and phases") {
    const Nginx nginx("location / { return 200 ready; }");
    const auto check = make(nginx.url("/healthz?verbose=1"));
    CHECK(check.spec->target == nginx.url(""));
    CHECK(check.spec->scope == Scope::local);
    CHECK(check.spec->impact == Impact::critical);
    const auto result = ask(check);
    check_passed(result);
    CHECK(result.detail == "200");
    CHECK(measured(result, "check_http_status_code") == 200);
    CHECK(result.phases.get(Phase::resolve).has_value());
    CHECK(result.phases.get(Phase::connect).has_value());
    CHECK_FALSE(result.phases.get(Phase::tls).has_value());
    CHECK(result.phases.get(Phase::request).has_value());
    CHECK(result.phases.get(Phase::transfer).has_value());
  }

  TEST_CASE("http: an unexpected status is fail(status) with what the server says") {
    const Nginx nginx("location / { return 503 'pool is empty'; }");
    const auto result = ask_url(nginx.url("/"));
    check_failed(result, Reason::status,
                 "HTTP 503 Service Temporarily Unavailable, expected 200-299: pool is empty");
    CHECK(measured(result, "check_http_status_code") == 503);
  }

  TEST_CASE("http: an expected 503 passes") {
    const Nginx nginx("location / { return 503 'pool is empty'; }");
    check_passed(ask_url(nginx.url("/"), "expect_status = [200, \"500-599\"]"));
  }

  TEST_CASE("http: a Unix socket is asked, and a missing one is refused with its path") {
    const Nginx nginx("location /in { return 200 \"host=$host\"; }");
    const auto check = make(nginx.unix_url("/in"), "expect_body = \"host=localhost\"");
    CHECK(check.spec->target == "http+unix://" + nginx.socket_path());
    CHECK(check.spec->scope == Scope::local);
    const auto result = ask(check);
    check_passed(result);
    CHECK_FALSE(result.phases.get(Phase::resolve).has_value());
    check_failed(ask_url("http+unix://%2Fnonexistent%2Fapp.sock/"), Reason::refused,
                 "/nonexistent/app.sock");
  }

  TEST_CASE("http: a real proxy is used for plain and TLS targets, and named when it is down") {
    const Nginx nginx("location / { return 200 ready; }", &good_certificate());
    const auto port = free_port();
    const TempDir folder;
    const auto file = folder.write(
        "proxy.conf", "Port " + std::to_string(port) + "\nListen 127.0.0.1\nAllow 127.0.0.1\n");
    const std::string proxy = "proxy = \"http://127.0.0.1:" + std::to_string(port) + "\"\n";
    check_failed(ask_url(nginx.url("/"), proxy), Reason::refused, "the proxy: ");

    const Process process(Command{.argv = {"tinyproxy", "-d", "-c", file.string()}});
    REQUIRE(eventually([&] { return accepts_tcp(port); }));
    check_passed(ask_url(nginx.url("/"), proxy));
    check_passed(ask_url(nginx.https_url("/"), proxy + trust(authority())));
    CHECK(has(process.output(), "CONNECT localhost:"));
    const auto refused = ask_url("https://127.0.0.1:" + std::to_string(free_port()) + "/", proxy);
    check_failed(refused, Reason::status, "the proxy answered 5");
  }

  TEST_CASE("http: environment variables that name a proxy are not read") {
    const Nginx nginx("location / { return 200 ready; }");
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    const auto result = ask_url(nginx.url("/"));
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    check_passed(result);
  }

  TEST_CASE("http: HEAD has a Content-Length beyond max_body and still passes") {
    const Nginx nginx("location / { return 200 0123456789; }");
    const std::string limit = "max_body = 5\n";
    check_passed(ask_url(nginx.url("/"), limit + "method = \"HEAD\""));
    check_failed(ask_url(nginx.url("/"), limit), Reason::too_large, "max_body, 5 bytes");
    check_passed(ask_url(nginx.url("/"), "max_body = 10"));
  }
}

TEST_SUITE("http request") {
  TEST_CASE("http: the request is what was written, and nothing else goes out") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")));
    check_passed(ask_url(server.url("/a//../b?c=d%20e"),
                         "method = \"POST\"\nbody = \"{\\\"n\\\":1}\"\nheaders = { X-A = \"1\", "
                         "Content-Type = \"application/json\", X-Empty = \"\" }\n"));
    REQUIRE(server.requests().size() == 1);
    const auto request = server.requests().front();
    CAPTURE(request);
    CHECK(request.starts_with("POST /a//../b?c=d%20e HTTP/1.1\r\n"));
    CHECK(Connection::header_of(request, "Host") == "127.0.0.1:" + std::to_string(server.port()));
    CHECK(Connection::header_of(request, "X-A") == "1");
    CHECK(has(request, "X-Empty:\r\n"));
    CHECK(Connection::header_of(request, "Content-Type") == "application/json");
    CHECK(Connection::header_of(request, "Content-Length") == "7");
    CHECK(Connection::header_of(request, "Accept") == "*/*");
    CHECK(Connection::header_of(request, "User-Agent").starts_with("vitals/"));
    CHECK(Connection::header_of(request, "Connection") == "close");
    CHECK(request.ends_with("\r\n\r\n{\"n\":1}"));
    CHECK_FALSE(has(request, "Expect:"));
    CHECK_FALSE(has(request, "Cookie:"));
  }

  TEST_CASE("http: headers of ours give way to those that were written") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")));
    check_passed(ask_url(server.url(),
                         "headers = { User-Agent = \"me\", Host = \"app.test\", "
                         "accept = \"text/plain\" }"));
    const auto request = server.requests().front();
    CHECK(Connection::header_of(request, "User-Agent") == "me");
    CHECK(Connection::header_of(request, "Host") == "app.test");
    CHECK(Connection::header_of(request, "Accept") == "text/plain");
    CHECK_FALSE(has(request, "vitals/"));
    CHECK_FALSE(has(request, "*/*"));
  }

  TEST_CASE("http: bearer, basic and the user of the URL become Authorization") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")));
    const auto sent = [&](const std::string& url, const std::string& more) {
      check_passed(ask_url(url, more));
      return Connection::header_of(server.requests().back(), "Authorization");
    };
    CHECK(sent(server.url(), "bearer = \"t0ken\"") == "Bearer t0ken");
    CHECK(sent(server.url(), "basic = \"user:pass:word\"") == "Basic dXNlcjpwYXNzOndvcmQ=");
    const auto port = std::to_string(server.port());
    CHECK(sent("http://us%40er:p%3Ass@127.0.0.1:" + port + "/", "") == "Basic dXNAZXI6cDpzcw==");
    CHECK(sent(server.url(), "").empty());
  }

  TEST_CASE("http: a token, a URL and a header in files are read again for each attempt") {
    const ScriptedServer first(answering(http_answer("200 OK", "fine")));
    const ScriptedServer second(answering(http_answer("200 OK", "fine")));
    const TempDir folder;
    const auto token = folder.write("token", "one\n");
    const auto url = folder.write("url", first.url("/x") + "\n");
    const auto header = folder.write("header", "a\n");
    initialise_probe_libraries();
    const auto check = make_check(
        "kind = \"http\"\nurl = { file = \"" + url.string() + "\" }\nbearer = { file = \"" +
        token.string() + "\" }\nheaders = { X-A = { file = \"" + header.string() + "\" } }\n");
    check_passed(ask(check));
    CHECK(Connection::header_of(first.requests().back(), "Authorization") == "Bearer one");
    CHECK(Connection::header_of(first.requests().back(), "X-A") == "a");

    folder.write("token", "two\n");
    folder.write("url", second.url("/y") + "\n");
    folder.write("header", "b\n");
    check_passed(ask(check));
    REQUIRE(second.requests().size() == 1);
    CHECK(Connection::target_of(second.requests().back()) == "/y");
    CHECK(Connection::header_of(second.requests().back(), "Authorization") == "Bearer two");
    CHECK(Connection::header_of(second.requests().back(), "X-A") == "b");

    folder.write("header", "b\r\nX-Smuggled: 1\n");
    const auto smuggling = ask(check);
    check_failed(smuggling, Reason::internal, "line break");
    std::filesystem::remove(token);
    check_failed(ask(check), Reason::internal, token.string());
    CHECK(second.requests().size() == 1);
  }

  TEST_CASE("http: every attempt is a new connection, closed when it is over") {
    const ScriptedServer server([](Connection& connection) {
      while (!connection.read_request().empty()) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
    });
    const auto check = make(server.url());
    for (int i = 0; i < 3; ++i) check_passed(ask(check));
    CHECK(server.accepts().size() == 3);
    CHECK(eventually([&] { return server.open_connections() == 0; }));
  }

  TEST_CASE("http: a name that is only IPv4 here is asked over IPv4, and not with ip = 6") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")), {.port = free_port()});
    const auto url = "http://localhost:" + std::to_string(server.port()) + "/";
    check_passed(ask_url(url));
    check_passed(ask_url(url, "ip = \"4\""));
    check_failed(ask_url(url, "ip = \"6\""), Reason::refused, "[::1]");
  }
}

TEST_SUITE("http answers") {
  TEST_CASE("http: expect_body and reject_body are text or regex") {
    const ScriptedServer server(answering(http_answer("200 OK", "state: ready, errors: 0")));
    check_passed(ask_url(server.url(), "expect_body = \"ready\""));
    check_passed(ask_url(server.url(), "expect_body = '/errors: \\d+$/'"));
    check_passed(ask_url(server.url(), "reject_body = '/errors: [1-9]/'"));
    check_failed(ask_url(server.url(), "expect_body = \"green\""), Reason::assertion,
                 "HTTP 200, the body has no \"green\"; got: state: ready, errors: 0");
    check_failed(ask_url(server.url(), "reject_body = \"ready\""), Reason::assertion,
                 "the body has \"ready\"");
  }

  TEST_CASE("http: an empty body is said to be empty") {
    check_failed(answered(http_answer("200 OK", ""), "expect_body = \"x\""), Reason::assertion,
                 "the body is empty");
  }

  TEST_CASE("http: expect_header and expect_json judge the final answer") {
    const auto answer =
        "HTTP/1.1 103 Early Hints\r\nX-Role: hint\r\n\r\n" +
        http_answer("200 OK", R"({"status":"ok","db":{"up":true}})", "X-Role: primary\r\n");
    check_passed(answered(answer,
                          "expect_header = { x-role = \"primary\" }\n"
                          "expect_json = { \"/status\" = \"ok\", \"/db/up\" = true }"));
    check_failed(answered(answer, "expect_header = { X-Role = \"hint\" }"), Reason::assertion,
                 "header X-Role: expected hint, got \"primary\"");
    check_failed(answered(answer, "expect_json = { \"/status\" = \"degraded\" }"),
                 Reason::assertion, "JSON /status: expected degraded, got \"ok\"");
  }

  TEST_CASE("http: 101 is an answer, at once, though nobody asked for another protocol") {
    const ScriptedServer server([](Connection& connection) {
      if (connection.read_request().empty()) return;
      connection.send(
          "HTTP/1.1 100 Continue\r\n\r\n"
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n");
      connection.hang();
    });
    const auto timed = ask_timed(make(server.url()), 20'000ms);
    check_failed(timed.result, Reason::status, "101 Switching Protocols, expected 200-299");
    CHECK(timed.took.own() < 10'000ms);
    check_passed(ask_url(server.url(),
                         "expect_status = [101]\n"
                         "expect_header = { Upgrade = \"chat\" }"));
  }

  TEST_CASE("http: a body without a length ends with the connection") {
    check_passed(answered("HTTP/1.0 200 OK\r\n\r\nfine", "expect_body = \"/^fine$/\""));
  }

  TEST_CASE("http: a chunked body is put together, its trailer is no header") {
    const std::string chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nfin\r\n1\r\ne\r\n0\r\nX-Late: 1\r\n\r\n";
    check_passed(answered(chunked, "expect_body = \"/^fine$/\""));
    check_failed(answered(chunked, "expect_header = { X-Late = \"1\" }"), Reason::assertion,
                 "not there");
  }
}

TEST_SUITE("http faults") {
  TEST_CASE("http: a literal IPv6 address is asked, with brackets in Host and target") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")), {.ipv6 = true});
    const auto authority = "[::1]:" + std::to_string(server.port());
    const auto check = make("http://" + authority + "/");
    CHECK(check.spec->target == "http://" + authority);
    check_passed(ask(check));
    CHECK(Connection::header_of(server.requests().back(), "Host") == authority);
    const auto by_name = "http://localhost:" + std::to_string(server.port()) + "/";
    check_passed(ask_url(by_name));
    check_failed(ask_url(by_name, "ip = \"4\""), Reason::refused, "127.0.0.1");
  }

  TEST_CASE("http: a port without a listener is fail(refused)") {
    const auto result = ask_url("http://127.0.0.1:" + std::to_string(free_port()) + "/");
    check_failed(result, Reason::refused, "127.0.0.1");
    CHECK(measured(result, "check_http_status_code") == 0);
  }

  TEST_CASE("http: a name that nobody knows is fail(dns)") {
    check_failed(ask_url("http://no-such-host.invalid/"), Reason::dns, "no-such-host.invalid");
  }

  TEST_CASE("http: a full backlog drops packets and is fail(connect_timeout) at the deadline") {
    DeafListener listener;
    listener.fill();
    const auto timed =
        ask_timed(make("http://127.0.0.1:" + std::to_string(listener.port()) + "/"), 300ms);
    check_on_time(timed, 300ms);
    check_failed(timed.result, Reason::connect_timeout, "127.0.0.1");
  }

  TEST_CASE("http: accepted and then silence is fail(timeout) at the deadline") {
    const auto result =
        ends_at_deadline([](Connection& connection) { connection.hang(); }, Reason::timeout);
    CHECK(has(result.detail, "connected, but no answer"));
  }

  TEST_CASE("http: a drip of bytes ends at the deadline, in the header and in the body") {
    const auto in_head = ends_at_deadline(
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\n");
          connection.drip("X: " + std::string(1'000, 'a'), 20ms);
        },
        Reason::timeout);
    CHECK(has(in_head.detail, "answer not finished"));
    ends_at_deadline(
        [](Connection& connection) {
          connection.read_request();
          connection.drip("HTTP/1.1 200 OK\r\n\r\n", 40ms);
        },
        Reason::timeout);
    const auto in_body = ends_at_deadline(
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
          connection.drip(std::string(1'000, 'a'), 20ms);
        },
        Reason::timeout);
    CHECK(has(in_body.detail, "HTTP 200"));
    CHECK(measured(in_body, "check_http_status_code") == 200);
  }

  TEST_CASE("http: header lines without end are too_large, or end at the deadline") {
    const auto endless = [](const std::string& line, const std::string& status = "200 OK") {
      return [line, status](Connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 " + status + "\r\n");
        connection.send_endlessly(line);
      };
    };
    const ScriptedServer lines(endless("X-Again: and again\r\n"));
    check_failed(ask_url(lines.url()), Reason::too_large, "header is longer");
    const ScriptedServer one_line(endless("again"));
    check_failed(ask_url(one_line.url()), Reason::too_large, "");
    const ScriptedServer interim(endless("\r\nHTTP/1.1 103 Early Hints\r\n", "103 Early Hints"));
    check_failed(ask_url(interim.url()), Reason::too_large, "header is longer");
    ends_at_deadline(
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\n");
          for (int i = 0; i < 1'000; ++i) connection.drip("A: b\r\n", 10ms);
        },
        Reason::timeout);
  }

  TEST_CASE("http: an endless body is too_large and is not read on") {
    for (const std::string head :
         {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"}) {
      const ScriptedServer server([head](Connection& connection) {
        connection.read_request();
        connection.send(head);
        connection.send_endlessly(std::string(1'000, 'x'));
      });
      const auto timed = ask_timed(make(server.url()), 2'000ms);
      check_failed(timed.result, Reason::too_large, "max_body, 65536 bytes");
      CHECK(timed.took.own() < test::at_most(1'000ms));
      CHECK(eventually([&] { return server.open_connections() == 0; }));
    }
  }

  TEST_CASE("http: a wrong status wins over a body that is too long or never ends") {
    const ScriptedServer server([](Connection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 500 Oops\r\n\r\nthe cause ");
      connection.send_endlessly("and more ");
    });
    check_failed(ask_url(server.url()), Reason::status,
                 "HTTP 500 Oops, expected 200-299: the cause");
    const auto silent = ends_at_deadline(
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nthe cause is");
          connection.hang();
        },
        Reason::status);
    CHECK(has(silent.detail, "the cause"));
  }

  TEST_CASE("http: a close or a reset is fail(reset) wherever it happens") {
    using Script = ScriptedServer::Script;
    const std::vector<Script> scripts{
        [](Connection&) {},
        [](Connection& connection) { connection.reset(); },
        [](Connection& connection) { connection.read_request(); },
        [](Connection& connection) {
          connection.read_request();
          connection.reset();
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nX: ");
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nContent-Le");
          connection.reset();
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
          connection.reset();
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho");
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n");
        },
        [](Connection& connection) {
          connection.read_request();
          connection.send("HTTP/1.0 200 OK\r\n\r\nno length, so a reset is no end");
          connection.reset();
        },
    };
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      CAPTURE(i);
      const ScriptedServer server(scripts[i]);
      check_failed(ask_url(server.url()), Reason::reset, "");
    }
  }

  TEST_CASE("http: what is not HTTP is fail(protocol)") {
    for (const std::string nonsense :
         {"220 mail.test ESMTP\r\n", "-ERR unknown command\r\n", "<html>HTTP/0.9</html>",
          "HTTP/2 200\r\n\r\n", "HTTP/7.7 200 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"}) {
      CAPTURE(nonsense);
      check_failed(answered(nonsense), Reason::protocol, "");
    }
  }

  TEST_CASE("http: an answer that never finishes before the deadline leaves nothing behind") {
    const ScriptedServer server([](Connection& connection) { connection.hang(); });
    const auto check = make(server.url());
    check_failed(ask(check, 100ms), Reason::timeout, "");
    CHECK(eventually([&] { return server.open_connections() == 0; }));
  }

  TEST_CASE("http: an interrupt ends the attempt at once, while connecting and while waiting") {
    const ScriptedServer server([](Connection& connection) { connection.hang(); });
    const auto check = make(server.url());
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const Fd reader(ends[0]);
    const Fd writer(ends[1]);
    std::thread later([&] {
      CHECK(eventually([&] { return server.open_connections() == 1; }));
      CHECK(write(writer.get(), "x", 1) == 1);
    });
    const test::Stopwatch watch;
    const Attempt attempt{.deadline = Deadline::after(10'000ms, reader.get())};
    (void)check.probe->run(attempt);
    later.join();
    CHECK(watch.took().own() < test::at_most(5'000ms));
    // The descriptor is still readable: the next attempt is over before it begins.
    const test::Stopwatch again;
    (void)check.probe->run(attempt);
    CHECK(again.took().own() < test::at_most(100ms));
  }

  TEST_CASE("http: 200 rounds of every kind of end leave no descriptor and no memory behind") {
    const auto& certificate = good_certificate();
    const ScriptedServer tls(
        [](Connection& connection) {
          if (connection.handshake() && !connection.read_request().empty()) {
            connection.send(http_answer("200 OK", "fine"));
          }
        },
        with(certificate));
    const ScriptedServer fine(answering(http_answer("200 OK", "fine")));
    const ScriptedServer reset([](Connection& connection) { connection.reset(); });
    const ScriptedServer silent([](Connection& connection) { connection.hang(); });
    const ScriptedServer big(answering(http_answer("200 OK", std::string(100'000, 'x'))));
    std::vector<ConfiguredCheck> checks;
    for (const auto* server : {&fine, &reset, &silent, &big}) checks.push_back(make(server->url()));
    checks.push_back(make(tls.https_url(), trust(authority())));
    checks.push_back(make(tls.https_url()));  // does not trust it
    const auto round = [&] {
      for (const auto& check : checks) (void)ask(check, 20ms);
    };
    for (int i = 0; i < 40; ++i) round();
    const auto settled = [&] {
      return fine.open_connections() + reset.open_connections() + silent.open_connections() +
                 big.open_connections() + tls.open_connections() ==
             0;
    };
    REQUIRE(eventually(settled));
    const auto fds = open_fds();
    [[maybe_unused]] const auto memory = resident_kib();
    for (int i = 0; i < 200; ++i) round();
    REQUIRE(eventually(settled));
    CHECK(open_fds() == fds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these keep what was freed
    CHECK(resident_kib() < memory + 1'024);  // the server's threads are in this process too
#endif
  }
}

TEST_SUITE("http redirects") {
  std::string redirect(const std::string& to, const std::string& status = "302 Found") {
    return http_answer(status, "", "Location: " + to + "\r\n");
  }

  TEST_CASE("http: a redirect that is not expected is fail(redirect), wherever it leads") {
    const auto result = answered(redirect("https://login.test/in?token=canary"));
    check_failed(result, Reason::redirect,
                 "HTTP 302 Found, expected 200-299: leads to "
                 "https://login.test/in");
    CHECK_FALSE(has(result.detail, "canary"));
    CHECK(measured(result, "check_http_status_code") == 302);
    check_failed(answered(http_answer("304 Not Modified", "")), Reason::redirect, "304");
    check_failed(answered(http_answer("302 Found", ""), "follow = 3"), Reason::redirect, "302");
    check_passed(answered(redirect("/x"), "expect_status = [302]"));
    check_passed(answered(redirect("/x"), "expect_status = [302]\nfollow = 3"));
  }

  TEST_CASE("http: redirects are followed as often as was said, relative ones too") {
    const ScriptedServer server([](Connection& connection) {
      const auto request = connection.read_request();
      const auto path = Connection::target_of(request);
      if (path == "/a/1") connection.send(redirect("2"));
      if (path == "/a/2") connection.send(redirect("/3?x=y", "307 Temporary Redirect"));
      if (path == "/3?x=y") connection.send(http_answer("200 OK", "there"));
    });
    check_passed(ask_url(server.url("/a/1"), "follow = 2\nexpect_body = \"there\""));
    CHECK(server.accepts().size() == 3);
    check_failed(ask_url(server.url("/a/1"), "follow = 1"), Reason::redirect,
                 "more than 1 redirects");
  }

  TEST_CASE("http: a redirect loop ends, as fail(redirect)") {
    const ScriptedServer server(answering(redirect("/again")));
    check_failed(ask_url(server.url("/again"), "follow = 20"), Reason::redirect,
                 "more than 20 redirects");
    CHECK(server.accepts().size() == 21);
  }

  TEST_CASE("http: a slow redirect chain shares the one deadline") {
    const ScriptedServer server([](Connection& connection) {
      connection.read_request();
      connection.drip(redirect("/again"), 2ms);
    });
    const auto timed = ask_timed(make(server.url(), "follow = 20"), 300ms);
    check_on_time(timed, 300ms);
    check_failed(timed.result, Reason::timeout, "");
  }

  TEST_CASE("http: a redirect to the same host takes the credentials along") {
    const ScriptedServer server([](Connection& connection) {
      const bool first = Connection::target_of(connection.read_request()) == "/1";
      connection.send(first ? redirect("/2") : http_answer("200 OK", "there"));
    });
    check_passed(ask_url(server.url("/1"), "follow = 1\nbearer = \"t0ken\""));
    CHECK(Connection::header_of(server.requests().back(), "Authorization") == "Bearer t0ken");
  }

  TEST_CASE("http: no credential follows a redirect to another port or host, nor comes back") {
    const ScriptedServer* home = nullptr;
    const ScriptedServer stranger([&](Connection& connection) {
      connection.read_request();
      connection.send(redirect(home->url("/back")));
    });
    const ScriptedServer server([&](Connection& connection) {
      const bool back = Connection::target_of(connection.read_request()) == "/back";
      connection.send(back ? http_answer("200 OK", "there") : redirect(stranger.url("/steal")));
    });
    home = &server;
    const auto url =
        "http://user:canary1@127.0.0.1:" + std::to_string(server.port()) + "/start?key=canary2";
    check_passed(ask_url(url,
                         "follow = 2\nheaders = { Cookie = \"c=canary3\", X-Api-Key = "
                         "\"canary4\", Accept-Language = \"de\" }"));
    REQUIRE(server.requests().size() == 2);
    REQUIRE(stranger.requests().size() == 1);
    CHECK(has(server.requests()[0], "canary3"));
    CHECK(has(server.requests()[0], "Authorization: Basic"));
    for (const auto& request : {stranger.requests()[0], server.requests()[1]}) {
      CAPTURE(request);
      CHECK_FALSE(has(request, "canary"));
      CHECK_FALSE(has(request, "Authorization"));
      CHECK_FALSE(has(request, "X-Api-Key"));
      CHECK(Connection::header_of(request, "Accept-Language") == "de");
      CHECK(Connection::header_of(request, "User-Agent").starts_with("vitals/"));
    }
    check_passed(ask_url(server.url("/start"), "follow = 2\nbearer = \"canary5\""));
    CHECK_FALSE(has(stranger.requests().back(), "canary"));
    // The name is another host, though it is the same machine.
    const ScriptedServer named([](Connection& connection) {
      const auto request = connection.read_request();
      const auto port = Connection::header_of(request, "Host").substr(10);
      connection.send(Connection::target_of(request) == "/1"
                          ? redirect("http://localhost:" + port + "/2")
                          : http_answer("200 OK", "there"));
    });
    check_passed(ask_url(named.url("/1"), "follow = 1\nbearer = \"canary6\""));
    CHECK_FALSE(has(named.requests().back(), "canary"));
  }

  TEST_CASE("http: POST, PUT and PATCH without a body say that it is empty, others say nothing") {
    const ScriptedServer server(answering(http_answer("200 OK", "fine")));
    for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET"}) {
      CAPTURE(method);
      check_passed(ask_url(server.url(), "method = \"" + method + "\""));
      const auto request = server.requests().back();
      CAPTURE(request);
      CHECK(request.starts_with(method + " / HTTP/1.1\r\n"));
      const bool empty_body = method.starts_with('P');
      CHECK(Connection::header_of(request, "Content-Length") == (empty_body ? "0" : ""));
      CHECK_FALSE(has(request, "Content-Type"));
      CHECK_FALSE(has(request, "Expect"));
      CHECK_FALSE(has(request, "Transfer-Encoding"));
    }
  }

  TEST_CASE("http: a POST becomes a GET where it should, and its body stays at home") {
    const ScriptedServer stranger(answering(http_answer("200 OK", "there")));
    const auto post = [&](const std::string& status, const std::string& to) {
      const ScriptedServer server([&](Connection& connection) {
        const bool first = Connection::target_of(connection.read_request()) == "/1";
        connection.send(first ? redirect(to, status) : http_answer("200 OK", "there"));
      });
      auto result = ask_url(server.url("/1"), "method = \"POST\"\nbody = \"canary\"\nfollow = 1");
      return std::pair{std::move(result), server.requests().back()};
    };
    CHECK(post("302 Found", "/2").second.starts_with("GET /2 "));
    CHECK(post("303 See Other", "/2").second.starts_with("GET /2 "));
    const auto kept = post("307 Temporary Redirect", "/2").second;
    CHECK(kept.starts_with("POST /2 "));
    CHECK(kept.ends_with("canary"));
    check_failed(post("308 Permanent Redirect", stranger.url()).first, Reason::redirect,
                 "the body is for the first host only");
    CHECK(stranger.requests().empty());
  }

  TEST_CASE("http: a redirect to a file, a socket or nonsense is not followed") {
    for (const std::string to : {"file:///etc/passwd", "http+unix://%2Frun%2Fx.sock/", "ftp://h/",
                                 "http://", "http://a b/"}) {
      CAPTURE(to);
      check_failed(answered(redirect(to), "follow = 3"), Reason::redirect, "");
    }
  }

  TEST_CASE("http: a redirect on a Unix socket stays on it") {
    const TempDir folder;
    const auto path = folder.path() / "s";
    const ScriptedServer server(
        [](Connection& connection) {
          const bool first = Connection::target_of(connection.read_request()) == "/1";
          connection.send(first ? redirect("http://localhost/2") : http_answer("200 OK", "there"));
        },
        {.unix_path = path});
    std::string encoded;
    for (const char c : path.string()) encoded += c == '/' ? std::string("%2F") : std::string(1, c);
    check_passed(ask_url("http+unix://" + encoded + "/1", "follow = 1\nbearer = \"t0ken\""));
    REQUIRE(server.requests().size() == 2);
    CHECK(Connection::header_of(server.requests()[1], "Authorization") == "Bearer t0ken");
  }
}

TEST_SUITE("http tls") {
  TEST_CASE("http: https passes with a CA of one's own, with version, end and phase") {
    const Nginx nginx("location / { return 200 ready; }", &good_certificate());
    const auto check = make(nginx.https_url("/"), trust(authority()));
    const auto result = ask(check);
    check_passed(result);
    CHECK(check.spec->target == nginx.https_url(""));
    CHECK(measured(result, "check_tls_info", {"TLSv1.3"}) == 1);
    CHECK(measured(result, "check_tls_not_after_timestamp_seconds").value_or(0) > 1.7e9);
    CHECK(result.phases.get(Phase::tls).value_or(Elapsed::zero()) > Elapsed::zero());
    auto by_address = nginx.https_url("/");
    by_address.replace(by_address.find("localhost"), 9, "127.0.0.1");
    check_passed(ask_url(by_address, trust(authority())));
  }

  TEST_CASE("http: sessions are resumed, and every tenth attempt sees the certificate in full") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(good_certificate()));
    const auto check = make(server.https_url(), trust(authority()));
    const auto first = measured(ask(check), "check_tls_not_after_timestamp_seconds");
    REQUIRE(first.has_value());
    for (int i = 1; i < 20; ++i) {
      const auto result = ask(check);
      check_passed(result);
      CHECK(measured(result, "check_tls_not_after_timestamp_seconds") == first);
    }
    CHECK(server.handshakes() == 20);
    CHECK(server.resumed() == 18);
    check_passed(ask(check, 2'000ms, true));  // after a resume of the Machine
    CHECK(server.resumed() == 18);
  }

  TEST_CASE("http: TLS 1.2 sessions are resumed as well, unless min_tls says 1.3") {
    auto options = with(good_certificate());
    options.only_tls12 = true;
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")), options);
    const auto check = make(server.https_url(), trust(authority()));
    for (int i = 0; i < 5; ++i) check_passed(ask(check));
    CHECK(server.resumed() == 4);
    check_failed(ask_url(server.https_url(), trust(authority()) + "min_tls = \"1.3\""), Reason::tls,
                 "");
  }

  TEST_CASE("http: after a failure the next handshakes are full until one passes") {
    std::atomic<bool> broken = false;
    const ScriptedServer server(
        [&](Connection& connection) {
          if (!connection.handshake() || connection.read_request().empty()) return;
          connection.send(http_answer(broken ? "500 Oops" : "200 OK", "x"));
        },
        with(good_certificate()));
    const auto check = make(server.https_url(), trust(authority()));
    for (int i = 0; i < 3; ++i) check_passed(ask(check));
    CHECK(server.resumed() == 2);
    broken = true;
    for (int i = 0; i < 3; ++i) check_failed(ask(check), Reason::status, "500");
    CHECK(server.resumed() == 3);  // the first failure was still a resumed one
    broken = false;
    for (int i = 0; i < 2; ++i) check_passed(ask(check));
    CHECK(server.resumed() == 4);
  }

  TEST_CASE("http: a certificate nobody vouches for is tls_verify, and fine with verify = false") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(authority().self_signed()));
    check_failed(ask_url(server.https_url(), trust(authority())), Reason::tls_verify, "");
    check_passed(ask_url(server.https_url(), "verify = false"));
  }

  TEST_CASE("http: a certificate for another host is tls_verify, and server_name mends it") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(authority().other_host()));
    check_failed(ask_url(server.https_url(), trust(authority())), Reason::tls_verify, "localhost");
    check_passed(ask_url(server.https_url(), trust(authority()) + "server_name = \"other.test\""));
    CHECK(Connection::header_of(server.requests().back(), "Host") ==
          "localhost:" + std::to_string(server.port()));
    check_failed(
        ask_url("https://127.0.0.1:" + std::to_string(server.port()) + "/", trust(authority())),
        Reason::tls_verify, "127.0.0.1");
  }

  TEST_CASE("http: an expired or not yet valid certificate is tls_expired") {
    for (const auto& certificate : {authority().expired(), authority().not_yet_valid()}) {
      const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")), with(certificate));
      check_failed(ask_url(server.https_url(), trust(authority())), Reason::tls_expired, "");
      const auto unverified = ask_url(server.https_url(), "verify = false");
      CHECK(unverified.outcome == Outcome::warn);
      CHECK(to_label(unverified.reason) == "cert_expiring");
    }
  }

  TEST_CASE("http: a refused certificate is shown with its end, of that attempt alone") {
    const auto end_of = [](const ProbeResult& result) {
      return measured(result, "check_tls_not_after_timestamp_seconds");
    };
    for (const auto& certificate : {authority().expired(), authority().other_host(),
                                    authority().self_signed(), authority().expired_other_host()}) {
      std::optional<ScriptedServer> server;
      server.emplace(answering_tls(http_answer("200 OK", "fine")), with(certificate));
      const auto end = end_of(ask_url(server->https_url(), "verify = false"));
      REQUIRE(end.has_value());
      const auto check = make(server->https_url(), trust(authority()));
      for (int i = 0; i < 2; ++i) {
        const auto refused = ask(check);
        INFO(refused.detail);
        CHECK(refused.outcome == Outcome::fail);
        CHECK(end_of(refused) == end);
        CHECK(measured(refused, "check_tls_info", {"TLSv1.3"}) == 1);
      }
      server.reset();
      CHECK_FALSE(end_of(ask(check)).has_value());
    }
  }

  TEST_CASE("http: an expired certificate is tls_expired, whatever else is wrong with it") {
    const auto script = answering_tls(http_answer("200 OK", "fine"));
    const ScriptedServer own(script, with(authority().expired_self_signed()));
    check_failed(ask_url(own.https_url()), Reason::tls_expired, "has expired");
    check_failed(ask_url(own.https_url(), trust(authority())), Reason::tls_expired, "has expired");
    const ScriptedServer unknown(script, with(authority().not_yet_valid()));
    check_failed(ask_url(unknown.https_url()), Reason::tls_expired, "not valid yet");
    const ScriptedServer other(script, with(authority().expired_other_host()));
    check_failed(ask_url(other.https_url(), trust(authority())), Reason::tls_expired,
                 "has expired");
  }

  TEST_CASE("http: a certificate near its end is warn(cert_expiring)") {
    const auto soon = authority().issue({.ends_in = 48h});
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")), with(soon));
    const auto check = make(server.https_url(), trust(authority()));
    for (int i = 0; i < 3; ++i) {  // on resumed sessions too
      const auto result = ask(check);
      CHECK(result.outcome == Outcome::warn);
      CHECK(to_label(result.reason) == "cert_expiring");
    }
    check_passed(ask_url(server.https_url(), trust(authority()) + "cert_warn = \"24h\""));
  }

  TEST_CASE("http: a client certificate is shown where it is asked for") {
    auto options = with(good_certificate());
    options.client_ca = authority().ca_file();
    for (const bool old : {false, true}) {
      options.only_tls12 = old;
      const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")), options);
      const auto client = authority().issue({.name = "vitals"});
      check_passed(ask_url(server.https_url(),
                           trust(authority()) + "client_cert = \"" + client.certificate.string() +
                               "\"\nclient_key = \"" + client.key.string() + "\""));
      check_failed(ask_url(server.https_url(), trust(authority())), Reason::tls, "certificate");
    }
  }

  TEST_CASE("http: silence in the handshake is timeout, a close or reset in it is reset") {
    const auto silent = [](Connection& connection) { connection.hang(); };
    const auto closing = [](Connection& connection) { connection.read_some(); };
    const auto resetting = [](Connection& connection) {
      connection.read_some();
      connection.reset();
    };
    const auto half = [](Connection& connection) {
      connection.read_some();
      connection.send(std::string("\x16\x03\x03\x00\x7a\x02", 6));
    };
    const ScriptedServer mute(silent);
    const auto timed = ask_timed(make(mute.https_url(), trust(authority())), 300ms);
    check_on_time(timed, 300ms);
    check_failed(timed.result, Reason::timeout, "TLS handshake did not finish");
    for (const ScriptedServer::Script& script :
         {ScriptedServer::Script(closing), ScriptedServer::Script(resetting),
          ScriptedServer::Script(half)}) {
      const ScriptedServer server(script);
      check_failed(ask_url(server.https_url(), trust(authority())), Reason::reset, "");
    }
  }

  TEST_CASE("http: a plain server behind https is fail(tls), nginx with TLS behind http says so") {
    const ScriptedServer plain([](Connection& connection) {
      connection.read_some();
      connection.send(http_answer("400 Bad Request", "speak TLS"));
    });
    check_failed(ask_url(plain.https_url(), trust(authority())), Reason::tls, "");
    const Nginx nginx("location / { return 200 ready; }", &good_certificate());
    const auto url = nginx.https_url("/");
    check_failed(ask_url("http" + url.substr(5)), Reason::status,
                 "The plain HTTP request was sent to HTTPS port");
  }

  TEST_CASE("http: a close or reset in mid-answer is reset over TLS too") {
    const auto answering_half = [](bool reset) {
      return [reset](Connection& connection) {
        if (!connection.handshake()) return;
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        if (reset) connection.reset();
      };
    };
    for (const bool reset : {false, true}) {
      CAPTURE(reset);
      const ScriptedServer server(answering_half(reset), with(good_certificate()));
      check_failed(ask_url(server.https_url(), trust(authority())), Reason::reset, "");
    }
    const ScriptedServer mute(
        [](Connection& connection) {
          if (connection.handshake()) connection.hang();
        },
        with(good_certificate()));
    const auto timed = ask_timed(make(mute.https_url(), trust(authority())), 300ms);
    check_on_time(timed, 300ms);
    check_failed(timed.result, Reason::timeout, "no answer to the request");
    CHECK(measured(timed.result, "check_tls_info", {"TLSv1.3"}) == 1);
  }

  TEST_CASE("http: a CA file that can't be read is internal and names it") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(good_certificate()));
    const TempDir folder;
    const auto file = folder.write("ca.pem", "not a certificate");
    const auto check = make(server.https_url(), "ca_file = \"" + file.string() + "\"");
    check_failed(ask(check), Reason::internal, file.string());
    std::filesystem::remove(file);
    check_failed(ask(check), Reason::internal, file.string());
  }

  TEST_CASE("http: no redirect leads from https to http, but one from http to https is followed") {
    const ScriptedServer plain(answering(http_answer("200 OK", "plain")));
    const ScriptedServer secure(
        [&](Connection& connection) {
          if (!connection.handshake()) return;
          const bool down = Connection::target_of(connection.read_request()) == "/down";
          connection.send(down ? http_answer("302 Found", "", "Location: " + plain.url() + "\r\n")
                               : http_answer("200 OK", "secure"));
        },
        with(good_certificate()));
    check_failed(ask_url(secure.https_url("/down"), trust(authority()) + "follow = 5"),
                 Reason::redirect, "from https to http");
    CHECK(plain.accepts().empty());
    const ScriptedServer up(answering(
        http_answer("301 Moved Permanently", "", "Location: " + secure.https_url() + "\r\n")));
    check_passed(
        ask_url(up.url(),
                trust(authority()) + "follow = 1\nbearer = \"canary\"\nexpect_body = \"secure\""));
    CHECK_FALSE(has(secure.requests().back(), "canary"));
  }
}

TEST_SUITE("http proxy") {
  ScriptedServer::Script proxy_to(std::string connect_answer) {
    return [connect_answer = std::move(connect_answer)](Connection& connection) {
      const auto request = connection.read_request();
      const auto target = Connection::target_of(request);
      connection.send(connect_answer);
      if (!has(connect_answer, " 200 ")) return;
      connection.tunnel(
          static_cast<std::uint16_t>(std::stoul(target.substr(target.find(':') + 1))));
    };
  }
  std::string through(const ScriptedServer& proxy, const std::string& user = {}) {
    return "proxy = \"http://" + user + "127.0.0.1:" + std::to_string(proxy.port()) + "\"\n" +
           trust(authority());
  }
  const std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";

  TEST_CASE("http: a proxy sees CONNECT with its own credentials and nothing of the request") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(good_certificate()));
    const ScriptedServer proxy(proxy_to(established));
    // The proxy resolves the name: a name that only it knows is fine.
    check_passed(ask_url(server.https_url(), through(proxy, "me:secret@") +
                                                 "bearer = \"canary\"\nheaders = { X-A = \"1\" }"));
    const auto request = proxy.requests().front();
    CAPTURE(request);
    CHECK(request.starts_with("CONNECT localhost:" + std::to_string(server.port()) + " HTTP/1.1"));
    CHECK(Connection::header_of(request, "Proxy-Authorization") == "Basic bWU6c2VjcmV0");
    CHECK_FALSE(has(request, "canary"));
    CHECK_FALSE(has(request, "X-A"));
    const auto inner = server.requests().front();
    CHECK(Connection::header_of(inner, "Authorization") == "Bearer canary");
    CHECK_FALSE(has(inner, "Proxy-Authorization"));
  }

  TEST_CASE("http: a proxy's password is decoded once, and goes when it is taken out of the file") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(good_certificate()));
    const ScriptedServer proxy(proxy_to(established));
    const auto at = "127.0.0.1:" + std::to_string(proxy.port());
    const TempDir folder;
    const auto file = folder.write("proxy", "http://me:50%2525%2500%3Ax@" + at);
    const auto check =
        make_check("kind = \"http\"\nurl = \"" + server.https_url() + "\"\nproxy = { file = \"" +
                   file.string() + "\" }\n" + trust(authority()));
    check_passed(ask(check));
    const auto authorization = [&] {
      return Connection::header_of(proxy.requests().back(), "Proxy-Authorization");
    };
    CHECK(authorization() == "Basic bWU6NTAlMjUlMDA6eA==");  // me:50%25%00:x
    folder.write("proxy", "http://" + at);
    check_passed(ask(check));
    CHECK(authorization().empty());
    folder.write("proxy", "http://you:@" + at);
    check_passed(ask(check));
    CHECK(authorization() == "Basic eW91Og==");
  }

  TEST_CASE("http: a connection that ends before the TLS handshake is reset, however it ends") {
    // After FIN and RST the client's first write is EPIPE, after RST alone it is ECONNRESET.
    for (const bool fin : {true, false}) {
      CAPTURE(fin);
      const ScriptedServer proxy([&](Connection& connection) {
        connection.read_request();
        connection.send(established);
        if (fin) connection.end_sending();
        connection.reset();
      });
      for (int i = 0; i < 20; ++i) {
        check_failed(ask_url("https://only-the-proxy-knows.test/", through(proxy)), Reason::reset,
                     "");
      }
    }
  }

  TEST_CASE("http: server_name is for the certificate, CONNECT still names the host") {
    const ScriptedServer server(answering_tls(http_answer("200 OK", "fine")),
                                with(authority().other_host()));
    const ScriptedServer proxy(proxy_to(established));
    check_passed(ask_url(server.https_url(), through(proxy) + "server_name = \"other.test\""));
    CHECK(Connection::target_of(proxy.requests().front()) ==
          "localhost:" + std::to_string(server.port()));
  }

  TEST_CASE("http: a plain request goes to the proxy whole, with a name it resolves") {
    const ScriptedServer proxy(answering(http_answer("200 OK", "fine")));
    check_passed(ask_url("http://only-the-proxy-knows.test/x", through(proxy)));
    CHECK(proxy.requests().front().starts_with("GET http://only-the-proxy-knows.test/x HTTP/1.1"));
  }

  TEST_CASE("http: a proxy that refuses, is silent or talks nonsense is told apart") {
    const auto ask_through = [](const ScriptedServer& proxy, Duration timeout = 2'000ms) {
      return ask_url("https://only-the-proxy-knows.test/", through(proxy), timeout);
    };
    const ScriptedServer denying(proxy_to(http_answer("407 Proxy Authentication Required", "")));
    check_failed(ask_through(denying), Reason::status, "the proxy answered 407 to CONNECT");
    const ScriptedServer silent([](Connection& connection) { connection.hang(); });
    check_failed(ask_through(silent, 300ms), Reason::timeout, "proxy");
    const ScriptedServer closing([](Connection& connection) { connection.read_request(); });
    check_failed(ask_through(closing), Reason::reset, "");
    const ScriptedServer nonsense([](Connection& connection) {
      connection.read_request();
      connection.send("SSH-2.0-OpenSSH_9.2\r\n");
    });
    const auto odd = ask_through(nonsense);
    CHECK(odd.outcome == Outcome::fail);
    CAPTURE(odd.detail);
    CHECK((odd.reason == Reason::protocol || odd.reason == Reason::reset));
  }
}

TEST_SUITE("http settings") {
  TEST_CASE("http: mistakes in settings name the key and the way out") {
    const std::string url = "http://127.0.0.1/";
    CHECK(has(mistakes("ftp://h/"), "http+unix://"));
    CHECK(has(mistakes("http://"), "write http://host:port/path"));
    CHECK(has(mistakes("http+unix:///run/app.sock"), "%2Frun%2Fapp.sock"));
    CHECK(has(mistakes("http+unix://%2F" + std::string(107, 'x') + "/"), "107 bytes"));
    CHECK(mistakes("http+unix://%2F" + std::string(106, 'x') + "/").empty());
    CHECK(has(mistakes(url, "expect_status = [\"2oo\"]"), "'2oo' is no status"));
    CHECK(has(mistakes(url, "expect_status = []"), "no status would ever pass"));
    CHECK(has(mistakes(url, "expect_body = \"/(/\""), "not a regular expression"));
    CHECK(has(mistakes(url, "expect_json = { status = \"ok\" }"), "no JSON pointer"));
    CHECK(has(mistakes(url, "expect_header = { X = \"/(/\" }"), "not a regular expression"));
    CHECK(has(mistakes(url, "method = \"get\""), "GET"));
    CHECK(has(mistakes(url, "basic = \"nocolon\""), "user:password"));
    CHECK(has(mistakes(url, "bearer = \"a\"\nbasic = \"a:b\""), "keep one"));
    CHECK(has(mistakes("http://u:p@h/", "headers = { authorization = \"x\" }"), "keep one"));
    CHECK(has(mistakes(url, "headers = { Content-Length = \"1\" }"), "leave it out"));
    CHECK(has(mistakes(url, "headers = { \"a b\" = \"1\" }"), "no header name"));
    CHECK(has(mistakes(url, "headers = { A = \"1\\r\\nB: 2\" }"), "line break"));
    CHECK(has(mistakes(url, "proxy = \"socks5://h:1\""), "http://host:port"));
    CHECK(has(mistakes(url, "method = \"HEAD\"\nexpect_body = \"x\""), "HEAD has no body"));
    CHECK_FALSE(mistakes(url, "follow = 21").empty());
    CHECK_FALSE(mistakes(url, "max_body = 0").empty());
    CHECK_FALSE(mistakes(url, "provider2 = \"x\"").empty());
    CHECK(mistakes(url, "max_body = \"1MiB\"\nfollow = 20").empty());
  }

  TEST_CASE("http: targets have a port and no secret, and only loopback is local") {
    const auto spec = [](const std::string& url) { return make(url).spec; };
    CHECK(spec("https://user:canary@Example.test/path?key=canary")->target ==
          "https://example.test:443");
    CHECK(spec("http://[::1]/")->target == "http://[::1]:80");
    CHECK(spec("http://[::1]/")->scope == Scope::local);
    CHECK(spec("http://localhost:3000/")->scope == Scope::local);
    CHECK(spec("https://example.test/")->scope == Scope::shared);
    CHECK(spec("https://example.test/")->impact == Impact::degraded);
  }

  TEST_CASE("http: a canary in any setting never comes back, whatever the server echoes") {
    const ScriptedServer server([](Connection& connection) {
      const auto request = connection.read_request();
      connection.send(
          http_answer("500 " + Connection::header_of(request, "Authorization"), request));
    });
    const auto echoed = [&](const std::string& url, const std::string& more) {
      const auto check = make(url, more);
      const auto result = ask(check);
      CHECK(result.outcome == Outcome::fail);
      return check.secrets->scrub(result.detail);
    };
    const auto port = std::to_string(server.port());
    for (const auto& text :
         {echoed("http://user:canary1@127.0.0.1:" + port + "/", ""),
          echoed(server.url("/?key=canary1"), ""), echoed(server.url(), "bearer = \"canary1\""),
          echoed(server.url(), "basic = \"user:canary1\""),
          echoed(server.url(), "headers = { X-Key = \"canary1\" }"),
          echoed(server.url(), "headers = { Authorization = \"Token canary1\" }"),
          echoed(server.url(), "headers = { Cookie = \"a=b; session=canary1\" }"),
          echoed(server.url(), "method = \"POST\"\nbody = \"canary1\"")}) {
      CAPTURE(text);
      CHECK_FALSE(has(text, "canary1"));
      CHECK_FALSE(has(text, "Y2FuYXJ5"));
      CHECK(has(text, "***"));
    }
  }

  TEST_CASE("http: a server that names the secret part of a setting alone does not get it shown") {
    const std::string secret = "SecretValue";
    const ScriptedServer server([&](Connection& connection) {
      connection.read_request();
      connection.send(http_answer("500 no " + secret, "unknown key " + secret + ", sorry"));
    });
    const auto port = std::to_string(server.port());
    const auto of_server = [&](const std::string& userinfo) {
      return "http://" + userinfo + "@127.0.0.1:" + port + "/";
    };
    for (const auto& [url, more] : std::vector<std::pair<std::string, std::string>>{
             {server.url(), "headers = { X-Auth = 'Bearer " + secret + "' }"},
             {server.url(), "headers = { X-Api-Key = 'Key " + secret + "' }"},
             {server.url(), "headers = { X-Sig = 't=1,v1=" + secret + "' }"},
             {server.url(), "headers = { Authorization = 'Token token=\"" + secret + "\"' }"},
             {server.url(), "bearer = '12|" + secret + "'"},
             {server.url(), "basic = '" + secret + ":'"},
             {of_server(secret), ""},
             {of_server(secret + ":"), ""},
             {server.url(), "method = 'POST'\nbody = '{\"k\":\"" + secret + "\"}'"},
             {server.url(), "method = 'POST'\nbody = 'a=1&k=" + secret + "'"}}) {
      CAPTURE(url);
      CAPTURE(more);
      const auto check = make(url, more);
      const auto shown = check.secrets->scrub(ask(check).detail);
      CHECK(shown == "HTTP 500 no ***, expected 200-299: unknown key ***, sorry");
      CHECK_FALSE(has(check.spec->settings_text, secret));
    }
  }

  TEST_CASE("http: secrets of files that change are hidden beside many strings of a body") {
    const ScriptedServer server([](Connection& connection) {
      connection.read_request();
      connection.send(http_answer("500 No", "not s3c5two, not passwordtwo"));
    });
    const auto body_of = [](const std::string& token) {
      std::string text = "{\"token\": \"" + token + "\"";
      for (int i = 0; i < 80; ++i) text += ", \"k\": \"" + token + "-" + std::to_string(i) + "\"";
      return text + "}";
    };
    const auto url_of = [&](const std::string& password) {
      return "http://u:" + password + "@127.0.0.1:" + std::to_string(server.port()) + "/";
    };
    const TempDir folder;
    const auto body = folder.write("body", body_of("value-one"));
    const auto url = folder.write("url", url_of("passwordone"));
    initialise_probe_libraries();
    const auto check =
        make_check("kind = \"http\"\nurl = { file = \"" + url.string() +
                   "\" }\nmethod = \"POST\"\nbody = { file = \"" + body.string() + "\" }\n");
    folder.write("body", body_of("s3c5two"));
    folder.write("url", url_of("passwordtwo"));
    for (int attempt = 0; attempt < 2; ++attempt) {
      CHECK(check.secrets->scrub(ask(check).detail) ==
            "HTTP 500 No, expected 200-299: not ***, not ***");
    }
  }

  TEST_CASE("http: an ordinary word of a header is shown, one that its name gives away is not") {
    const ScriptedServer server([](Connection& connection) {
      connection.read_request();
      connection.send(http_answer("500 No", "swordfish of replication"));
    });
    const auto check =
        make(server.url(), "headers = { X-Env = 'replication', X-Api-Key = 'swordfish' }");
    CHECK(has(check.secrets->scrub(ask(check).detail), "*** of replication"));
    CHECK_FALSE(has(check.spec->settings_text, "replication"));
    CHECK_FALSE(has(check.spec->settings_text, "swordfish"));
  }

  TEST_CASE("http: headers that every client sends take no word out of a server's text") {
    const std::string said = "application/json expected by example.org, not healthcheck";
    const ScriptedServer server([&](Connection& connection) {
      connection.read_request();
      connection.send(http_answer("500 No", said));
    });
    const auto check =
        make(server.url(),
             "headers = { Accept = 'application/json, text/plain', Content-Type = "
             "'application/json; charset=utf-8', User-Agent = 'healthcheck/1.0 (example.org)' }");
    CHECK(has(check.secrets->scrub(ask(check).detail), said));
  }
}

}  // namespace vitals::test
