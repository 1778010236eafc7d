// What a bad configuration is told: everything at once, and nothing that somebody keeps secret.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/config/loader.hpp"
#include "probes/registry.hpp"
#include "tests/support/config_mistakes.hpp"
#include "tests/support/fake_kinds.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

using test::Variables;

/// The mistakes of `text` with the kinds that we ship, one a line.
std::string mistakes_of(const std::string& text, const Variables& variables = {}) {
  config::LoadInput input;
  input.name = "v";
  input.text = text;
  input.environment = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  input.kinds = all_kinds();
  return test::mistakes_of(input);
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Every way to write a string down as a value.
std::vector<std::string> forms_of(const std::string& text) {
  const std::string quoted = "\"" + text + "\"";
  return {quoted,
          "[" + quoted + "]",
          "[" + quoted + ", " + quoted + "]",
          "{ file = " + quoted + " }",
          "{ a = " + quoted + " }",
          "{ a = { file = " + quoted + " } }"};
}

/// Each table of the document with the beginning of it, and the keys that it knows.
struct Place {
  std::string table;
  std::vector<std::string_view> keys;
};

std::vector<Place> all_places() {
  std::vector<Place> places{
      {"[server]", {"listen", "token", "details", "compat"}},
      {"[ready]", {"shared"}},
      {"[log]", {"level", "format"}},
      {"[defaults]", config::timing_keys()},
      {"[groups.g]", {"members", "need", "impact", "scope", "startup"}},
      {"[fleet]", {"port", "sample", "peers"}},
      {"[autostop]", {"idle_after", "action", "min_uptime", "even_if_unhealthy", "api_socket"}},
      {"[app]",
       {"drain_delay", "stop_timeout", "restart", "watchdog", "watchdog_after", "metrics", "front",
        "upstream"}}};
  for (const KindSpec* kind : all_kinds()) {
    Place place{"[checks.a]\nkind = \"" + std::string(kind->name) + "\"", {}};
    for (const auto& setting : kind->settings) place.keys.push_back(setting.name);
    for (const auto& setting : config::common_settings()) {
      if (setting.name != "kind" && setting.name != "labels") place.keys.push_back(setting.name);
    }
    places.push_back(std::move(place));
  }
  places.push_back({"[checks.a]", {"kind"}});
  return places;
}

TEST_CASE("mistakes: no key of any table shows what a variable held, nor a password of a URL") {
  int refused = 0;
  for (const std::string secret :
       {"postgres://u:canarypw@h/d", "https://u:canarypw@h/?api_key=canarypw",
        "https://u:pa/canarypw@h/x", "host=h password=canarypw", "sk-canarypw-1"}) {
    for (const Place& place : all_places()) {
      for (const auto key : place.keys) {
        const auto told = [&](const std::string& form) {
          const std::string text = place.table + "\n" + std::string(key) + " = " + form + "\n";
          const auto mistakes = mistakes_of(text, {{"D", secret}});
          CAPTURE(text);
          CHECK(!holds(mistakes, "canarypw"));
          if (!mistakes.empty()) ++refused;
        };
        for (const auto& form : forms_of("${D}")) told(form);
        if (!holds(secret, "canarypw@")) continue;
        for (const auto& form : forms_of(secret)) told(form);
      }
    }
  }
  CHECK(refused > 1'000);
}

TEST_CASE("mistakes: a file that can't be read is named only where it can't be the secret itself") {
  const auto of = [](const std::string& file) {
    return mistakes_of("[server]\ntoken = { file = \"" + file + "\" }\n", {{"D", "canary"}});
  };
  const std::string start = "v:2:1: server: 'token' is kept in a file: cannot read ";
  const std::string end = ": No such file or directory\n";
  CHECK(of("/nowhere/token") == start + "/nowhere/token" + end);
  CHECK(of("./nowhere/token") == start + "./nowhere/token" + end);
  CHECK(of("${D}/token") == start + "${D}/token" + end);
  CHECK(of("sk-literally-the-token") == start + "***" + end);
}

TEST_CASE("mistakes: defaults that fit together are none, whatever a kind's own interval is") {
  CHECK(mistakes_of("[defaults]\ntimeout = \"12s\"\nretry_interval = \"11s\"\n") == "");
  CHECK(mistakes_of("[defaults]\ninterval = \"1s\"\nretry_interval = \"1s\"\n") == "");
  CHECK(mistakes_of("[defaults]\ninterval = \"${I}\"\ntimeout = \"2s\"\n", {{"I", "1s"}}) != "");
}

TEST_CASE("mistakes: what may be meant as it stands is none") {
  const std::string http = "[checks.a]\nkind = \"http\"\nurl = \"http://127.0.0.1:1/\"\n";
  for (const std::string line :
       {"ip = 4", "ip = \"4\"", "expect_status = 200", "expect_status = \"200\"",
        "expect_status = [200, \"300-399\"]", "min_tls = \"1.3\"", "parent = \"${EMPTY}\"",
        "parent = \"${UNSET:-}\"", "bearer = \"a b\"", "basic = \"user:\""}) {
    CAPTURE(line);
    CHECK(mistakes_of(http + line + "\n", {{"EMPTY", ""}}) == "");
  }
  CHECK(mistakes_of("[checks.a]\nkind = \"dns\"\nname = \"0/25.2.0.192.in-addr.arpa\"\n") == "");
}

TEST_CASE("mistakes: a bearer in a file that is there is looked at like a written one") {
  const test::TempDir dir;
  const auto bearer = [&](const std::string& content) {
    return mistakes_of("[checks.a]\nkind = \"http\"\nurl = \"http://h/\"\nbearer = { file = \"" +
                       dir.write("bearer", content).string() + "\" }\n");
  };
  CHECK(bearer("canary\n") == "");
  const auto mistakes = bearer("canary\r\nX-Evil: 1\n");
  CHECK(holds(mistakes, "v:4:1: checks.a: 'bearer': has a line break in it"));
  CHECK(!holds(mistakes, "canary"));
}

}  // namespace
}  // namespace vitals
