// Stack 1 of contract §12: Node-like app on 3000, Postgres behind a transaction pooler, a nightly
// backup, third parties. One thing breaks at a time.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/machine.hpp"
#include "tests/support/pgbouncer_server.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/stack.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t app_port = 3000;

const std::vector<std::string>& third_parties() {
  static const std::vector<std::string> all{"api.openai.com", "api.elevenlabs.io",
                                            "graph.facebook.com", "api.backblazeb2.com"};
  return all;
}

struct VoiceBot {
  Machine machine{Providers::addresses(third_parties())};
  PostgresServer postgres;
  // As Supabase's pooler on 6543: one server connection serves many, for a transaction each.
  PgBouncerServer pooler{postgres,
                         {.settings = {{"query_wait_timeout", "3"}, {"server_login_retry", "1"}}}};
  Providers providers{third_parties()};
  Stack stack{{.example = "voice-bot",
               .app = {"app.py"},
               .environment = {{"DATABASE_URL", pooler.url()},
                               {"PORT", std::to_string(app_port)},
                               {"SSL_CERT_FILE", providers.ca_file().string()}},
               .changes = {{"every  = \"24h\"", "every  = \"3s\""},
                           {"grace  = \"2h\"", "grace  = \"1s\""}}}};

  VoiceBot() {
    REQUIRE(stack.turns(
                {.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
                40s) == "");
  }
};

TEST_CASE("stack voice bot: all is well, through the pooler, without a key, within 10 MB") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  for (const auto* check :
       {"app", "db", "app-pool", "openai", "elevenlabs", "whatsapp", "b2", "memory"}) {
    CAPTURE(check);
    CHECK(bot.stack.turns({.check = check, .status = "pass"}) == "");
  }
  // The pooler's one server connection is shared: nothing of ours stayed in the session.
  CHECK(bot.pooler.sql("SHOW statement_timeout").output.find("0") != std::string::npos);
  // Nobody has called in yet, and that counts for nothing.
  CHECK(bot.stack.check("backup")["status"] == "unknown");
  CHECK(http(front_port, "/healthz").status == 200);
  CHECK(http(front_port, "/answer?host=api.openai.com").body == "401\n");
  constexpr double memory_max = 10e6;
  constexpr std::uintmax_t release_max = 8'000'000;  // what is larger is no release build
  if (std::filesystem::file_size(vitals_binary()) <= release_max) {
    CHECK(bot.stack.metric("vitals_agent_resident_memory_bytes") <= memory_max);
  }
}

TEST_CASE("stack voice bot: Postgres stops behind the pooler: fail, in rotation, and back") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  bot.postgres.stop("immediate");
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 200,
                         .check = "db",
                         .status = "fail",
                         .reason = "pooler|timeout|saturated|starting|reset",
                         .fail_open = "true"}) == "");
  // The app's pool fails as well, and that is no news.
  CHECK(http(app_port, "/healthz/db").status != 200);
  CHECK(bot.stack.turns({.ready = 200, .check = "app-pool", .suppressed = "db"}) == "");
  bot.postgres.start();
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200, .fail_open = "false"},
                        40s) == "");
  CHECK(eventually([] { return http(app_port, "/healthz/db").status == 200; }));
}

TEST_CASE("stack voice bot: the pooler itself is gone: refused") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  bot.pooler.stop();
  CHECK(bot.stack.turns(
            {.verdict = "fail", .health = 503, .ready = 200, .check = "db", .reason = "refused"}) ==
        "");
  bot.pooler.start();
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200}, 40s) == "");
}

TEST_CASE("stack voice bot: the app's own pool is dead, the database is not: out of rotation") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  CHECK(http(app_port, "/pool/exhaust").status == 200);
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 503,
                         .check = "app-pool",
                         .status = "fail",
                         .reason = "status"}) == "");
  CHECK(bot.stack.check("db")["status"] == "pass");
  CHECK(http(app_port, "/pool/release").status == 200);
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200}) == "");
}

TEST_CASE("stack voice bot: the app hangs: timeout, out of rotation, not alive; and back") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  bot.stack.signal_app(SIGSTOP);
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 503,
                         .check = "app",
                         .status = "fail",
                         .reason = "timeout"}) == "");
  CHECK(http(agent_port, "/health/live").status == 503);
  // What Fly's check asks: the front door, which owns internal_port.
  CHECK(http(front_port, "/health/ready").status == 503);
  bot.stack.signal_app(SIGCONT);
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200}) == "");
  CHECK(http(front_port, "/health/ready").status == 200);
}

TEST_CASE("stack voice bot: a third party that is down is a warning with its name") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  bot.providers.set("api.openai.com", "503");
  CHECK(bot.stack.turns({.verdict = "warn",
                         .health = 200,
                         .ready = 200,
                         .check = "openai",
                         .status = "fail",
                         .reason = "status"}) == "");
  CHECK(http(app_port, "/answer?host=api.openai.com").body == "503\n");
  CHECK(bot.stack.document()["output"].get<std::string>().find("openai") != std::string::npos);
  bot.providers.set("api.openai.com", "silent");
  CHECK(bot.stack.turns({.verdict = "warn", .check = "openai", .reason = "timeout"}) == "");
  bot.providers.set("api.openai.com", "");
  bot.providers.set("api.elevenlabs.io", "refused");
  CHECK(bot.stack.turns({.verdict = "warn", .check = "elevenlabs", .reason = "refused"}) == "");
  CHECK(bot.stack.turns({.verdict = "warn", .check = "openai", .status = "pass"}) == "");
  bot.providers.set("api.elevenlabs.io", "");
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack voice bot: a backup that does not come is stale, and one that comes is not") {
  if (!Machine::possible()) return;
  VoiceBot bot;
  // The job: a real dump, then the call.
  const auto backup = [&] {
    return run({{"sh", "-c", "pg_dump -f \"$0/dump.sql\" \"$1\" && exec \"$2\" heartbeat backup",
                 bot.stack.folder().string(), bot.postgres.url(), vitals_binary()}});
  };
  const Finished first = backup();
  CAPTURE(first.output);
  REQUIRE(first.code == 0);
  CHECK(bot.stack.turns({.verdict = "pass", .check = "backup", .status = "pass"}) == "");
  // The night passes without one.
  CHECK(bot.stack.turns({.verdict = "warn",
                         .health = 200,
                         .ready = 200,
                         .check = "backup",
                         .status = "fail",
                         .reason = "stale"}) == "");
  CHECK(backup().code == 0);
  CHECK(bot.stack.turns({.check = "backup", .status = "pass"}) == "");
}

}  // namespace
}  // namespace vitals::test
