// The front door as a user runs it: `vitals run` before a Node app, and what dies beside it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/front_door.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/occurrences.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/skipped.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::string door_words = "front-door";
const std::string agent_words = "--link";

/// Node behind a front door, under `vitals run`; the check asks the app itself.
class Fronted {
 public:
  explicit Fronted(const std::string& app_lines = {})
      : front_(free_port()),
        upstream_(free_port()),
        agent_(
            "[app]\nfront = \"127.0.0.1:" + std::to_string(front_) +
                "\"\nupstream = \"127.0.0.1:" + std::to_string(upstream_) + "\"\n" + app_lines +
                "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(upstream_) +
                "\"\ninterval = \"500ms\"\nretry_interval = \"500ms\"\n",
            {.environment = {{"SECRET_OF_THE_APP", "canary"}},
             .command = {"node", (source_dir() / "tests/support/front_app.js").string(),
                         std::to_string(upstream_)}}) {}

  [[nodiscard]] std::uint16_t port() const { return front_; }
  [[nodiscard]] Agent& agent() { return agent_; }
  [[nodiscard]] int health() const { return http(front_, "/health").status; }
  /// The child of the supervisor whose command line holds these words.
  [[nodiscard]] pid_t pid_of(const std::string& words) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string stat = slurp(entry.path() / "stat");
      std::istringstream fields(stat.substr(stat.rfind(')') + 1));
      std::string state;
      pid_t parent = 0;
      fields >> state >> parent;
      std::string line = slurp(entry.path() / "cmdline");
      std::replace(line.begin(), line.end(), '\0', ' ');
      if (parent == agent_.process().pid() && state != "Z" &&
          line.find(words) != std::string::npos) {
        return std::stoi(name);
      }
    }
    return 0;
  }
  [[nodiscard]] std::size_t count(const std::string& text) {
    return occurrences(agent_.process().output(), text);
  }
  /// `config` with the front door at another port.
  [[nodiscard]] std::string elsewhere(std::string config) const {
    const std::string port = ":" + std::to_string(front_);
    return config.replace(config.find(port), port.size(), ":" + std::to_string(free_port()));
  }
  /// The agent alone has a HUP: Node would end by it. `reloads`: how many this one makes.
  void reload(const std::string& config, std::size_t reloads) {
    agent_.directory().write("vitals.toml", config);
    kill(pid_of(agent_words), SIGHUP);
    CHECK(eventually([&] { return count("config reloaded") == reloads; }));
  }
  /// Ends it, and waits for the one that takes its place.
  void replace(const std::string& words) {
    const pid_t old = pid_of(words);
    REQUIRE(old > 0);
    kill(old, SIGKILL);
    CHECK(eventually([&] {
      const pid_t now = pid_of(words);
      return now > 0 && now != old;
    }));
  }

 private:
  std::uint16_t front_;
  std::uint16_t upstream_;
  Agent agent_;
};

TEST_SUITE("front door e2e") {
  TEST_CASE(
      "run: whoever waits for the front door to open gets the verdict, not that nobody is there") {
    const TempDir folder;
    for (int round = 0; round < 5; ++round) {
      const auto front = free_port();
      const auto config = folder.write(
          "vitals.toml", "[app]\nfront = \"127.0.0.1:" + std::to_string(front) +
                             "\"\nupstream = \"127.0.0.1:" + std::to_string(free_port()) + "\"\n");
      Process process({.argv = {vitals_binary(), "run", "--config", config.string(), "--", "tail",
                                "-f", "/dev/null"},
                       .environment = {{"VITALS_LISTEN", "127.0.0.1:0"}}});
      REQUIRE(eventually([&] { return accepts_tcp(front); }));
      CHECK(http(front, "/health").status == 200);  // no checks: nothing to wait for
      process.stop();
    }
  }

  TEST_CASE("run: the front door answers health, passes the rest on, and is counted") {
    Fronted fronted;
    CHECK(eventually([&] { return fronted.health() == 200; }));
    RawClient client(fronted.port());
    CHECK(client.ask(get("/a"))->body == "app GET /a");
    const auto ready = client.ask(get("/health/ready"));
    CHECK(ready->status == 200);
    CHECK(ready->body.find("\"connections\": 1\n") != std::string::npos);
    CHECK(ready->body.find("app") == std::string::npos);
    Agent& agent = fronted.agent();
    CHECK(agent.metric("vitals_app_connections") == 1);
    CHECK(agent.metric("vitals_app_requests_in_flight") == 0);
    CHECK(agent.metric("vitals_app_requests_total", {{"code", "2xx"}}) == 1);
    CHECK(agent.metric("vitals_app_requests_total", {{"code", "5xx"}}) == 0);
  }

  TEST_CASE("run: the door's process has neither environment nor privileges nor open files") {
    if (geteuid() != 0) return skipped("what the door's process has is for root to see");
    Fronted fronted;
    CHECK(eventually([&] { return fronted.health() == 200; }));
    const std::filesystem::path door = "/proc/" + std::to_string(fronted.pid_of(door_words));
    CHECK(slurp(door / "environ").empty());
    const std::string status = slurp(door / "status");
    CHECK(status.find("NoNewPrivs:\t1") != std::string::npos);
    CHECK(status.find("\nUid:\t65534\t65534\t65534\t65534") != std::string::npos);
    const auto files = std::filesystem::directory_iterator(door / "fd");
    CHECK(std::distance(begin(files), end(files)) < 12);
  }

  TEST_CASE("run: a crash of the agent cuts no connection, and health is 503 until it is back") {
    Fronted fronted;
    CHECK(eventually([&] { return fronted.health() == 200; }));
    RawClient socket(fronted.port());
    socket.send(websocket_request("/ws"));
    socket.until("\r\n\r\n");
    RawClient kept(fronted.port());
    CHECK(kept.ask(get("/a"))->status == 200);
    // The first time it is back at once, the sixth after 0.8 s: long enough to be seen.
    for (int i = 0; i < 5; ++i) fronted.replace(agent_words);
    const pid_t agent = fronted.pid_of(agent_words);
    REQUIRE(agent > 0);
    kill(agent, SIGKILL);
    CHECK(eventually([&] { return kept.ask(get("/health"))->status == 503; }));
    CHECK(kept.ask(get("/b"))->body == "app GET /b");
    CHECK(eventually([&] { return kept.ask(get("/health"))->status == 200; }));
    socket.send(websocket_frame("still"));
    CHECK(socket.until("still") ==
          "\x81\x05"
          "still");
    CHECK(eventually([&] { return fronted.agent().metric("vitals_app_connections") == 2; }));
  }

  TEST_CASE("run: no client is refused while the front door is started again") {
    Fronted fronted;
    CHECK(eventually([&] { return fronted.health() == 200; }));
    kill(fronted.pid_of(door_words), SIGKILL);
    for (int i = 0; i < 20; ++i) {
      RawClient client(fronted.port());
      CHECK(client.ask(get("/a"))->body == "app GET /a");
    }
    fronted.replace(door_words);
    CHECK(eventually([&] { return fronted.health() == 200; }));
    CHECK(eventually([&] { return fronted.agent().metric("vitals_app_connections") == 0; }));
  }

  TEST_CASE("run: TERM drains at the front door: 503 for new clients, the rest finishes") {
    Fronted fronted("drain_delay = \"30s\"\n");
    CHECK(eventually([&] { return fronted.health() == 200; }));
    RawClient running(fronted.port());
    running.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    CHECK(eventually([&] { return fronted.agent().metric("vitals_app_requests_in_flight") == 1; }));
    fronted.agent().process().signal(SIGTERM);
    CHECK(eventually([&] { return fronted.health() == 503; }, 2s));
    RawClient fresh(fronted.port());
    CHECK(fresh.ask(get("/a"))->status == 503);
    running.send("cd");
    CHECK(running.answer()->body == "[abcd]");
    fronted.agent().process().signal(SIGTERM);  // a second one ends the delay
    CHECK(fronted.agent().process().wait(20s).has_value());
  }

  TEST_CASE("run: a reload that asks for another front door is told so, one back to ours is not") {
    Fronted fronted;
    Agent& agent = fronted.agent();
    CHECK(eventually([&] { return fronted.health() == 200; }));
    const std::string ours = slurp(agent.config_file());
    const std::string other = fronted.elsewhere(ours);
    fronted.reload(other, 1);
    CHECK(fronted.count("a new front door needs a restart") == 1);
    fronted.reload(ours, 2);
    CHECK(fronted.count("a new front door needs a restart") == 1);
    CHECK(fronted.count("a new listen address") == 0);
    CHECK(fronted.health() == 200);
  }

  TEST_CASE("run: an agent that comes back goes by the door that runs, not by the one asked for") {
    Fronted fronted;
    CHECK(eventually([&] { return fronted.health() == 200; }));
    const std::string ours = slurp(fronted.agent().config_file());
    const auto warnings = [&] { return fronted.count("a new front door needs a restart"); };
    const std::string other = fronted.elsewhere(ours);
    const std::string none = ours.substr(ours.find("[checks.app]"));
    const std::string server = ours.substr(0, ours.find("[app]"));
    std::size_t reloads = 0;
    std::size_t told = 0;
    for (const std::string& config : {other, server + none}) {
      CAPTURE(config);
      fronted.reload(config, ++reloads);
      CHECK(warnings() == ++told);
      fronted.replace(agent_words);
      CHECK(eventually([&] { return fronted.health() == 200; }));
      // It says so again, for it is as true as before.
      CHECK(eventually([&] { return warnings() == told + 1; }));
      ++told;
      fronted.reload(ours, ++reloads);
      CHECK(warnings() == told);
      fronted.reload(config, ++reloads);
      CHECK(warnings() == ++told);
    }
    RawClient client(fronted.port());
    CHECK(client.ask(get("/a"))->body == "app GET /a");
    CHECK(fronted.agent().metric("vitals_app_connections") == 1);
  }

  TEST_CASE("run: an agent that comes back opens no door that was not there, and needs no port") {
    const auto port = free_port();
    Agent agent("[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(port) +
                    "\"\ninterval = \"500ms\"\n",
                {.command = web_app(port)});
    REQUIRE(eventually([&] { return agent.status_of("app") == "pass"; }));
    // Where the app itself listens until the restart that is to come.
    agent.directory().write(
        "vitals.toml", slurp(agent.config_file()) +
                           "[app]\nfront = \"127.0.0.1:" + std::to_string(port) +
                           "\"\nupstream = \"127.0.0.1:" + std::to_string(free_port()) + "\"\n");
    const auto told = [&] {
      return occurrences(agent.process().output(), "a new front door needs a restart");
    };
    const int victim = agent_of(agent.process().pid());
    kill(victim, SIGHUP);
    REQUIRE(eventually([&] { return told() == 1; }));
    kill(victim, SIGKILL);
    CHECK(eventually([&] {
      const int next = agent_of(agent.process().pid());
      return next != 0 && next != victim && agent.status_of("app") == "pass";
    }));
    CHECK(eventually([&] { return told() == 2; }));
    CHECK(occurrences(agent.process().output(), "cannot listen") == 0);
    CHECK(pid_of_web_app(port) != 0);
  }

  TEST_CASE("serve: a front door without a parent of the app is not passed over in silence") {
    Agent agent("[app]\nfront = \"127.0.0.1:1\"\nupstream = \"127.0.0.1:2\"\n");
    CHECK(eventually([&] {
      return agent.process().output().find("[app] front needs the parent") != std::string::npos;
    }));
  }

  TEST_CASE("run: a front door that can't listen starts nothing, and says what to change") {
    const Fronted fronted;
    const TempDir folder;
    const auto config =
        folder.write("vitals.toml", "[app]\nfront = \"127.0.0.1:" + std::to_string(fronted.port()) +
                                        "\"\nupstream = \"127.0.0.1:1\"\n");
    const auto finished = vitals({"run", "--config", config.string(), "--", "echo", "started"},
                                 {{"VITALS_LISTEN", "127.0.0.1:0"}});
    CHECK(finished.code == 1);
    CHECK(finished.output.find("set [app] front") != std::string::npos);
    CHECK(finished.output.find("started\n") == std::string::npos);
  }
}

}  // namespace
}  // namespace vitals::test
