// The command line of the static binary: exit codes, messages, what goes to which stream.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/agent.hpp"
#include "tests/support/app.hpp"
#include "tests/support/scripted_server.hpp"

namespace vitals::test {
namespace {

bool says(const Finished& finished, const std::string& text) {
  return finished.output.find(text) != std::string::npos;
}

std::string tcp_check(std::uint16_t port, const std::string& more = "") {
  return "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" + std::to_string(port) + "\"\n" +
         more;
}

TEST_CASE("cli: bare vitals and unknown words print usage and exit 3") {
  CHECK(vitals({}).code == 3);
  CHECK(says(vitals({}), "vitals serve"));
  CHECK(vitals({"--help"}).code == 0);
  const Finished unknown = vitals({"serv"});
  CHECK(unknown.code == 3);
  CHECK(says(unknown, "unknown command 'serv'; did you mean 'serve'?"));
  CHECK(vitals({"check", "--wait"}).code == 3);
  CHECK(vitals({"check", "--wait", "60"}).code == 3);
  CHECK(vitals({"check", "--format", "xml"}).code == 3);
  CHECK(says(vitals({"check", "--formatt", "json"}), "did you mean '--format'?"));
}

TEST_CASE("cli: version and kinds say what is inside") {
  const Finished version = vitals({"version"});
  CHECK(version.code == 0);
  for (const char* library : {"openssl", "libpq", "curl", "hiredis", "prometheus-cpp"}) {
    CAPTURE(library);
    CHECK(says(version, library));
  }
  const Finished kinds = vitals({"kinds"});
  CHECK(kinds.code == 0);
  for (const char* word :
       {"http:", "tcp:", "postgres:", "redis:", "fresh_every", "max_body", "64KiB"}) {
    CAPTURE(word);
    CHECK(says(kinds, word));
  }
  CHECK(nlohmann::json::accept(vitals({"kinds", "--format", "json"}).output));
}

/// `vitals words…` with a stdout that takes nothing.
Finished into_full_disk(const std::string& words, const std::string& config) {
  TempDir folder;
  folder.write("vitals.toml", config);
  folder.write("fly.toml", "app = \"x\"\n");
  Command command{{"/bin/sh", "-c", "\"$0\" " + words + " > /dev/full", vitals_binary()}};
  command.directory = folder.path();
  return run(std::move(command));
}

TEST_CASE("cli: output that can't be written is an error, and exit 1") {
  const Agent agent(tcp_check(free_port()));
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  const std::string config = tcp_check(agent.port());
  for (const std::string& words :
       {std::string("--help"), std::string("version"), std::string("kinds"),
        std::string("kinds --format json"), std::string("validate"),
        std::string("validate --print"), std::string("check"), std::string("check --format json"),
        std::string("lint fly.toml"), "explain app " + url}) {
    CAPTURE(words);
    const Finished finished = into_full_disk(words, config);
    CHECK(finished.code == 1);
    CHECK(says(finished, "cannot write the output: "));
  }
  // A verdict is worth more than how it was told.
  CHECK(into_full_disk("status --format json " + url, config).code == 2);
  CHECK(into_full_disk("status --watch " + url, config).code == 2);
  CHECK(into_full_disk("check", tcp_check(free_port())).code == 2);
}

TEST_CASE("cli: a reader that has gone away is no error to speak of") {
  TempDir folder;
  folder.write("vitals.toml", tcp_check(free_port()));
  const std::string closed =
      "pipe(my $r, my $w); close($r); open(STDOUT, '>&', $w); close($w); exec(@ARGV)";
  for (const char* word : {"kinds", "validate", "check"}) {
    CAPTURE(word);
    Command command{perl(closed, {vitals_binary(), word})};
    command.directory = folder.path();
    const Finished finished = run(std::move(command));
    CHECK(finished.output == "");
    // By SIGPIPE, or by the verdict where that is ignored.
    CHECK(finished.code == (std::string(word) == "check" ? 2 : 128 + SIGPIPE));
  }
}

TEST_CASE("cli: who is refused without having sent a token hears that it stays home") {
  const ScriptedServer elsewhere(answering(http_answer("403 Forbidden", "control is not for you")));
  const std::string url = elsewhere.url("");
  const std::string why = "no token was sent";
  for (const std::vector<std::string>& words : {std::vector<std::string>{"drain", url},
                                                {"undrain", url},
                                                {"heartbeat", "a", url},
                                                {"mute", "a", url},
                                                {"unmute", "a", url}}) {
    CAPTURE(words[0]);
    const Finished refused = vitals(words);
    CHECK(refused.code == 2);
    CHECK(says(refused, "HTTP 403 control is not for you; " + why));
    CHECK(says(refused, "run the command on that Machine"));
  }
  CHECK_FALSE(says(vitals({"drain", url}, {{"VITALS_TOKEN", "wrong"}}), why));
  CHECK(says(vitals({"--help"}), "An agent of another host answers 403"));
}

TEST_CASE("validate: 0 for a good config, 3 with every mistake for a bad one") {
  const TempDir folder;
  const auto good = folder.write("good.toml", tcp_check(1));
  CHECK(vitals({"validate", "--config", good}).code == 0);
  const auto bad =
      folder.write("bad.toml",
                   "[checks.db]\nkind = \"tcp\"\naddress = \"127.0.0.1:1\"\nintervall = \"1s\"\n"
                   "[checks.other]\nkind = \"tpc\"\n");
  const Finished finished = vitals({"validate", "--config", bad});
  CHECK(finished.code == 3);
  CHECK(says(finished, ":4:1: checks.db: unknown key 'intervall'; did you mean 'interval'?"));
  CHECK(says(finished, "tpc"));
  const Finished missing = vitals({"validate", "--config", folder.path() / "nothing.toml"});
  CHECK(missing.code == 3);
  CHECK(says(missing, "nothing.toml"));
}

TEST_CASE("serve: a bad config starts nothing, exit 3") {
  const TempDir folder;
  const auto bad = folder.write("bad.toml", "[checks.db]\nkind = \"nosuch\"\n");
  const Finished finished = vitals({"serve", "--config", bad});
  CHECK(finished.code == 3);
  CHECK(says(finished, "nosuch"));
}

TEST_CASE("serve: a port in use says which, exit 1") {
  const Agent agent("");
  const TempDir folder;
  const std::string address = "127.0.0.1:" + std::to_string(agent.port());
  const auto config = folder.write("v.toml", "[server]\nlisten = \"" + address + "\"\n");
  const Finished finished = vitals({"serve", "--config", config});
  CHECK(finished.code == 1);
  CHECK(says(finished, address));
  CHECK(says(finished, "in use"));
}

TEST_CASE("serve: with nothing to check it still serves and says so") {
  Agent agent("");
  CHECK(agent.get("/health").status == 200);
  CHECK(agent.get("/health").body.find("nothing to check") != std::string::npos);
  CHECK(agent.get("/health/ready").status == 200);
  CHECK(eventually(
      [&] { return agent.process().output().find("nothing to check") != std::string::npos; }));
  CHECK(agent.process().stop(SIGTERM) == 0);
}

TEST_CASE("check: the verdict is the exit code, and --fail-on warn makes a warn 1") {
  ScriptedServer up(answering(http_answer("200 OK", "ok")));
  const TempDir folder;
  const auto good = folder.write("good.toml", tcp_check(up.port()));
  CHECK(vitals({"check", "--config", good}).code == 0);
  const auto bad = folder.write("bad.toml", tcp_check(free_port()));
  const Finished failed = vitals({"check", "--config", bad});
  CHECK(failed.code == 2);
  CHECK(says(failed, "refused"));
  const auto warn = folder.write("warn.toml", tcp_check(free_port(), "impact = \"degraded\"\n"));
  CHECK(vitals({"check", "--config", warn}).code == 0);
  CHECK(vitals({"check", "--config", warn, "--fail-on", "warn"}).code == 1);
  const Finished json = vitals({"check", "--config", bad, "--format", "json"});
  CHECK(json.code == 2);
  CHECK(nlohmann::json::parse(json.output)["status"] == "fail");
}

TEST_CASE("check: names choose, an unknown name is exit 3") {
  ScriptedServer up(answering(http_answer("200 OK", "ok")));
  const TempDir folder;
  const auto both = folder.write(
      "both.toml", tcp_check(up.port()) + "[checks.bad]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                       std::to_string(free_port()) + "\"\n");
  CHECK(vitals({"check", "--config", both}).code == 2);
  CHECK(vitals({"check", "--config", both, "app"}).code == 0);
  const Finished unknown = vitals({"check", "--config", both, "ap"});
  CHECK(unknown.code == 3);
  CHECK(says(unknown, "did you mean 'app'?"));
  const Finished both_unknown = vitals({"check", "--config", both, "nope", "bda", "app"});
  CHECK(both_unknown.code == 3);
  CHECK(says(both_unknown, "no check 'nope'"));
  CHECK(says(both_unknown, "no check 'bda' in " + both.string() + "; did you mean 'bad'?"));
}

TEST_CASE("check: a member asked for without its group counts for what the group does") {
  ScriptedServer up(answering(http_answer("200 OK", "ok")));
  const TempDir folder;
  const auto config_with = [&](const std::string& impact) {
    return folder
        .write(impact + ".toml", tcp_check(up.port()) + "[checks.bad]\nkind = \"tcp\"\naddress = " +
                                     "\"127.0.0.1:" + std::to_string(free_port()) +
                                     "\"\n[groups.g]\nmembers = [\"app\", \"bad\"]\nneed = 1\n" +
                                     "impact = \"" + impact + "\"\n")
        .string();
  };
  const auto critical = config_with("critical");
  CHECK(vitals({"check", "--config", critical}).code == 0);
  CHECK(vitals({"check", "--config", critical, "g"}).code == 0);
  CHECK(vitals({"check", "--config", critical, "g", "bad"}).code == 0);
  CHECK(vitals({"check", "--config", critical, "app"}).code == 0);
  CHECK(vitals({"check", "--config", critical, "bad"}).code == 2);
  CHECK(vitals({"check", "--config", critical, "bad", "--wait", "1s"}).code == 2);
  const auto degraded = config_with("degraded");
  CHECK(vitals({"check", "--config", degraded, "bad", "--fail-on", "warn"}).code == 1);
}

TEST_CASE("check --wait: returns as soon as the verdict is good, and with 2 when the time is up") {
  const std::uint16_t port = free_port();
  const TempDir folder;
  const auto config =
      folder.write("v.toml", tcp_check(port, "interval = \"500ms\"\ntimeout = \"400ms\"\n"));
  CHECK(vitals({"check", "--config", config, "--wait", "1s"}).code == 2);
  Process waiting({{vitals_binary(), "check", "--config", config.string(), "--wait", "60s"}});
  CHECK_FALSE(waiting.wait(std::chrono::milliseconds(700)).has_value());
  const Process up({{"redis-server", "--port", std::to_string(port), "--save", ""}});
  CHECK(waiting.wait(std::chrono::seconds(60)) == 0);
}

TEST_CASE("check --wait: more than a day is a mistake") {
  const Finished asked = vitals({"check", "--wait", "25h"});
  CHECK(asked.code == 3);
  CHECK(says(asked, "--wait: at most 24h"));
}

TEST_CASE(
    "serve and validate: a listen address that needs a name server is a mistake with its place") {
  const TempDir folder;
  const auto config = folder.write("v.toml", "[server]\nlisten = \"my-host:9100\"\n").string();
  for (const char* command : {"serve", "validate"}) {
    const Finished refused = vitals({command, "--config", config});
    CHECK(refused.code == 3);
    CHECK(says(refused, "v.toml:2:1: server: 'listen' must be an address and a port"));
  }
}

TEST_CASE("status, drain, undrain: talk to the running agent, 2 when none answers") {
  const Agent agent("");
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  const std::string config = agent.config_file();
  CHECK(vitals({"status", url}).code == 0);
  CHECK(vitals({"status", "HTTP" + url.substr(4)}).code == 0);
  CHECK(vitals({"status", "--config", config}).code == 0);
  CHECK(vitals({"drain", "--config", config}).code == 0);
  CHECK(agent.get("/health").status == 503);
  CHECK(agent.get("/health/ready").status == 503);
  CHECK(agent.get("/health/live").status == 200);
  const Finished drained = vitals({"status", url});
  CHECK(drained.code == 2);
  CHECK(says(drained, "draining"));
  CHECK(vitals({"undrain", url}).code == 0);
  CHECK(agent.get("/health").status == 200);
  const Finished nobody = vitals({"status", "http://127.0.0.1:" + std::to_string(free_port())});
  CHECK(nobody.code == 2);
  CHECK(says(nobody, "no agent answers"));
  for (const char* wrong : {"", "ftp://127.0.0.1", "http://", "https:///health"}) {
    CAPTURE(wrong);
    const Finished refused = vitals({"status", wrong});
    CHECK(refused.code == 3);
    CHECK(says(refused, "must be http:// or https://"));
  }
  CHECK_FALSE(says(nobody, "***"));
}

TEST_CASE("status, drain: a config that was found and is bad is exit 3, with a way out") {
  const TempDir folder;
  folder.write("vitals.toml", "[checks.app\n");
  const Agent agent("");
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  const auto inside = [&](std::vector<std::string> words) {
    words.insert(words.begin(), vitals_binary());
    return run({.argv = std::move(words), .directory = folder.path()}, std::chrono::seconds(30));
  };
  for (const char* command : {"status", "drain", "undrain"}) {
    CAPTURE(command);
    const Finished refused = inside({command});
    CHECK(refused.code == 3);
    CHECK(says(refused, "vitals.toml:1:"));
    CHECK(says(refused, "give its URL"));
    CHECK(inside({command, url}).code == 0);
  }
}

TEST_CASE(
    "heartbeat, status: whoever has not the variables of the checks finds the agent all the same") {
  const TempDir folder;
  const auto port = free_port();
  const std::string listen = "127.0.0.1:" + std::to_string(port);
  folder.write("vitals.toml", "[server]\nlisten = \"" + listen +
                                  "\"\ntoken = \"${CLI_TEST_TOKEN}\"\n[checks.backup]\nkind = " +
                                  "\"heartbeat\"\nevery = \"1h\"\n[checks.db]\nkind = \"tcp\"\n" +
                                  "address = \"${CLI_TEST_ADDRESS}\"\nimpact = \"info\"\n");
  const Process agent(
      {.argv = {vitals_binary(), "serve"},
       .environment = {{"CLI_TEST_TOKEN", "canary-of-the-test"}, {"CLI_TEST_ADDRESS", listen}},
       .directory = folder.path()});
  REQUIRE(eventually([&] { return http(port, "/health/live").status == 200; }));
  const auto from_cron = [&](std::vector<std::string> words) {
    words.insert(words.begin(), vitals_binary());
    return run({.argv = std::move(words), .clean_environment = true, .directory = folder.path()},
               std::chrono::seconds(30));
  };
  const auto posted = from_cron({"heartbeat", "backup"});
  CHECK_MESSAGE(posted.code == 0, posted.output);
  CHECK(http(port, "/health/check/backup").status == 200);
  CHECK(from_cron({"status"}).code == 0);
  CHECK(from_cron({"status", "--config", (folder.path() / "vitals.toml").string()}).code == 3);
}

TEST_CASE("environment: PORT, DATABASE_URL and REDIS_URL make checks, the REST URL is refused") {
  const TempDir folder;
  const std::string port = std::to_string(free_port());
  Command command{{vitals_binary(), "validate"},
                  {{"PORT", port},
                   {"DATABASE_URL", "postgres://u:p@127.0.0.1/x"},
                   {"REDIS_URL", "redis://127.0.0.1"}},
                  true,
                  folder.path()};
  const Finished good = run(command);
  CHECK(good.code == 0);
  for (const char* name : {"app: tcp", "postgres: postgres", "redis: redis"}) {
    CAPTURE(name);
    CHECK(says(good, name));
  }
  command.environment = {{"REDIS_URL", "https://eu1-x.upstash.io"}};
  const Finished refused = run(command);
  CHECK(refused.code == 3);
  CHECK(says(refused, "REST"));
  CHECK(says(refused, "rediss://"));
}

}  // namespace
}  // namespace vitals::test
