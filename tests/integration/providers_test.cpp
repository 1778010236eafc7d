// Provider presets against a local TLS server that answers as each of them documents.
#include "probes/providers.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/check_fixture.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals {
namespace {

using test::Authority;
using test::ScriptedConnection;
using test::ScriptedServer;

Authority& authority() {
  static Authority instance;
  return instance;
}

std::string host_of(const Preset& preset) {
  const auto rest = preset.url.substr(std::string_view("https://").size());
  return std::string(rest.substr(0, rest.find('/')));
}

/// A provider on loopback: its host's certificate, one answer to everything, and a proxy before it
/// that leads there whatever name is asked for.
struct LocalProvider {
  ScriptedServer server;
  ScriptedServer proxy;

  LocalProvider(const std::string& host, const std::string& status)
      : server(test::answering_tls(test::http_answer(
                   status, "{}", "Set-Cookie: session=1; Path=/\r\nWWW-Authenticate: Basic\r\n")),
               options(host)),
        proxy([this](ScriptedConnection& client) {
          if (client.read_request().empty()) return;
          client.send("HTTP/1.1 200 Connection established\r\n\r\n");
          client.tunnel(server.port());
        }) {}

  static ScriptedServer::Options options(const std::string& host) {
    const auto certificate = authority().issue({.name = host, .names = {"DNS:" + host}});
    ScriptedServer::Options made;
    made.certificate = certificate.certificate;
    made.key = certificate.key;
    return made;
  }

  [[nodiscard]] ConfiguredCheck check(const std::string& body) const {
    return test::make_check("kind = \"http\"\n" + body +
                                "\nproxy = \"http://127.0.0.1:" + std::to_string(proxy.port()) +
                                "\"\nca_file = \"" + authority().ca_file().string() + "\"\n",
                            // What an app has in its environment must not find its way out.
                            {{"OPENAI_API_KEY", "sk-canary"}, {"STRIPE_SECRET_KEY", "sk_canary"}});
  }
};

std::string provider(const Preset& preset) {
  return "provider = \"" + std::string(preset.name) + "\"";
}

std::vector<std::string> statuses_of(const Preset& preset) {
  std::vector<std::string> all;
  std::string_view rest = preset.expect_status;
  while (!rest.empty()) {
    all.emplace_back(rest.substr(0, rest.find(", ")));
    rest.remove_prefix(std::min(rest.size(), all.back().size() + 2));
  }
  return all;
}

std::string mistakes_of(const std::string& body) {
  try {
    test::make_check("kind = \"http\"\n" + body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

TEST_SUITE("providers") {
  TEST_CASE("providers: there are sixteen, and the choice names each") {
    CHECK(providers().size() == 16);
    std::string names;
    for (const Preset& preset : providers()) {
      CAPTURE(preset.name);
      names.append(names.empty() ? "" : "|").append(preset.name);
      CHECK(preset.url.starts_with("https://"));
      CHECK(preset.url.find('?') == std::string_view::npos);
      CHECK(preset.source.starts_with("https://"));
    }
    CHECK(names == provider_choices);
  }

  TEST_CASE("providers: every documented answer is pass, and no key or cookie is ever sent") {
    for (const Preset& preset : providers()) {
      for (const std::string& status : statuses_of(preset)) {
        CAPTURE(preset.name);
        CAPTURE(status);
        const LocalProvider local(host_of(preset), status + " As Documented");
        const auto check = local.check(provider(preset));
        // Twice: a cookie of the first answer must not come back.
        for (int i = 0; i < 2; ++i) {
          const auto result = test::ask(check, Duration(5'000));
          INFO(result.detail);
          CHECK(result.outcome == Outcome::pass);
        }
        REQUIRE(local.server.requests().size() == 2);
        for (const std::string& request : local.server.requests()) {
          CHECK(request.starts_with("GET " +
                                    std::string(preset.url.substr(preset.url.find(host_of(preset)) +
                                                                  host_of(preset).size())) +
                                    " HTTP/1.1\r\n"));
          CHECK(ScriptedConnection::header_of(request, "Host") == host_of(preset));
          for (const char* header :
               {"Authorization", "Cookie", "xi-api-key", "x-api-key", "Api-Key"}) {
            CAPTURE(header);
            CHECK(ScriptedConnection::header_of(request, header).empty());
          }
          CHECK(request.find("canary") == std::string::npos);
        }
        CHECK(ScriptedConnection::target_of(local.proxy.requests().front()) ==
              host_of(preset) + ":443");
        CHECK(check.spec->impact == Impact::degraded);
        CHECK(check.spec->scope == Scope::shared);
        CHECK(check.spec->target == "https://" + host_of(preset) + ":443");
      }
    }
  }

  TEST_CASE("providers: a server error is fail(status) for each of them") {
    for (const Preset& preset : providers()) {
      CAPTURE(preset.name);
      const LocalProvider local(host_of(preset), "503 Service Unavailable");
      const auto result = test::ask(local.check(provider(preset)), Duration(5'000));
      CHECK(result.outcome == Outcome::fail);
      CHECK(result.reason == Reason::status);
    }
  }

  TEST_CASE("providers: the check's own url and statuses win, each by itself") {
    const LocalProvider local("project.supabase.co", "404 Not Found");
    const std::string own = "provider = \"supabase\"\nurl = \"https://project.supabase.co/rest\"\n";
    CHECK(test::ask(local.check(own), Duration(5'000)).reason == Reason::status);
    CHECK(test::ask(local.check(own + "expect_status = [404]"), Duration(5'000)).outcome ==
          Outcome::pass);
    CHECK(local.server.requests().back().starts_with("GET /rest HTTP/1.1"));
    const LocalProvider openai("api.openai.com", "418 Teapot");
    CHECK(test::ask(openai.check("provider = \"openai\"\nexpect_status = [418]"), Duration(5'000))
              .outcome == Outcome::pass);
  }

  TEST_CASE("providers: one that is not known is one mistake, which names those that are") {
    const auto mistakes = mistakes_of("provider = \"opnai\"");
    CAPTURE(mistakes);
    CHECK(mistakes.find("'provider'") != std::string::npos);
    CHECK(mistakes.find("\"anthropic\" or \"github\", not \"opnai\"") != std::string::npos);
    CHECK(mistakes.find("url") == std::string::npos);
    CHECK(mistakes_of("").find("missing key 'url'") != std::string::npos);
  }
}

}  // namespace
}  // namespace vitals
