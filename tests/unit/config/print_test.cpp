// The effective configuration as people see it: complete, valid, and without a single secret.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>

#include "tests/support/fake_kinds.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

using test::load_text;
using test::Variables;

std::string printed(const std::string& text, const Variables& variables = {}) {
  const auto loaded = load_text(text, variables);
  if (!loaded) FAIL(test::mistakes_of(text, variables));
  return config::print(loaded.value());
}

const char* const everything = R"(
[server]
listen = "127.0.0.1:9100"
token = "${TOKEN}"
details = "token"
compat = ["redis_exporter", "blackbox"]
[ready]
shared = "report"
[log]
level = "debug"
format = "json"
[defaults]
interval = "20s"
fall = 4
[checks.app]
kind = "http"
url = "http://user:canary-in-url@127.0.0.1:${PORT}/health?key=canary-in-query#canary-in-fragment"
bearer = "canary-bearer"
headers = { X-Key = "canary-header", "X Odd" = "canary-odd" }
expect_json = { "/status" = "ok \"quoted\" \\ \n\u0001" }
expect_status = [200, "300-399"]
method = "canary-bearer"
cert_warn = "1d"
parent = "db"
labels = { team = "co\"re" }
warn_above = "1500ms"
[checks.db]
kind = "postgres"
url = "postgres://app:canary-db@db:5432/app?sslmode=require"
password = "canary-password"
connections_warn = 0.75
[checks.kv]
kind = "postgres"
url = "host=db user=app password='canary keyword'"
[checks.port]
kind = "tcp"
address = "127.0.0.1:1"
)";
const Variables everything_set{{"TOKEN", "canary-token"}, {"PORT", "8080"}};

TEST_CASE("print: everything in force, secrets as ***") {
  CHECK(test::golden_difference("print_config.toml", printed(everything, everything_set)) == "");
}

TEST_CASE("print: no secret of any place is in it") {
  const test::TempDir dir;
  const auto in_file = [&](const std::string& name) {
    return "{ file = \"" + dir.write(name, "http://u:canary-" + name + "@h/?k=canary-2").string() +
           "\" }";
  };
  const auto text =
      printed("[server]\ntoken = " + in_file("token") +
              "\n[checks.a]\nkind = \"http\"\nurl = " + in_file("url") +
              "\nbearer = " + in_file("bearer") + "\nheaders = { A = " + in_file("header") +
              " }\n[checks.b]\nkind = \"redis\"\nurl = \"redis://h\"\npassword = " +
              in_file("password") + "\n") +
      printed(everything, everything_set) + printed("", {{"VITALS_TOKEN", "canary-variable"}});
  CHECK(text.find("canary") == std::string::npos);
  CHECK(text.find("url = \"***\"") != std::string::npos);
  CHECK(text.find("bearer = \"***\"") != std::string::npos);
  CHECK(text.find("headers = { A = \"***\" }") != std::string::npos);
  CHECK(text.find("password = \"***\"") != std::string::npos);
  CHECK(text.find("token = \"***\"") != std::string::npos);
}

TEST_CASE(
    "print: connection strings and users that are tokens show no secret, wherever they come from") {
  for (const char* url :
       {"host=h password=canary", "host=h PASSWORD=canary", "host=h pwd=canary",
        "host=h options=-capp.k=canary", "host=h password='it\\'s canary'",
        "host=h options='-c app.k=canary' user=u", "host=h password=a://canary@b"}) {
    CAPTURE(url);
    std::string written;
    for (const char* c = url; *c != '\0'; ++c) written += *c == '\\' ? "\\\\" : std::string(1, *c);
    for (const std::string& text :
         {printed("[checks.a]\nkind = \"postgres\"\nurl = \"" + written + "\"\n"),
          config::print(load_text(std::nullopt, {{"DATABASE_URL", url}}).value())}) {
      CHECK(text.find("canary") == std::string::npos);
      CHECK(text.find("url = \"host=h ") != std::string::npos);
    }
  }
  const auto text = printed(
      "[checks.a]\nkind = \"http\"\nurl = \"http://canary@h/\"\n"
      "[checks.b]\nkind = \"http\"\nurl = \"https://canary:@h/\"\n"
      "[app]\nmetrics = \"http://canary@h/\"\n");
  CHECK(text.find("canary") == std::string::npos);
  CHECK(text.find("url = \"http://***@h/\"") != std::string::npos);
  CHECK(text.find("url = \"https://***:@h/\"") != std::string::npos);
}

TEST_CASE("print: what is printed loads again, and prints the same") {
  const auto once = printed(everything, everything_set);
  CHECK(test::mistakes_of(once) == "");
  CHECK(printed(once) == once);
}

TEST_CASE("print: checks of the environment are shown, too") {
  const auto loaded =
      load_text(std::nullopt, {{"REDIS_URL", "redis://:canary@cache:6379"}, {"PORT", "80"}});
  REQUIRE(loaded.ok());
  const auto text = config::print(loaded.value());
  CHECK(text.find("[checks.redis]\nkind = \"redis\"\ninterval = \"15s\"") != std::string::npos);
  CHECK(text.find("url = \"redis://:***@cache:6379\"") != std::string::npos);
  CHECK(text.find("[checks.app]") != std::string::npos);
}

TEST_CASE("print: a dollar in a value survives being read again") {
  const auto once =
      printed("[checks.a]\nkind = \"tcp\"\naddress = \"h:1\"\nsend = \"$$5 $${X} $\"\n");
  const auto again = load_text(once);
  REQUIRE(again.ok());
  CHECK(test::settings_of(again.value().config, "a").find("send=$5 ${X} $\n") != std::string::npos);
}

TEST_CASE("mistakes: no secret of a broken config is in them") {
  const test::TempDir dir;
  const auto file = dir.write("url", "u:canary-file@h").string();
  std::string all;
  for (const auto& text : {
           std::string("[server]\ntoken = \"canary \"\n"),
           std::string("[server]\ntoken = canary\n"),
           std::string("[server]\ntoken = [\"canary\"]\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"u:canary@h\"\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"u:canary/with@two@h\"\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"${U}\"\n"),
           "[checks.a]\nkind = \"http\"\nurl = { file = \"" + file + "\" }\n",
           std::string("[checks.a]\nkind = \"http\"\nurl = { file = \"/nowhere\", password = "
                       "\"canary\" }\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"h\"\nbearer = [\"canary\"]\nheaders = "
                       "\"A: canary\"\n"),
           std::string(
               "[checks.a]\nkind = \"http\"\nurl = \"h\"\nheaders = { A = [\"canary\"] }\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"h\"\nbearer = \"${U\"\n"),
           std::string("[checks.a]\nkind = \"redis\"\nurl = \"https://u:canary@h\"\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = [\"http://canary@h/\"]\n"),
           std::string("[checks.a]\nkind = \"host=h pwd=canary\"\n"),
           std::string("[checks.a]\nkind = \"tcp\"\naddress = \"h:1\"\ninterval = \"host=h "
                       "pwd=canary\"\n"),
           std::string("[checks.a]\nkind = \"http\"\ninterval = \"${U}\"\nimpact = \"${U}\"\nurl = "
                       "\"x://h\"\n"),
           std::string("[checks.a]\nkind = \"http\"\nurl = \"x://h\"\nparent = \"${U}\"\n"),
       }) {
    const auto mistakes = test::mistakes_of(text, {{"U", "u:canary@h"}});
    CAPTURE(text);
    CHECK(mistakes != "");
    all += mistakes;
  }
  CAPTURE(all);
  CHECK(all.find("canary") == std::string::npos);
}

}  // namespace
}  // namespace vitals
