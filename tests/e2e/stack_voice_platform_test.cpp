// Stack 2 of contract §12: a backend with Postgres, Redis over TLS and nine third parties, that
// drains before it goes.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/faults.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/stack.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr std::uint16_t app_port = 3000;

/// Check and host.
const std::vector<std::pair<std::string, std::string>>& third_parties() {
  static const std::vector<std::pair<std::string, std::string>> all{
      {"deepgram", "api.deepgram.com"}, {"elevenlabs", "api.elevenlabs.io"},
      {"twilio", "api.twilio.com"},     {"pinecone", "api.pinecone.io"},
      {"r2", "api.cloudflare.com"},     {"sentry", "sentry.io"},
      {"axiom", "api.axiom.co"}};
  return all;
}

std::vector<std::string> hosts() {
  std::vector<std::string> names;
  for (const auto& [check, host] : third_parties()) names.push_back(host);
  return names;
}

struct Platform {
  Machine machine{Providers::addresses(hosts())};
  Providers providers{hosts()};
  PostgresServer postgres;
  Certificate certificate = providers.authority().valid();
  RedisServer redis{{.password = "canary-Pw2", .certificate = certificate}};
  Stack stack{{.example = "voice-platform",
               .app = {"app.py"},
               .environment = {{"DATABASE_URL", postgres.url()},
                               {"REDIS_URL", "rediss://default:canary-Pw2@localhost:" +
                                                 std::to_string(redis.port())},
                               {"PORT", std::to_string(app_port)},
                               {"SSL_CERT_FILE", providers.ca_file().string()}},
               .changes = {{"drain_delay  = \"10s\"", "drain_delay  = \"2s\""}}}};

  Platform() {
    REQUIRE(stack.turns(
                {.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
                90s) == "");
  }
};

TEST_CASE("stack voice platform: one provider down is a warning with its name, each of them" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Platform platform;
  for (const auto& [check, host] : third_parties()) {
    if (check == "sentry" || check == "axiom") continue;  // a group of their own
    CAPTURE(check);
    put_in([&, at = host] { platform.providers.set(at, "refused"); });
    CHECK(platform.stack.turns({.verdict = "warn",
                                .health = 200,
                                .ready = 200,
                                .check = check,
                                .status = "fail",
                                .reason = "refused"}) == "");
    const auto output = platform.stack.document()["output"].get<std::string>();
    CHECK(output.find(check) != std::string::npos);
    take_out([&, at = host] { platform.providers.set(at, ""); });
    CHECK(platform.stack.turns({.verdict = "pass", .health = 200}) == "");
  }
}

TEST_CASE("stack voice platform: one of Sentry and Axiom is enough, none is a warning" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Platform platform;
  put_in([&] { platform.providers.set("sentry.io", "503"); });
  CHECK(platform.stack.turns({.verdict = "pass", .check = "sentry", .status = "fail"}) == "");
  put_in([&] { platform.providers.set("api.axiom.co", "503"); });
  CHECK(platform.stack.turns(
            {.verdict = "warn", .health = 200, .check = "telemetry", .status = "fail"}) == "");
  take_out([&] { platform.providers.set("sentry.io", ""); });
  CHECK(platform.stack.turns({.verdict = "pass", .check = "telemetry", .status = "pass"}) == "");
}

TEST_CASE("stack voice platform: Redis over TLS: gone, then with a certificate that is over" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Platform platform;
  put_in([&] { platform.redis.stop(); });
  CHECK(platform.stack.turns({.verdict = "warn",
                              .health = 200,
                              .ready = 200,
                              .check = "redis",
                              .status = "fail",
                              .reason = "refused"}) == "");
  const Certificate expired = platform.providers.authority().expired();
  const std::string certificate = read_file(platform.certificate.certificate);
  const std::string key = read_file(platform.certificate.key);
  const auto put = [&](const std::string& new_certificate, const std::string& new_key) {
    std::ofstream(platform.certificate.certificate) << new_certificate;
    std::ofstream(platform.certificate.key) << new_key;
  };
  put_in([&] {
    put(read_file(expired.certificate), read_file(expired.key));
    platform.redis.start();
  });
  CHECK(platform.stack.turns(
            {.verdict = "warn", .check = "redis", .status = "fail", .reason = "tls_expired"}) ==
        "");
  take_out([&] {
    platform.redis.stop();
    put(certificate, key);
    platform.redis.start();
  });
  CHECK(platform.stack.turns({.verdict = "pass", .check = "redis", .status = "pass"}) == "");
}

TEST_CASE("stack voice platform: the database is down: fail, and nobody leaves for it" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  Platform platform;
  put_in([&] { platform.postgres.freeze(); });  // takes TCP, says nothing
  CHECK(platform.stack.turns({.verdict = "fail",
                              .health = 503,
                              .ready = 200,
                              .check = "db",
                              .status = "fail",
                              .reason = "timeout",
                              .fail_open = "true"}) == "");
  take_out([&] { platform.postgres.thaw(); });
  CHECK(platform.stack.turns({.verdict = "pass", .health = 200, .fail_open = "false"}) == "");
}

/// Seconds since the epoch at which the app was told to end; 0 before.
double term_time(const fs::path& log) {
  std::ifstream file(log);
  std::string word;
  double time = 0;
  file >> word >> time;
  return time;
}

TEST_CASE(
    "stack voice platform: a deploy drains first: not ready, TERM after drain_delay, a call "
    "that runs ends well") {
  if (!Machine::possible()) return;
  Machine machine{Providers::addresses(hosts())};
  Providers providers{hosts()};
  PostgresServer postgres;
  RedisServer redis;
  const TempDir logs;
  fs::permissions(logs.path(), fs::perms::all);
  const auto log = logs.path() / "app.log";
  Stack stack{{.example = "voice-platform",
               .app = {"app.py"},
               .environment = {{"DATABASE_URL", postgres.url()},
                               {"REDIS_URL", redis.url()},
                               {"PORT", std::to_string(app_port)},
                               {"APP_LOG", log.string()},
                               {"SSL_CERT_FILE", providers.ca_file().string()}},
               .changes = {{"drain_delay  = \"10s\"", "drain_delay  = \"5s\""}}}};
  REQUIRE(
      stack.turns({.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
                  90s) == "");

  const auto url = "http://127.0.0.1:" + std::to_string(front_port) + "/slow?seconds=8";
  Process call({{"curl", "-sS", "-w", "%{http_code}", "--noproxy", "*", url}});
  // The request runs: the app says so, and the front door counts it.
  REQUIRE(eventually([&] { return http(app_port, "/running").body == "1\n"; }));
  CHECK(stack.metric("vitals_app_requests_in_flight") == 1);
  const auto told = std::chrono::system_clock::now();
  const Stopwatch watch;
  stack.process().signal(SIGTERM);
  CHECK(stack.turns({.verdict = "fail", .health = 503, .ready = 503}, 2s) == "");
  CHECK(http(agent_port, "/health").body.find("draining") != std::string::npos);
  CHECK(http(front_port, "/healthz").status == 503);  // nobody new
  CHECK(term_time(log) == 0);
  CHECK(eventually([&] { return term_time(log) != 0; }));
  const std::chrono::duration<double> stood_still = watch.took().stalled;
  CHECK(call.wait(30s) == 0);
  CHECK(call.output() == "done\n200");
  CHECK(stack.process().wait(30s) == 0);
  const double waited =
      term_time(log) - std::chrono::duration<double>(told.time_since_epoch()).count();
  CHECK(waited >= 5.0);
  CHECK(waited - stood_still.count() < 7.0);
}

}  // namespace
}  // namespace vitals::test
