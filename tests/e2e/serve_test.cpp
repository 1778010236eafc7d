// The static binary beside real servers: local and live checks, reload, suspend, an empty root.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/occurrences.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/skipped.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto quick = "[defaults]\ninterval = \"500ms\"\ntimeout = \"400ms\"\n";

std::string check(const std::string& name, const std::string& kind, const std::string& url,
                  const std::string& more = "") {
  return "[checks." + name + "]\nkind = \"" + kind + "\"\nurl = \"" + url + "\"\n" + more;
}

TEST_CASE(
    "serve: a failing local critical check takes the Machine out, a failing live check ends "
    "liveness") {
  RedisServer redis;  // something local that can come and go
  Agent agent(std::string(quick) + "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
              std::to_string(redis.port()) + "\"\nlive = true\n");
  agent.until_health(200);
  redis.stop();
  agent.until_health(503);
  CHECK(agent.get("/health/ready").status == 503);
  CHECK(agent.get("/health/live").status == 503);
  CHECK(agent.get("/health/startup").status == 200);
  redis.start();
  agent.until_health(200);
  CHECK(agent.get("/health/ready").status == 200);
  CHECK(agent.get("/health/live").status == 200);
}

TEST_CASE("reload: a bad file changes nothing and shows, a good one keeps what did not change") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  const std::string kept = std::string(quick) + check("kept", "http", app.url("/kept"));
  Agent agent(kept + check("old", "http", app.url("/old")));
  agent.until_health(200);
  const double passed =
      agent.metric("vitals_check_attempts_total", {{"check", "kept"}, {"outcome", "pass"}});
  CHECK(passed > 0);
  CHECK(agent.metric("vitals_config_last_reload_successful") == 1);

  agent.reload(kept + "[checks.broken]\nkind = \"nosuch\"\n");
  REQUIRE(eventually([&] { return agent.metric("vitals_config_last_reload_successful") == 0; }));
  CHECK(agent.status_of("old") == "pass");
  CHECK(eventually([&] { return agent.process().output().find("nosuch") != std::string::npos; }));

  agent.reload(
      kept + check("new", "http", app.url("/new")) +
      check("pg", "postgres", "postgres://u@127.0.0.1:1/d?pgbouncer=true", "impact = \"info\"\n"));
  REQUIRE(eventually([&] { return agent.status_of("new") == "pass"; }));
  CHECK(agent.metric("vitals_config_last_reload_successful") == 1);
  // What is worth a line at the start is worth one after a reload.
  CHECK(
      eventually([&] { return agent.process().output().find("pgbouncer") != std::string::npos; }));
  CHECK(agent.get("/health/check/old").status == 404);
  CHECK(std::isnan(agent.metric("vitals_check_up", {{"check", "old"}})));
  CHECK(agent.metric("vitals_check_attempts_total", {{"check", "kept"}, {"outcome", "pass"}}) >=
        passed);
  CHECK(agent.metric("vitals_check_transitions_total",
                     {{"check", "kept"}, {"from", "unknown"}, {"to", "pass"}}) == 1);
}

TEST_CASE("reload: a file that was found and is gone changes nothing, and shows") {
  const TempDir folder;
  const auto port = free_port();
  const std::string server = "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n";
  const auto file =
      folder.write("vitals.toml", server + "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                                      std::to_string(free_port()) + "\"\n");
  Process agent({.argv = {vitals_binary(), "serve"}, .directory = folder.path()});
  const auto says = [&](const char* text) {
    return agent.output().find(text) != std::string::npos;
  };
  REQUIRE(eventually([&] { return http(port, "/health/check/app").status == 503; }));
  std::filesystem::rename(file, folder.path() / "vitals.bak");
  agent.signal(SIGHUP);
  REQUIRE(eventually([&] { return says("config rejected, nothing changed"); }));
  CHECK(says("vitals.toml: cannot read it"));
  CHECK(http(port, "/health/check/app").status == 503);
  folder.write("vitals.toml", server);
  agent.signal(SIGHUP);
  CHECK(eventually([&] { return http(port, "/health/check/app").status == 404; }));
  CHECK(says("nothing to check"));
}

TEST_CASE("reload: a failing critical check that is edited stays 503 until it passed once") {
  const RefusingPort refusing;
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  const std::string dead = "http://127.0.0.1:" + std::to_string(refusing.port());
  const std::string start = std::string(quick) + "[checks.other]\nkind = \"memory\"\n";
  Agent agent(start + check("app", "http", dead + "/"));
  REQUIRE(eventually([&] { return agent.status_of("app") == "fail"; }));
  CHECK(http(agent.port(), "/mute/other", {}, "PUT").status == 204);

  // A patient one: had it to fail anew, it would be green for long. The other is edited, too.
  agent.reload(start + "interval = \"1s\"\n" +
               check("app", "http", dead + "/other", "fall = 99\n"));
  REQUIRE(eventually(
      [&] { return agent.process().output().find("config reloaded") != std::string::npos; }));
  CHECK(stays([&] { return agent.get("/health").status == 503; }, 2s));
  CHECK(agent.status_of("app") == "fail");
  CHECK(agent.metric("vitals_check_muted", {{"check", "other"}}) == 1);

  agent.reload(start + check("app", "http", app.url("/")));
  agent.until_health(200);
}

TEST_CASE("reload: another listen address is told to need a restart, the one we have is not") {
  Agent agent("");
  const auto count = [&](const std::string& text) {
    return occurrences(agent.process().output(), text);
  };
  agent.directory().write("vitals.toml",
                          "[server]\nlisten = \"127.0.0.1:" + std::to_string(free_port()) + "\"\n");
  agent.process().signal(SIGHUP);
  REQUIRE(eventually([&] { return count("config reloaded") == 1; }));
  CHECK(count("a new listen address needs a restart") == 1);
  agent.reload("");
  REQUIRE(eventually([&] { return count("config reloaded") == 2; }));
  CHECK(count("a new listen address needs a restart") == 1);
}

TEST_CASE("metrics: memory and pressure of the Machine are there without any check, and once") {
  Agent agent("");
  const auto count = [&](const std::string& series) {
    return occurrences("\n" + agent.get("/metrics").body, "\n" + series);
  };
  CHECK(agent.metric("vitals_memory_available_bytes") > 1024 * 1024);
  // A kernel may have the file and not want to tell.
  std::ifstream pressure("/proc/pressure/memory");
  std::string line;
  const bool psi = !std::getline(pressure, line).fail();
  const auto stalls = count("vitals_pressure_stalled_seconds_total{resource=\"memory\"");
  CHECK((stalls > 0) == psi);
  agent.reload("[checks.memory]\nkind = \"memory\"\n");
  REQUIRE(eventually([&] { return !agent.field_of("memory", "observedValue").empty(); }));
  CHECK(count("vitals_memory_available_bytes ") == 1);
  CHECK(count("vitals_pressure_stalled_seconds_total{resource=\"memory\"") == stalls);
}

TEST_CASE("suspend: an agent that was stopped for long answers with its last status, never stale") {
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  Agent agent(std::string(quick) + check("app", "http", app.url("/")));
  agent.until_health(200);
  // Results go stale after 1.9 s here; the agent notices a stop of more than 5 s.
  agent.process().signal(SIGSTOP);
  REQUIRE(eventually([&] { return agent.process().stopped(); }));
  CHECK(stays([&] { return agent.process().stopped(); }, 7s));
  agent.process().signal(SIGCONT);
  for (int i = 0; i < 50; ++i) {
    const HttpAnswer answer = agent.get("/health");
    CHECK(answer.status == 200);
    CHECK(answer.body.find("stale") == std::string::npos);
  }
  CHECK(agent.metric("vitals_resumes_total") == 1);
  CHECK(agent.metric("vitals_health_transitions_total", {{"from", "pass"}, {"to", "fail"}}) == 0);
}

TEST_CASE("serve: started without stdin, stdout and stderr it logs into no socket") {
  TempDir folder;
  const std::uint16_t port = free_port();
  const auto config = folder.write(
      "vitals.toml", "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n");
  Process agent({{"/bin/sh", "-c", "exec \"$0\" serve --config \"$1\" <&- >&- 2>&-",
                  vitals_binary(), config.string()}});
  REQUIRE(eventually([&] { return http(port, "/health").status == 200; }));
  for (const char* descriptor : {"0", "1", "2"}) {
    CAPTURE(descriptor);
    const std::string link = "/proc/" + std::to_string(agent.pid()) + "/fd/" + descriptor;
    CHECK(std::filesystem::read_symlink(link) == "/dev/null");
  }
}

TEST_CASE("serve: runs in a root with nothing in it, as nobody, and says what is missing") {
  if (geteuid() != 0) return skipped("chroot takes root");
  TempDir root;
  std::filesystem::copy_file(vitals_binary(), root.path() / "vitals");
  std::filesystem::permissions(root.path() / "vitals", std::filesystem::perms(0755));
  const std::uint16_t port = free_port();
  ScriptedServer app(answering(http_answer("200 OK", "ok")));
  root.write("vitals.toml",
             "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n" + quick +
                 check("app", "http", app.url("/")) +
                 check("named", "http", "http://localhost:" + std::to_string(app.port()) + "/") +
                 check("https", "http", "https://127.0.0.1:" + std::to_string(app.port()) + "/"));
  Process agent({{"chroot", "--userspec=65534:65534", root.path().string(), "/vitals", "serve",
                  "--config", "/vitals.toml"},
                 {},
                 true});
  REQUIRE(eventually([&] {
    return http(port, "/health/check/app").status == 200 &&
           http(port, "/health/check/named").status == 200;
  }));
  REQUIRE(eventually([&] {
    return http(port, "/health/check/https").body.find("\"internal\"") != std::string::npos;
  }));
  CHECK(http(port, "/health/check/https").body.find("ca-certificates") != std::string::npos);
  CHECK(http(port, "/metrics").body.find("vitals_agent_open_fds") != std::string::npos);
}

}  // namespace
}  // namespace vitals::test
