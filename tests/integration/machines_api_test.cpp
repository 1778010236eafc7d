// The call of the Machines API against a socket that answers, refuses, hangs, or is not there.
#include "agent/idle/machines_api.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <vitals/fd.hpp>

#include "probes/registry.hpp"
#include "tests/support/process.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/timing.hpp"

namespace vitals::idle {
namespace {

using test::ScriptedConnection;
using test::ScriptedServer;

const MachineName name{"my-app", "148e21ea7d5089"};

struct Api {
  test::TempDir folder;
  std::string socket = (folder.path() / "api").string();
  ScriptedServer server;

  explicit Api(ScriptedServer::Script script)
      : server(std::move(script), {.unix_path = folder.path() / "api"}) {
    initialise_probe_libraries();
  }
  [[nodiscard]] std::optional<Error> ask(const std::string& verb,
                                         Duration limit = Duration(5'000)) const {
    return ask_machines_api(socket, name, verb, Deadline::after(limit));
  }
};

TEST_CASE("machines api: asks for this Machine, without a body, and takes 200 for yes") {
  const Api api(test::answering(test::http_answer("200 OK", "{\"ok\":true}")));
  CHECK_FALSE(api.ask("suspend"));
  CHECK_FALSE(api.ask("stop"));
  const auto requests = api.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(
      requests[0].starts_with("POST /v1/apps/my-app/machines/148e21ea7d5089/suspend HTTP/1.1\r\n"));
  CHECK(requests[1].starts_with("POST /v1/apps/my-app/machines/148e21ea7d5089/stop HTTP/1.1\r\n"));
  CHECK(ScriptedConnection::header_of(requests[0], "Content-Length") == "0");
  CHECK(ScriptedConnection::header_of(requests[0], "Content-Type").empty());
  CHECK(ScriptedConnection::header_of(requests[0], "Expect").empty());
}

TEST_CASE("machines api: any other answer is a refusal that says what it was") {
  const Api api(test::answering(
      test::http_answer("403 Forbidden", "{\"error\":\"machine has an\\u0007active lease\"}")));
  const auto refusal = api.ask("suspend");
  REQUIRE(refusal);
  CHECK(refusal->message.starts_with("the Machines API answers 403: {\"error\":"));
  const Api moved(test::answering(test::http_answer("302 Found", "", "Location: /x\r\n")));
  CHECK(moved.ask("stop")->message == "the Machines API answers 302");
}

TEST_CASE("machines api: no socket, no such name, and an answer that never comes are refusals") {
  const Api silent([](ScriptedConnection& connection) { connection.hang(); });
  CHECK(silent.ask("suspend", Duration(200))->message ==
        silent.socket + ": no whole answer in time");
  const Api reset([](ScriptedConnection& connection) { connection.read_request(); });
  CHECK(reset.ask("suspend"));

  const auto nowhere =
      ask_machines_api("/no/such/socket", name, "suspend", Deadline::after(Duration(1'000)));
  REQUIRE(nowhere);
  CHECK(nowhere->message.starts_with("there is no socket /no/such/socket: this is no Fly Machine"));
  for (const MachineName& odd : {MachineName{"", "1"}, MachineName{"app", ""},
                                 MachineName{"a/../b", "1"}, MachineName{"app", "1?x"}}) {
    const auto refusal =
        ask_machines_api(silent.socket, odd, "stop", Deadline::after(Duration(1'000)));
    REQUIRE(refusal);
    CHECK(refusal->message.starts_with("FLY_APP_NAME and FLY_MACHINE_ID"));
  }
}

TEST_CASE("machines api: the interrupt ends the wait at once") {
  const Api silent([](ScriptedConnection& connection) { connection.hang(); });
  const Fd interrupt(eventfd(1, EFD_CLOEXEC));
  const test::Stopwatch watch;
  CHECK(ask_machines_api(silent.socket, name, "stop",
                         Deadline::after(Duration(20'000), interrupt.get())));
  CHECK(watch.took().own() < Duration(5'000));
}

}  // namespace
}  // namespace vitals::idle
