// Readiness by fleet for real: Machines with networks of their own, a name server, a shared
// dependency that dies for all or for one.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/machines.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/skipped.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

/// From the death of the dependency to status fail of the checks below: interval 1.1 s, timeout
/// 0.8 s, and two more attempts of 1 s at most; then others have to have asked, too. The rest is
/// for a busy machine.
constexpr auto worst_case = 30s;
/// From the cut of one Machine to its leaving: the worst case of the check is 3.9 s (contract §4).
/// The rest is for a busy machine.
constexpr auto leaves_within = at_most(7s);
/// What must not happen is watched for as long as it could take, and two rounds.
constexpr auto watched = 10s;

bool possible() {
  static const std::string why = Machines::forbidden();
  if (!why.empty()) skipped("network namespaces are not permitted here: " + why);
  return why.empty();
}

std::string timing() { return "interval = \"1s\"\ntimeout = \"800ms\"\n"; }

std::string postgres_config(const PostgresServer& server) {
  return "[checks.db]\nkind = \"postgres\"\nurl = \"postgres://" + std::string(app_user) + ":" +
         app_password + "@" + Machines::dependency_address + ":" + std::to_string(server.port()) +
         "/" + app_user + "\"\n" + timing();
}

/// A cheap dependency for many Machines.
class Dependency {
 public:
  explicit Dependency(std::uint16_t port = first_port) : port_(port) { open(); }
  void open() {
    server_ = std::make_unique<ScriptedServer>([](ScriptedConnection& it) { it.hang(); },
                                               ScriptedOptions{.public_port = port_});
  }
  void close() { server_.reset(); }
  [[nodiscard]] static std::string config() {
    return check("db", first_port) + "impact = \"critical\"\n";
  }
  [[nodiscard]] static std::string check(const std::string& name, std::uint16_t port) {
    return "[checks." + name + "]\nkind = \"tcp\"\naddress = \"" + Machines::dependency_address +
           ":" + std::to_string(port) + "\"\n" + timing();
  }
  static constexpr std::uint16_t first_port = 7'000;
  static constexpr std::uint16_t second_port = 7'001;

 private:
  std::uint16_t port_;
  std::unique_ptr<ScriptedServer> server_;
};

bool fails(const Machines& machines, int machine) {
  return machines.get(machine, "/health/check/db").status == 503;
}

/// No Machine from `first` on leaves readiness while all see the failure for long enough.
void expect_all_fail_open(const Machines& machines, int count, int first = 0) {
  CHECK(stays([&] { return machines.ready_count(first) == count - first; }, watched));
  for (int i = first; i < count; ++i) {
    CAPTURE(i);
    CHECK(fails(machines, i));
    CHECK(machines.fail_open(i));
    const auto page = machines.get(i, "/metrics").body;
    CHECK(page.find("\nvitals_fail_open 1\n") != std::string::npos);
    CHECK(page.find("\nvitals_ready 1\n") != std::string::npos);
  }
}

/// That one goes out, no other does, and it comes back when healed.
void expect_one_out(const Machines& machines, int count, int sick) {
  machines.cut_off(sick);
  const auto begin = std::chrono::steady_clock::now();
  INFO(machines.agent(sick).output());
  REQUIRE(eventually([&] { return !machines.ready(sick); }, leaves_within));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  MESSAGE("seconds from the cut to its leaving: " << took.count());
  const auto answer = machines.get(sick, "/health/ready").body;
  INFO(answer);
  CHECK(answer.find("not ready: db: ") != std::string::npos);
  CHECK(answer.find(" pass it") != std::string::npos);
  CHECK(answer.find("\"fail_open\": false") != std::string::npos);
  CHECK(machines.get(sick, "/health/live").status == 200);
  CHECK(machines.ready_count() == count - 1);
  machines.heal(sick);
  CHECK(eventually([&] { return machines.ready(sick); }, worst_case));
  CHECK(machines.ready_count() == count);
  CHECK(machines.agent(sick).output().find("msg=\"not ready\"") != std::string::npos);
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    if (i != sick) CHECK(machines.agent(i).output().find("not ready") == std::string::npos);
  }
}

bool all_ready(const Machines& machines, int count) {
  return eventually([&] { return machines.ready_count() == count; }, worst_case);
}

TEST_CASE("fleet: three Machines and their Postgres: one cut off leaves alone, all stay together") {
  if (!possible()) return;
  Machines machines(3);
  PostgresServer server({.settings = {{"listen_addresses", "*"}}});
  machines.serve(postgres_config(server));
  REQUIRE(all_ready(machines, 3));
  expect_one_out(machines, 3, 1);
  server.stop("immediate");
  REQUIRE(eventually([&] { return fails(machines, 0); }, worst_case));
  expect_all_fail_open(machines, 3);
  const auto log = machines.agent(2).output();
  const std::string line = "ready on purpose although a shared critical check fails";
  CHECK(log.find(line) != std::string::npos);
  CHECK(log.find(line) == log.rfind(line));
  CHECK(log.find("not ready") == std::string::npos);
  server.start();
  CHECK(eventually([&] { return !machines.fail_open(0) && !fails(machines, 0); }, worst_case));
  CHECK(all_ready(machines, 3));
}

TEST_CASE(
    "fleet: eight Machines: one cut off, then half of them unreachable, then all of it down") {
  if (!possible()) return;
  constexpr int count = 8;
  Machines machines(count);
  Dependency dependency;
  machines.serve(Dependency::config());
  REQUIRE(all_ready(machines, count));
  expect_one_out(machines, count, 5);

  for (const int machine : {0, 1, 2, 3}) machines.unplug(machine);
  REQUIRE(eventually([&] { return fails(machines, 0); }, worst_case));
  // Nobody answers those; the others still take out the one that is cut off among them.
  machines.cut_off(7);
  CHECK(eventually([&] { return !machines.ready(7); }, worst_case));
  for (const int machine : {0, 1, 2, 3}) {
    CHECK(machines.ready(machine));
    CHECK(machines.fail_open(machine));
  }
  CHECK(machines.ready_count() == count - 1);
  machines.heal(7);
  for (const int machine : {0, 1, 2, 3}) machines.plug_in(machine);
  REQUIRE(eventually(
      [&] {
        for (int i = 0; i < count; ++i) {
          if (fails(machines, i)) return false;
        }
        return true;
      },
      worst_case));

  dependency.close();
  REQUIRE(eventually([&] { return fails(machines, 0); }, worst_case));
  CHECK(stays([&] { return machines.ready_count() == count; }, watched));
}

TEST_CASE("fleet: peers that hang, speak nonsense or hide details do not confuse") {
  if (!possible()) return;
  constexpr int count = 6;
  Machines machines(count);
  Dependency dependency;
  // 0 hangs, 1 and 2 answer everything as another program would.
  std::vector<std::unique_ptr<ScriptedServer>> odd;
  const std::vector<ScriptedServer::Script> scripts{
      [](ScriptedConnection& it) { it.hang(); },
      answering(http_answer("200 OK", "<html>I am an app</html>")),
      answering(http_answer("404 Not Found", R"({"status":"fail"})"))};
  for (int i = 0; i < 3; ++i) {
    machines.inside(i, [&] {
      odd.push_back(
          std::make_unique<ScriptedServer>(scripts[static_cast<std::size_t>(i)],
                                           ScriptedOptions{.public_port = Machines::agent_port}));
    });
  }
  machines.serve("[server]\ndetails = \"never\"\n" + Dependency::config(), 3);
  REQUIRE(eventually([&] { return machines.ready_count(3) == 3; }, worst_case));
  machines.cut_off(3);
  CHECK(eventually([&] { return !machines.ready(3); }, worst_case));
  CHECK(machines.ready_count(3) == 2);
  machines.heal(3);
  CHECK(eventually([&] { return machines.ready_count(3) == 3; }, worst_case));
  dependency.close();
  REQUIRE(eventually([&] { return fails(machines, 3); }, worst_case));
  CHECK(stays([&] { return machines.ready_count(3) == 3; }, watched));
}

TEST_CASE("fleet: liars bring nobody down whose own check passes, and DNS that fails is no fleet") {
  if (!possible()) return;
  constexpr int count = 5;
  Machines machines(count);
  Dependency dependency;
  std::vector<std::unique_ptr<ScriptedServer>> liars;
  for (int i = 0; i < 3; ++i) {
    machines.inside(i, [&] {
      liars.push_back(std::make_unique<ScriptedServer>(
          answering(http_answer("503 Service Unavailable", R"({"status":"fail"})")),
          ScriptedOptions{.public_port = Machines::agent_port}));
    });
  }
  machines.serve(Dependency::config(), 3);
  REQUIRE(eventually([&] { return machines.ready_count(3) == 2; }, worst_case));
  // Who has not failed has nothing to ask; on a machine that stands still one may have.
  const bool asked = !liars[0]->requests().empty();
  const auto untroubled = [&](int machine) {
    const std::string page = machines.get(machine, "/metrics").body;
    return page.find(R"(outcome="fail"} 0)") != std::string::npos;
  };
  CHECK_FALSE((asked && untroubled(3) && untroubled(4)));
  // With three liars of four the failure of one looks shared: it stays, and says so.
  machines.cut_off(3);
  REQUIRE(eventually([&] { return machines.fail_open(3); }, worst_case));
  CHECK(eventually([&] { return !liars[0]->requests().empty(); }, worst_case));
  CHECK(machines.ready(3));
  CHECK_FALSE(machines.fail_open(4));
  machines.heal(3);
  REQUIRE(eventually([&] { return !machines.fail_open(3); }, worst_case));

  machines.set_dns(DnsReply::Kind::servfail);
  machines.cut_off(4);
  REQUIRE(eventually([&] { return machines.fail_open(4); }, worst_case));
  CHECK(eventually(
      [&] {
        return machines.get(4, "/health/ready").body.find("no other Machine answers") !=
               std::string::npos;
      },
      worst_case));
  CHECK(machines.ready(4));
}

TEST_CASE("fleet: others whose group passes on members that rest make nobody leave") {
  if (!possible()) return;
  constexpr int count = 3;
  Machines machines(count);
  Dependency rested;
  Dependency asked(Dependency::second_port);
  machines.serve(
      "[server]\ndetails = \"never\"\n[autostop]\nidle_after = \"1s\"\nport = 0\n"
      "[groups.db]\nmembers = [\"rested\", \"asked\"]\nneed = 2\nimpact = \"critical\"\n" +
      Dependency::check("rested", Dependency::first_port) + "pause_when_idle = true\n" +
      Dependency::check("asked", Dependency::second_port));
  const auto work = [&](int machine) {
    machines.inside(machine, [] {
      CHECK(http(Machines::agent_port, "/busy/work?ttl=1h", {}, "PUT").status == 204);
    });
  };
  const auto says = [&](int machine, const std::string& sample) {
    return machines.get(machine, "/metrics").body.find("\n" + sample + "\n") != std::string::npos;
  };
  work(0);
  for (const int machine : {1, 2}) {
    REQUIRE(eventually([&] { return says(machine, R"(vitals_check_paused{check="rested"} 1)"); },
                       worst_case));
  }
  REQUIRE(all_ready(machines, count));
  rested.close();
  REQUIRE(eventually([&] { return fails(machines, 0); }, worst_case));
  CHECK(stays([&] { return machines.ready(0); }, watched));
  CHECK(says(0, "vitals_fail_open 1"));
  CHECK_FALSE(fails(machines, 1));

  for (const int machine : {1, 2}) work(machine);
  CHECK(eventually([&] { return fails(machines, 1) && fails(machines, 2); }, worst_case));
  CHECK(stays([&] { return machines.ready_count() == count; }, watched));
}

TEST_CASE("fleet: thirty Machines: a dead dependency takes out none, a cable takes out one") {
  if (!possible()) return;
  constexpr int count = 30;
  Machines machines(count);
  Dependency dependency;
  machines.serve(Dependency::config());
  REQUIRE(all_ready(machines, count));
  machines.cut_off(17);
  CHECK(eventually([&] { return !machines.ready(17); }, worst_case));
  CHECK(machines.ready_count() == count - 1);
  machines.heal(17);
  REQUIRE(all_ready(machines, count));
  dependency.close();
  REQUIRE(eventually([&] { return fails(machines, 0); }, worst_case));
  CHECK(stays([&] { return machines.ready_count() == count; }, watched));
}

}  // namespace
}  // namespace vitals::test
