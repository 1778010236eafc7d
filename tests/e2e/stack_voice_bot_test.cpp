// Stack 1 of contract §12: Node app on 3000 in 256 MB, Postgres behind a transaction pooler, a
// nightly backup, third parties. One thing breaks at a time.
#include <doctest/doctest.h>

#include <cmath>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/faults.hpp"
#include "tests/support/voice_bot.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto app_port = VoiceBot::app_port;

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

TEST_CASE("stack voice bot: Postgres stops behind the pooler: fail, in rotation, and back" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  put_in([&] { bot.postgres.stop("immediate"); });
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
  take_out([&] { bot.postgres.start(); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200, .fail_open = "false"},
                        90s) == "");
  CHECK(eventually([] { return http(app_port, "/healthz/db").status == 200; }));
}

TEST_CASE("stack voice bot: the pooler itself is gone: refused" * red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  put_in([&] { bot.pooler.stop(); });
  CHECK(bot.stack.turns(
            {.verdict = "fail", .health = 503, .ready = 200, .check = "db", .reason = "refused"}) ==
        "");
  take_out([&] { bot.pooler.start(); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200}, 90s) == "");
}

TEST_CASE("stack voice bot: the app's own pool is dead, the database is not: out of rotation" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  put_in([] { CHECK(http(app_port, "/pool/exhaust").status == 200); });
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 503,
                         .check = "app-pool",
                         .status = "fail",
                         .reason = "status"}) == "");
  CHECK(bot.stack.check("db")["status"] == "pass");
  take_out([] { CHECK(http(app_port, "/pool/release").status == 200); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200}) == "");
}

TEST_CASE("stack voice bot: the app hangs: timeout, out of rotation, not alive; and back" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  put_in([&] { bot.stack.signal_app(SIGSTOP); });
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 503,
                         .check = "app",
                         .status = "fail",
                         .reason = "timeout"}) == "");
  CHECK(http(agent_port, "/health/live").status == 503);
  // What Fly's check asks: the front door, which owns internal_port.
  CHECK(http(front_port, "/health/ready").status == 503);
  take_out([&] { bot.stack.signal_app(SIGCONT); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .ready = 200}) == "");
  CHECK(http(front_port, "/health/ready").status == 200);
}

TEST_CASE("stack voice bot: a third party that is down is a warning with its name" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  put_in([&] { bot.providers.set("api.openai.com", "503"); });
  CHECK(bot.stack.turns({.verdict = "warn",
                         .health = 200,
                         .ready = 200,
                         .check = "openai",
                         .status = "fail",
                         .reason = "status"}) == "");
  CHECK(http(app_port, "/answer?host=api.openai.com").body == "503\n");
  CHECK(bot.stack.document()["output"].get<std::string>().find("openai") != std::string::npos);
  put_in([&] { bot.providers.set("api.openai.com", "silent"); });
  CHECK(bot.stack.turns({.verdict = "warn", .check = "openai", .reason = "timeout"}) == "");
  take_out([&] { bot.providers.set("api.openai.com", ""); });
  put_in([&] { bot.providers.set("api.elevenlabs.io", "refused"); });
  CHECK(bot.stack.turns({.verdict = "warn", .check = "elevenlabs", .reason = "refused"}) == "");
  CHECK(bot.stack.turns({.verdict = "warn", .check = "openai", .status = "pass"}) == "");
  take_out([&] { bot.providers.set("api.elevenlabs.io", ""); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200}) == "");
}

TEST_CASE("stack voice bot: a full pool is saturated, and passes when it empties" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  std::list<Process> slow;
  const std::string sleeping = std::to_string(VoiceBot::pool_size);
  put_in([&] {
    // Whoever waits for the pool for half a second is sent away, and comes again.
    REQUIRE(eventually([&] {
      std::erase_if(slow, [](Process& session) { return !session.running(); });
      while (slow.size() < VoiceBot::pool_size) {
        slow.push_back(bot.pooler.session("SELECT pg_sleep(600)"));
      }
      return bot.postgres.sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
                 " AND state = 'active'") == sleeping;
    }));
  });
  CHECK(bot.stack.turns({.verdict = "fail",
                         .health = 503,
                         .ready = 200,
                         .check = "db",
                         .status = "fail",
                         .reason = "saturated"}) == "");
  CHECK(http(app_port, "/healthz/db").status == 503);
  take_out([&] { slow.clear(); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .check = "db", .status = "pass"}) == "");
}

TEST_CASE("stack voice bot: memory of the 256 MB runs out: a warning before the kernel decides" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  if (!MemoryGroup::possible()) return;
  VoiceBot bot;
  REQUIRE(bot.stack.turns({.check = "memory", .status = "pass"}) == "");
  // Up to the middle between warn (85 %) and fail (97 %).
  const double used = bot.stack.check("memory")["observedValue"].get<double>();
  const double missing = (91 - used) / 100 * static_cast<double>(VoiceBot::memory >> 20U);
  put_in([&] {
    const auto target = "/memory/fill?mb=" + std::to_string(std::lround(missing));
    CHECK(http(app_port, target).status == 200);
  });
  CHECK(bot.stack.turns({.verdict = "warn",
                         .health = 200,
                         .ready = 200,
                         .check = "memory",
                         .status = "warn",
                         .reason = "low_space"}) == "");
  take_out([] { CHECK(http(app_port, "/memory/free").status == 200); });
  CHECK(bot.stack.turns({.verdict = "pass", .health = 200, .check = "memory", .status = "pass"}) ==
        "");
}

TEST_CASE("stack voice bot: a backup that does not come is stale, and one that comes is not" *
          red_without_faults()) {
  if (!Machine::possible()) return;
  VoiceBot bot;
  // The job: a real dump, then the call; each second is a night.
  const auto nights = [&] {
    return std::make_unique<Process>(
        Command{{"sh", "-c",
                 "while pg_dump -f \"$0/dump.sql\" \"$1\" && \"$2\" heartbeat backup; do sleep 1; "
                 "done",
                 bot.stack.folder().string(), bot.postgres.url(), vitals_binary()}});
  };
  auto job = nights();
  CHECK(bot.stack.turns({.verdict = "pass", .check = "backup", .status = "pass"}) == "");
  put_in([&] { job.reset(); });
  CHECK(bot.stack.turns({.verdict = "warn",
                         .health = 200,
                         .ready = 200,
                         .check = "backup",
                         .status = "fail",
                         .reason = "stale"}) == "");
  take_out([&] { job = nights(); });
  CHECK(bot.stack.turns({.check = "backup", .status = "pass"}) == "");
}

}  // namespace
}  // namespace vitals::test
