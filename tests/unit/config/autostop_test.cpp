// [autostop] and pause_when_idle: defaults, where the app's port comes from, and what is remarked.
#include <doctest/doctest.h>

#include <algorithm>

#include "agent/config/autostop_reader.hpp"
#include "tests/support/fake_kinds.hpp"

namespace vitals {
namespace {

using test::load_text;
using test::mistakes_of;
using test::Variables;

const std::string check = "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:7070\"\n";

AutostopConfig autostop_of(const std::string& text, const Variables& variables = {}) {
  auto loaded = load_text(text, variables);
  if (!loaded) FAIL(mistakes_of(text, variables));
  return loaded.value().config.autostop;
}

std::vector<std::string> remarks_of(const std::string& text) {
  auto loaded = load_text(text);
  if (!loaded) FAIL(mistakes_of(text));
  return loaded.value().config.remarks;
}

TEST_CASE("autostop: without the table nothing is watched; an empty one reports after 5 minutes") {
  CHECK_FALSE(autostop_of(check).given);
  const auto defaults = autostop_of("[autostop]\n" + check);
  CHECK(defaults.given);
  CHECK(defaults.idle_after == std::chrono::minutes(5));
  CHECK(defaults.min_uptime == std::chrono::minutes(2));
  CHECK(defaults.action == AutostopAction::report);
  CHECK_FALSE(defaults.even_if_unhealthy);
  CHECK(defaults.api_socket == "/.fly/api");
}

TEST_CASE("autostop: every key is read") {
  const auto all = autostop_of(
      "[autostop]\nidle_after = \"90s\"\naction = \"suspend\"\nmin_uptime = \"0s\"\n"
      "even_if_unhealthy = true\napi_socket = \"/run/api\"\nport = 81\n");
  CHECK(all.idle_after == std::chrono::seconds(90));
  CHECK(all.action == AutostopAction::suspend);
  CHECK(all.min_uptime == Duration(0));
  CHECK(all.even_if_unhealthy);
  CHECK(all.api_socket == "/run/api");
  CHECK(all.port == 81);
  for (const auto& [word, action] :
       {std::pair("report", AutostopAction::report), std::pair("exit", AutostopAction::exit),
        std::pair("stop", AutostopAction::stop)}) {
    const std::string text = "[autostop]\nport = 1\naction = \"" + std::string(word) + "\"\n";
    CHECK(autostop_of(text).action == action);
    CHECK(config::action_word(action) == word);
  }
}

TEST_CASE("autostop: the app's port is what is written, else upstream, PORT, the check named app") {
  const std::string front = "[app]\nfront = \"[::]:8080\"\nupstream = \"localhost:9090\"\n";
  const Variables variables{{"PORT", "6060"}};
  CHECK(autostop_of("[autostop]\nport = 5050\n" + front + check, variables).port == 5050);
  CHECK(autostop_of("[autostop]\nport = 0\n" + front + check, variables).port == 0);
  CHECK(autostop_of("[autostop]\n" + front + check, variables).port == 9090);
  CHECK(autostop_of("[autostop]\n" + check, variables).port == 6060);
  CHECK(autostop_of("[autostop]\n" + check, {{"PORT", "none"}}).port == 7070);
  CHECK(autostop_of("[autostop]\n" + check).port == 7070);
}

TEST_CASE("autostop: where no port is known, the mistake says what to write") {
  const auto mistake = mistakes_of(
      "[autostop]\n[checks.web]\nkind = \"tcp\"\n"
      "address = \"127.0.0.1:7070\"\n");
  CHECK(mistake.starts_with("vitals.toml:1:2: autostop: missing key 'port': "));
  CHECK(mistake.find("write port = 8080, set PORT, or let [checks.app] ask it there") !=
        std::string::npos);
}

TEST_CASE("autostop: a check through the front door is remarked, one of the app itself is not") {
  const std::string front =
      "[autostop]\n[app]\nfront = \"[::]:8080\"\nupstream = \"localhost:9090\"\n";
  const auto asks = [&](const std::string& url) {
    return front + "[checks.web]\nkind = \"http\"\nurl = \"" + url + "\"\n";
  };
  const auto remarks = remarks_of(asks("http://127.0.0.1:8080/healthz"));
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0].starts_with("autostop: check 'web' asks the app through the front door"));
  CHECK(remarks[0].ends_with("ask localhost:9090 instead"));
  CHECK(remarks_of(asks("http://127.0.0.1:9090/healthz")).empty());
  CHECK(remarks_of(asks("http://example.com:8080/")).empty());
}

TEST_CASE("pause_when_idle: is part of the check, and remarked where nothing is watched") {
  const std::string pauses = check + "pause_when_idle = true\n";
  const auto with = load_text("[autostop]\n" + pauses);
  REQUIRE(with);
  CHECK(with.value().config.checks[0].spec->pause_when_idle);
  CHECK(with.value().config.remarks.empty());
  const auto without = load_text("[autostop]\n" + check);
  CHECK_FALSE(without.value().config.checks[0].spec->pause_when_idle);
  CHECK(without.value().config.checks[0].spec->fingerprint !=
        with.value().config.checks[0].spec->fingerprint);
  const auto remarks = remarks_of(pauses);
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0] == "checks.app: 'pause_when_idle' does nothing without [autostop]");
}

TEST_CASE("autostop: --print shows what is in force") {
  const auto printed = config::print(
      load_text("[autostop]\naction = \"exit\"\n" + check + "pause_when_idle = true\n").value());
  CHECK(printed.find("[autostop]\nidle_after = \"5m\"\naction = \"exit\"\nmin_uptime = \"2m\"\n"
                     "even_if_unhealthy = false\napi_socket = \"/.fly/api\"\nport = 7070\n") !=
        std::string::npos);
  CHECK(printed.find("pause_when_idle = true") != std::string::npos);
  CHECK(config::print(load_text(check).value()).find("autostop") == std::string::npos);
}

}  // namespace
}  // namespace vitals
