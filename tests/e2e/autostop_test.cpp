// [autostop] on the static binary: what keeps a Machine up, what does not, how it ends, and what it
// says meanwhile.
#include <doctest/doctest.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

/// A machine that stands still for some seconds must not look idle.
constexpr auto idle_after = 4s;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string autostop(const std::string& action, const std::string& more = {}) {
  return "[autostop]\nidle_after = \"4s\"\nmin_uptime = \"0s\"\naction = \"" + action + "\"\n" +
         more;
}

std::string tcp_check(std::uint16_t port, const std::string& more = {}) {
  return "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(port) +
         "\"\ninterval = \"500ms\"\nretry_interval = \"500ms\"\n" + more;
}

std::vector<std::string> node_app(std::uint16_t port) {
  return {"node", (source_dir() / "tests/support/front_app.js").string(), std::to_string(port)};
}

/// A Machine whose app is Node, with a front door or without. It reports, until it is armed: how
/// long Node takes to boot is no matter of these tests.
struct Machine {
  bool fronted;
  std::uint16_t public_port = free_port();
  std::uint16_t app_port = fronted ? free_port() : public_port;
  Agent agent;

  explicit Machine(bool with_door)
      : fronted(with_door), agent(config("report"), {.command = node_app(app_port)}) {
    REQUIRE(eventually([&] { return agent.status_of("app") == "pass"; }, 30s));
  }
  [[nodiscard]] std::string config(const std::string& action) const {
    const std::string door = "[app]\nfront = \"127.0.0.1:" + std::to_string(public_port) +
                             "\"\nupstream = \"127.0.0.1:" + std::to_string(app_port) + "\"\n";
    return (fronted ? door : "") + autostop(action) + tcp_check(app_port);
  }
  /// There is work: from now on its end is the Machine's.
  void arm() {
    REQUIRE(eventually([&] { return idle()["kept_by"] == "connections"; }));
    agent.reload(config("exit"));
    REQUIRE(eventually([&] { return has(agent.process().output(), "config reloaded"); }));
  }
  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(agent.port());
  }
  [[nodiscard]] bool running() { return agent.process().running(); }
  /// For so long `each` is done ten times a second; false when the Machine ended meanwhile.
  template <typename Each>
  bool stays_up(std::chrono::milliseconds time, Each each) {
    auto next = std::chrono::steady_clock::now();
    return !eventually(
        [&] {
          if (std::chrono::steady_clock::now() >= next) {
            each();
            next = std::chrono::steady_clock::now() + 100ms;
          }
          return !running();
        },
        time);
  }
  [[nodiscard]] Json idle() const {
    const Json document = Json::parse(agent.get("/health").body, nullptr, false);
    return document.is_object() && document.contains("idle") ? document["idle"] : Json::object();
  }
};

/// What Fly and Prometheus do all day, and whoever only connects.
struct Bystanders {
  Machine& machine;
  int round = 0;
  RawClient silent{machine.public_port};

  void look() {
    http(machine.agent.port(), "/health");
    http(machine.agent.port(), "/metrics");
    if (machine.fronted) http(machine.public_port, "/health/ready");
    if (!machine.fronted && round++ % 10 == 0) http(machine.public_port, "/healthz");
    static_cast<void>(accepts_tcp(machine.public_port));
  }
};

void scale_to_zero(bool with_door) {
  Machine machine(with_door);
  // Traffic: a connection of its own with a request now and then.
  {
    RawClient client(machine.public_port);
    CHECK(client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").has_value());
    machine.arm();
    CHECK(machine.stays_up(2 * idle_after, [&] {
      CHECK(client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").has_value());
    }));
    // Of the moment: on a machine that stands still a second passes without a request.
    CHECK(eventually([&] {
      CHECK(client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").has_value());
      return machine.agent.metric("vitals_idle_seconds") < 1;
    }));
    CHECK(machine.idle()["kept_by"] == "connections");
    CHECK(machine.agent.metric("vitals_autostop_safe") == 0);
    CHECK(vitals({"busy", "import", machine.url(), "--ttl", "10m"}).code == 0);
  }
  // No traffic any more, but a hold.
  Bystanders bystanders{machine};
  CHECK(machine.stays_up(2 * idle_after, [&] { bystanders.look(); }));
  CHECK(machine.agent.metric("vitals_busy", {{"name", "import"}}) == 1);
  // A look may fall on one of the bystanders.
  CHECK(eventually([&] { return machine.idle()["output"] == "hold 'import'"; }));
  CHECK(eventually([&] {
    return has(vitals({"status", machine.url()}).output,
               "stays up: hold 'import'; busy with import");
  }));
  // And then nothing but bystanders.
  CHECK(vitals({"idle", "import", machine.url()}).code == 0);
  CHECK_FALSE(machine.stays_up(60s, [&] { bystanders.look(); }));
  CHECK(machine.agent.process().wait(20s) == 0);
  const std::string log = machine.agent.process().output();
  CHECK(has(log, "idle: everything ends now, with exit code 0"));
  CHECK(has(log, "msg=busy name=import for=10m"));
  CHECK(has(log, "kept_by="));
  CHECK_FALSE(has(log, "kept_by=job"));  // our own processes are none
  // The app got TERM, and Node dies of it.
  CHECK(has(log, "signal=TERM"));
}

TEST_SUITE("autostop") {
  TEST_CASE("autostop: behind the door a Machine ends with 0 after traffic and a hold are over") {
    scale_to_zero(true);
  }

  TEST_CASE("autostop: without a door a Machine ends with 0 after traffic and a hold are over") {
    scale_to_zero(false);
  }

  TEST_CASE("autostop: a WebSocket that says nothing keeps the Machine up until it ends") {
    // Both side by side: the time that has to pass is the same.
    Machine with_door(true);
    Machine without(false);
    {
      RawClient socket(with_door.public_port);
      RawClient other(without.public_port);
      for (auto [machine, client] : {std::pair{&with_door, &socket}, std::pair{&without, &other}}) {
        CAPTURE(machine->fronted);
        client->send(websocket_request("/ws"));
        CHECK(has(client->until("\r\n\r\n"), "101"));
        machine->arm();
      }
      CHECK(with_door.stays_up(3 * idle_after, [&] { CHECK(without.running()); }));
      CHECK(with_door.idle()["output"] == "1 connection");
      CHECK(without.idle()["output"] == "1 connection");
    }
    CHECK(with_door.agent.process().wait(60s) == 0);
    CHECK(without.agent.process().wait(60s) == 0);
  }

  TEST_CASE("autostop: exit is a drain and then 0, also for an app that has to be killed") {
    Agent agent("[app]\nstop_timeout = \"300ms\"\n" + autostop("exit", "port = 0\n"),
                {.command = perl("$SIG{TERM} = sub { print STDERR qq(app got TERM\n) }; "
                                 "sleep 1 while 1")});
    CHECK(agent.process().wait(60s) == 0);
    CHECK(has(agent.process().output(), "app got TERM"));
    CHECK(has(agent.process().output(), "draining before the app stops"));
  }

  TEST_CASE("autostop: serve ends with 0, too") {
    Agent agent(autostop("exit", "port = 0\n"));
    CHECK(agent.process().wait(60s) == 0);
    CHECK(has(agent.process().output(), "idle: everything ends now"));
  }

  TEST_CASE("autostop: not before min_uptime, and a sick Machine stays up unless told otherwise") {
    const std::uint16_t nobody = free_port();
    const std::string sick = tcp_check(nobody, "fall = 1\n");
    Agent agent(autostop("exit") + sick);
    REQUIRE(eventually([&] { return has(agent.process().output(), "kept_by=unhealthy"); }, 60s));
    CHECK(agent.metric("vitals_autostop_safe") == 0);
    CHECK(agent.metric("vitals_idle_seconds") >= 2);
    CHECK(agent.process().running());
    agent.reload(autostop("exit", "even_if_unhealthy = true\n") + sick);
    CHECK(agent.process().wait(60s) == 0);

    Agent young(
        "[autostop]\nidle_after = \"1s\"\nmin_uptime = \"1h\"\naction = \"exit\"\nport = 0\n");
    CHECK(eventually([&] { return has(young.process().output(), "kept_by=min_uptime"); }, 60s));
    CHECK(young.metric("vitals_autostop_safe") == 0);
  }

  TEST_CASE("autostop: report says so and goes on; a reload without the table ends the watch") {
    Agent agent(autostop("report", "port = 0\n"));
    REQUIRE(eventually([&] { return agent.metric("vitals_autostop_safe") == 1; }, 60s));
    CHECK(has(agent.process().output(), "msg=idle since="));
    CHECK(agent.process().running());
    CHECK(has(agent.get("/?format=html").body, "<dt>Idle</dt>"));
    agent.reload("");
    CHECK(eventually([&] { return std::isnan(agent.metric("vitals_autostop_safe")); }));
    CHECK(std::isnan(agent.metric("vitals_idle_seconds")));
  }

  TEST_CASE("autostop: a job that the app left behind keeps the Machine up until it ends") {
    Agent agent(
        autostop("exit", "port = 0\n"),
        {.command = {"sh", "-c", "(setsid sleep 31415 & ) ; exec perl -e 'sleep 1 while 1'"}});
    // Looked at in the moment of its birth it is still called what its parent was.
    REQUIRE(eventually([&] { return has(agent.get("/health").body, "job 'sleep' beside the app"); },
                       60s));
    CHECK(agent.process().running());
    int job = 0;
    for (const auto& child : children_of(agent.process().pid())) {
      if (has(child.command, "31415")) job = child.pid;
    }
    REQUIRE(job > 0);
    kill(job, SIGKILL);
    CHECK(agent.process().wait(60s) == 0);
  }

  TEST_CASE("autostop: a refused suspend leaves the Machine awake, and is tried again") {
    const TempDir folder;
    const ScriptedServer api(
        [](ScriptedConnection& connection) {
          connection.read_request();
          connection.send(connection.number() == 1
                              ? http_answer("412 Precondition Failed", "{\"error\":\"no\"}")
                              : http_answer("200 OK", "{\"ok\":true}"));
        },
        {.unix_path = folder.path() / "api"});
    Agent agent(
        autostop("suspend",
                 "port = 0\napi_socket = \"" + (folder.path() / "api").string() + "\"\n"),
        {.environment = {{"FLY_APP_NAME", "my-app"}, {"FLY_MACHINE_ID", "e784079b449483"}}});
    REQUIRE(eventually(
        [&] {
          return has(agent.process().output(), "refused to suspend: the Machine stays awake");
        },
        60s));
    CHECK(has(agent.process().output(), "the Machines API answers 412"));
    CHECK(has(agent.process().output(), "again_in=30s"));
    CHECK(agent.process().running());
    CHECK(agent.metric("vitals_autostop_safe") == 1);
    CHECK(agent.metric("vitals_autostop_refused_total") == 1);
    REQUIRE(eventually([&] { return api.requests().size() >= 2; }, 90s));
    for (const std::string& request : api.requests()) {
      CHECK(request.starts_with("POST /v1/apps/my-app/machines/e784079b449483/suspend HTTP/1.1"));
    }
    // Accepted: if it has slept meanwhile, idle_after counts anew.
    CHECK(eventually([&] { return has(agent.process().output(), "counting anew"); }));
    CHECK(agent.process().running());
    CHECK(agent.metric("vitals_autostop_refused_total") == 1);
  }

  TEST_CASE(
      "autostop: stop asks for a stop; without a socket the Machine stays awake, and says why") {
    const TempDir folder;
    const ScriptedServer api(answering(http_answer("200 OK", "{\"ok\":true}")),
                             {.unix_path = folder.path() / "api"});
    const std::map<std::string, std::string> machine{{"FLY_APP_NAME", "my-app"},
                                                     {"FLY_MACHINE_ID", "e784079b449483"}};
    const auto with_socket = [&](const std::string& name) {
      return autostop("stop",
                      "port = 0\napi_socket = \"" + (folder.path() / name).string() + "\"\n");
    };
    Agent agent(with_socket("api"), {.environment = machine});
    Agent alone(with_socket("nobody"), {.environment = machine});
    Agent anywhere(with_socket("api"),
                   {.environment = {{"FLY_APP_NAME", ""}, {"FLY_MACHINE_ID", ""}}});
    REQUIRE(eventually([&] { return api.requests().size() == 1; }, 60s));
    CHECK(api.requests()[0].starts_with("POST /v1/apps/my-app/machines/e784079b449483/stop "));

    CHECK(eventually([&] { return has(alone.process().output(), "there is no socket"); }, 60s));
    CHECK(alone.process().running());
    CHECK(eventually(
        [&] { return has(anywhere.process().output(), "FLY_APP_NAME and FLY_MACHINE_ID"); }, 60s));
    CHECK(anywhere.process().running());
    CHECK(api.requests().size() == 1);
  }

  TEST_CASE(
      "autostop: a Machine that was stopped for a while begins a new life, without false red") {
    Agent agent(
        "[autostop]\nidle_after = \"8s\"\nmin_uptime = \"0s\"\naction = \"exit\"\nport = 0\n"
        "[checks.disk]\nkind = \"disk\"\npath = \"/\"\nwarn = 0.98\nfail = 0.99\n"
        "impact = \"critical\"\n");
    REQUIRE(eventually([&] { return agent.status_of("disk") == "pass"; }));
    agent.process().signal_group(SIGSTOP);
    // It neither ends nor answers meanwhile.
    CHECK_FALSE(eventually([&] { return !agent.process().running(); }, 9s));
    agent.process().signal_group(SIGCONT);
    const auto resumed = std::chrono::steady_clock::now();
    CHECK(agent.get("/health").status == 200);
    REQUIRE(eventually([&] { return has(agent.process().output(), "resumed"); }));
    CHECK(agent.process().wait(60s) == 0);
    // Without a new life it would have ended at once: it was quiet for more than 8 s.
    CHECK(std::chrono::steady_clock::now() - resumed > 7s);
    CHECK_FALSE(has(agent.process().output(), "status=fail"));
  }
}

TEST_SUITE("pause_when_idle") {
  std::string postgres_check(const PostgresServer& server) {
    return "[checks.db]\nkind = \"postgres\"\nurl = \"" + server.url() +
           "\"\ninterval = \"1s\"\ntimeout = \"700ms\"\nretry_interval = \"500ms\"\nfall = 2\n"
           "pause_when_idle = true\n";
  }

  TEST_CASE("pause_when_idle: a database that sleeps is left alone, and asked when work is back") {
    PostgresServer server;
    Agent agent(autostop("report", "port = 0\n") + postgres_check(server));
    const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
    REQUIRE(vitals({"busy", "import", url}).code == 0);
    REQUIRE(eventually([&] { return agent.status_of("db") == "pass"; }));
    CHECK(eventually([&] { return server.our_sessions() == 1; }));
    CHECK(agent.metric("vitals_check_paused", {{"check", "db"}}) == 0);

    REQUIRE(vitals({"idle", "import", url}).code == 0);
    REQUIRE(eventually(
        [&] {
          return agent.metric("vitals_check_paused", {{"check", "db"}}) == 1;
        },
        60s));
    CHECK(eventually([&] { return server.our_sessions() == 0; }));
    const double asked = agent.metric("vitals_check_attempts_total", {{"outcome", "pass"}});
    CHECK(agent.status_of("db") == "pass");
    CHECK(has(agent.get("/health").body, "\"paused\": true"));
    CHECK(has(agent.get("/health?format=text").body, "[✓] db: paused; "));
    CHECK(has(agent.get("/?format=html").body, "paused while the Machine is idle"));
    CHECK(has(vitals({"explain", "db", url}).output, "paused while the Machine is idle"));
    CHECK(has(vitals({"status", url}).output, "paused; "));
    // Longer than a result counts (3 intervals and the timeout), nobody connects.
    CHECK_FALSE(eventually([&] { return server.our_sessions() != 0; }, 6s));
    CHECK(agent.metric("vitals_check_attempts_total", {{"outcome", "pass"}}) == asked);
    CHECK(agent.metric("vitals_check_stale", {{"check", "db"}}) == 0);
    CHECK(agent.get("/health/ready").status == 200);

    REQUIRE(vitals({"busy", "import", url}).code == 0);
    CHECK(eventually([&] { return server.our_sessions() == 1; }));
    CHECK(agent.metric("vitals_check_paused", {{"check", "db"}}) == 0);
    // The session is there before the attempt is over.
    CHECK(eventually([&] {
      return agent.metric("vitals_check_attempts_total", {{"outcome", "pass"}}) > asked;
    }));
  }

  TEST_CASE("pause_when_idle: a database that died meanwhile is red soon after work is back") {
    PostgresServer server;
    Agent agent(autostop("report", "port = 0\n") + postgres_check(server));
    const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
    REQUIRE(eventually(
        [&] {
          return agent.metric("vitals_check_paused", {{"check", "db"}}) == 1;
        },
        60s));
    server.stop();
    CHECK(agent.status_of("db") == "pass");
    REQUIRE(vitals({"busy", "import", url}).code == 0);
    CHECK(eventually([&] { return agent.status_of("db") == "fail"; }));
  }

  TEST_CASE("pause_when_idle: without [autostop] it does nothing, and the log says so") {
    Agent agent("[checks.disk]\nkind = \"disk\"\npath = \"/\"\npause_when_idle = true\n");
    CHECK(eventually([&] {
      return has(agent.process().output(), "'pause_when_idle' does nothing without [autostop]");
    }));
  }
}

TEST_SUITE("busy") {
  TEST_CASE("busy: holds are seen on /metrics, end with their ttl, and are refused to strangers") {
    Agent agent("");
    const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
    CHECK(http(agent.port(), "/busy/mail?ttl=5s", {}, "PUT").status == 204);
    CHECK(agent.metric("vitals_busy", {{"name", "mail"}}) == 1);
    CHECK(eventually([&] { return std::isnan(agent.metric("vitals_busy")); }));
    CHECK(http(agent.port(), "/busy/mail", {{"Fly-Client-IP", "1.2.3.4"}}, "PUT").status == 403);
    CHECK(vitals({"busy", "Bad-Name", url}).code == 3);
    CHECK(vitals({"busy", "x", url, "--ttl", "25h"}).code == 3);
    CHECK(vitals({"busy"}).code == 3);
    CHECK(vitals({"idle", "never-begun", url}).code == 0);
    for (int i = 0; i < 64; ++i) {
      CHECK(http(agent.port(), "/busy/w" + std::to_string(i), {}, "PUT").status == 204);
    }
    CHECK(http(agent.port(), "/busy/w64", {}, "PUT").status == 409);
    CHECK(vitals({"busy", "w64", url}).code == 2);
    const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port());
    CHECK(vitals({"busy", "x", nobody}).code == 2);
  }
}

}  // namespace
}  // namespace vitals::test
