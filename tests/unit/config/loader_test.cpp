// The way from TOML and variables to a Config: defaults, overrides, references, secrets.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/fake_kinds.hpp"
#include "tests/support/process.hpp"

namespace vitals {
namespace {

using test::load_text;
using test::mistakes_of;
using test::settings_of;
using test::Variables;

Config loaded(const std::string& text, const Variables& variables = {}) {
  auto result = load_text(text, variables);
  if (!result) FAIL(mistakes_of(text, variables));
  return std::move(std::move(result).value().config);
}

const CheckSpec& spec_of(const Config& config, std::string_view name) {
  for (const auto& check : config.checks) {
    if (check.spec->name == name) return *check.spec;
  }
  FAIL("no such check");
  return *config.checks.front().spec;
}

std::string tcp(const std::string& name, const std::string& more = "") {
  return "[checks." + name + "]\nkind = \"tcp\"\naddress = \"127.0.0.1:80\"\n" + more + "\n";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("config: an empty file is a config with nothing to check and all defaults") {
  const auto config = loaded("");
  CHECK(config.source == "vitals.toml");
  CHECK(config.checks.empty());
  CHECK(config.server.listen == "[::]:9100");
  CHECK(config.server.token.read().value() == "");
  CHECK(config.server.details == Details::private_);
  CHECK(config.server.compat.empty());
  CHECK(config.shared_rule == SharedRule::fleet);
  CHECK(config.log.level == LogLevel::info);
  CHECK(config.log.format == LogFormat::logfmt);
}

TEST_CASE("config: server, ready and log are read") {
  const auto config = loaded(
      "[server]\nlisten = \"127.0.0.1:0\"\ntoken = \"${T}\"\ndetails = \"never\"\n"
      "compat = [\"blackbox\", \"postgres_exporter\"]\n[ready]\nshared = \"gate\"\n"
      "[log]\nlevel = \"warn\"\nformat = \"json\"\n",
      {{"T", "tok-en"}});
  CHECK(config.server.listen == "127.0.0.1:0");
  CHECK(config.server.token.read().value() == "tok-en");
  CHECK(config.server.details == Details::never);
  CHECK(config.server.compat == std::set{Exporter::blackbox, Exporter::postgres_exporter});
  CHECK(config.shared_rule == SharedRule::gate);
  CHECK(config.log.level == LogLevel::warn);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.secrets->scrub("Bearer tok-en") == "Bearer ***");
}

TEST_CASE("config: a secret of one part is taken out of what any other shows") {
  const auto config =
      loaded("[server]\ntoken = \"server-token\"\n" +
             tcp("app", "labels = { a = \"x server-token y\", b = \"x\\u0007  y bearer-of-b\" }") +
             "[checks.b]\nkind = \"http\"\nurl = \"http://u:url-password@h/\"\nbearer = "
             "\"bearer-of-b\"\n");
  for (const auto& check : config.checks) {
    CAPTURE(check.spec->name);
    CHECK(check.secrets->scrub("server-token bearer-of-b url-password") == "*** *** ***");
  }
  CHECK(spec_of(config, "app").labels ==
        std::vector<std::pair<std::string, std::string>>{{"a", "x *** y"}, {"b", "x y ***"}});
}

TEST_CASE(
    "config: labels that Prometheus or Fly would overwrite, or that break a page, are refused") {
  for (const std::string name : {"app", "region", "host", "instance", "check", "kind", "impact",
                                 "scope", "target", "le", "quantile"}) {
    CHECK(test::mistakes_of(tcp("a", "labels = { " + name + " = \"x\" }"))
              .find("is a label that is set already; take another name") != std::string::npos);
  }
  for (const std::string name : {"__name__", "a-b", "1a", "a b", ""}) {
    CHECK(test::mistakes_of(tcp("a", "labels = { \"" + name + "\" = \"x\" }"))
              .find("is no label name; use letters") != std::string::npos);
  }
}

TEST_CASE("config: checks keep the order of the file") {
  const auto config = loaded(tcp("zebra") + tcp("ant") + tcp("m"));
  REQUIRE(config.checks.size() == 3);
  CHECK(config.checks[0].spec->name == "zebra");
  CHECK(config.checks[1].spec->name == "ant");
  CHECK(config.checks[2].spec->name == "m");
}

TEST_CASE("config: unset times follow the interval") {
  const auto config =
      loaded(tcp("usual") + tcp("quick", "interval = \"1s\"") + tcp("odd", "interval = \"555ms\""));
  const auto& usual = spec_of(config, "usual");
  CHECK(usual.interval == Duration(10'000));
  CHECK(usual.retry_interval == Duration(2'000));
  CHECK(usual.timeout == Duration(5'000));
  CHECK(usual.fall == 3);
  CHECK(usual.rise == 2);
  CHECK(usual.jitter == 0.1);
  const auto& quick = spec_of(config, "quick");
  CHECK(quick.timeout == Duration(800));
  CHECK(quick.retry_interval == Duration(1'000));
  CHECK(spec_of(config, "odd").timeout == Duration(444));
}

TEST_CASE("config: defaults apply to every check that does not say otherwise") {
  const auto config = loaded(
      "[defaults]\ninterval = \"30s\"\nretry_interval = \"3s\"\ntimeout = \"4s\"\nfall = 5\n"
      "rise = 1\njitter = 0\n" +
      tcp("a") +
      tcp("b",
          "interval = \"20s\"\nretry_interval = \"1s\"\ntimeout = \"2s\"\nfall = 2\nrise = 4\n"
          "jitter = 0.5"));
  const auto& a = spec_of(config, "a");
  CHECK(a.interval == Duration(30'000));
  CHECK(a.retry_interval == Duration(3'000));
  CHECK(a.timeout == Duration(4'000));
  CHECK(a.fall == 5);
  CHECK(a.rise == 1);
  CHECK(a.jitter == 0);
  const auto& b = spec_of(config, "b");
  CHECK(b.interval == Duration(20'000));
  CHECK(b.retry_interval == Duration(1'000));
  CHECK(b.timeout == Duration(2'000));
  CHECK(b.fall == 2);
  CHECK(b.rise == 4);
  CHECK(b.jitter == 0.5);
}

TEST_CASE("config: a kind's own interval gives way to what the user wrote, in [defaults] too") {
  const std::string redis = "[checks.cache]\nkind = \"redis\"\nurl = \"redis://cache\"\n";
  CHECK(spec_of(loaded(redis), "cache").interval == Duration(15'000));
  CHECK(spec_of(loaded("[defaults]\ninterval = \"10s\"\n" + redis), "cache").interval ==
        Duration(10'000));
  CHECK(spec_of(loaded(redis + "interval = \"1m\"\n"), "cache").interval == Duration(60'000));
}

TEST_CASE("config: scope and impact follow the kind and where the target is") {
  const auto config = loaded(
      "[checks.near]\nkind = \"http\"\nurl = \"http://127.0.0.1/\"\n"
      "[checks.far]\nkind = \"http\"\nurl = \"http://192.0.2.1/\"\n"
      "[checks.db]\nkind = \"postgres\"\nurl = \"postgres://localhost/\"\n"
      "[checks.cache]\nkind = \"redis\"\nurl = \"redis://localhost\"\n"
      "[checks.told]\nkind = \"http\"\nurl = \"http://192.0.2.1/\"\nscope = \"local\"\n"
      "[checks.info]\nkind = \"http\"\nurl = \"http://127.0.0.1/\"\nimpact = \"info\"\n");
  const auto is = [&](const char* name, Scope scope, Impact impact, bool startup) {
    const auto& spec = spec_of(config, name);
    return spec.scope == scope && spec.impact == impact && spec.startup == startup;
  };
  CHECK(is("near", Scope::local, Impact::critical, true));
  CHECK(is("far", Scope::shared, Impact::degraded, false));
  CHECK(is("db", Scope::shared, Impact::critical, true));
  CHECK(is("cache", Scope::shared, Impact::degraded, false));
  CHECK(is("told", Scope::local, Impact::critical, true));
  CHECK(is("info", Scope::local, Impact::info, false));
}

TEST_CASE("config: live, startup, warn_above, parent and labels are read") {
  const auto config =
      loaded(tcp("db") + tcp("app",
                             "live = true\nstartup = false\nwarn_above = \"300ms\"\n"
                             "parent = \"db\"\nlabels = { team = \"core\", a = \"b\" }"));
  const auto& app = spec_of(config, "app");
  CHECK(app.live);
  CHECK(!app.startup);
  CHECK(app.warn_above == Duration(300));
  CHECK(app.parent == "db");
  CHECK(app.labels ==
        std::vector<std::pair<std::string, std::string>>{{"team", "core"}, {"a", "b"}});
  CHECK(!spec_of(config, "db").live);
  CHECK(spec_of(config, "db").warn_above == std::nullopt);
}

TEST_CASE(
    "config: a kind sees its settings with their types, and its defaults where none are written") {
  const auto config = loaded(
      "[checks.plain]\nkind = \"http\"\nurl = \"http://h/\"\n"
      "[checks.full]\nkind = \"http\"\nurl = \"http://${H}/\"\nmethod = \"HEAD\"\nfollow = 3\n"
      "max_body = \"1KiB\"\nverify = false\ncert_warn = \"1d\"\nip = 6\n"
      "expect_status = [200, \"300-399\"]\nheaders = { B = \"1\", A = \"2\" }\n"
      "expect_json = { \"/status\" = \"ok\", \"/n\" = 2, \"/on\" = true }\n",
      {{"H", "example"}});
  CHECK(settings_of(config, "plain") ==
        "method=GET\nfollow=0\nmax_body=65536\nverify=true\ncert_warn=1209600000\nip=any\n"
        "status=200-299\nurl=http://h/\nbearer=\n");
  CHECK(settings_of(config, "full") ==
        "method=HEAD\nfollow=3\nmax_body=1024\nverify=false\ncert_warn=86400000\nip=6\n"
        "status=200\nstatus=300-399\nurl=http://example/\nbearer=\nheader B=1\nheader A=2\n"
        "json /status=ok\njson /n=2\njson /on=true\n");
}

TEST_CASE("config: numbers and flags may come out of variables") {
  const auto config = loaded(
      "[checks.a]\nkind = \"http\"\nurl = \"http://h/\"\nfollow = \"${N}\"\nverify = "
      "\"${NO:-false}\"\n"
      "fall = \"${N}\"\njitter = \"${J}\"\n",
      {{"N", "2"}, {"J", "0.25"}});
  CHECK(holds(settings_of(config, "a"), "follow=2\n"));
  CHECK(holds(settings_of(config, "a"), "verify=false\n"));
  CHECK(spec_of(config, "a").fall == 2);
  CHECK(spec_of(config, "a").jitter == 0.25);
}

TEST_CASE("config: a value that came out of a variable is not shown in a mistake") {
  const auto mistakes =
      mistakes_of(tcp("a", "interval = \"${X}\"\nimpact = \"${X}\""), {{"X", "canary"}}) +
      mistakes_of("[checks.a]\nkind = \"${X}\"\nparent = \"${X}\"\n", {{"X", "canary"}});
  CHECK(!holds(mistakes, "canary"));
  CHECK(holds(mistakes, "unknown kind '${X}'"));
}

TEST_CASE("config: a text in a file is read at once and again at each use, and is a secret") {
  const test::TempDir dir;
  const auto token = dir.write("token", "first-secret\n\n");
  const auto url = dir.write("url", "http://u:in-the-url@127.0.0.1/\r\n");
  const auto config = loaded("[checks.a]\nkind = \"http\"\nurl = { file = \"" + url.string() +
                             "\" }\nbearer = { file = \"" + token.string() + "\" }\n");
  CHECK(holds(settings_of(config, "a"), "bearer=first-secret\n\n"));
  CHECK(holds(settings_of(config, "a"), "url=http://u:in-the-url@127.0.0.1/\n"));
  CHECK(spec_of(config, "a").scope == Scope::local);
  const auto& secrets = *config.checks[0].secrets;
  CHECK(secrets.scrub("x in-the-url y") == "x *** y");
  dir.write("token", "second-secret");
  CHECK(secrets.scrub("second-secret") == "second-secret");
  CHECK(holds(settings_of(config, "a"), "bearer=second-secret\n"));
  CHECK(secrets.scrub("second-secret") == "***");
  std::filesystem::remove(token);
  CHECK(holds(settings_of(config, "a"),
              "bearer=error: cannot read " + token.string() + ": No such file"));
}

TEST_CASE("config: a file that is too long, empty or no file is a mistake with path and cause") {
  const test::TempDir dir;
  const auto text = [&](const std::string& path) {
    return mistakes_of("[checks.a]\nkind = \"http\"\nurl = \"http://h/\"\nbearer = { file = \"" +
                       path + "\" }\n");
  };
  CHECK(text(dir.write("max", std::string(65'536, 'x')).string()) == "");
  CHECK(holds(text(dir.write("long", std::string(65'537, 'x')).string()), "more than 64 KiB"));
  CHECK(holds(text(dir.write("empty", "\n").string()), "it is empty"));
  CHECK(holds(text(dir.path().string()), "not a regular file"));
}

TEST_CASE("config: only URLs, headers, tokens and passwords may live in files") {
  CHECK(holds(
      mistakes_of("[checks.a]\nkind = \"http\"\nurl = \"http://h/\"\nmethod = { file = \"/x\" }\n"),
      "'method' must be a string, not a table"));
  const test::TempDir dir;
  const auto file = dir.write("secret", "from-file");
  const auto config =
      loaded("[checks.a]\nkind = \"redis\"\nurl = \"redis://h\"\npassword = { file = \"" +
             file.string() + "\" }\n");
  CHECK(holds(settings_of(config, "a"), "password=from-file\n"));
  CHECK(config.checks[0].secrets->scrub("from-file") == "***");
}

TEST_CASE("config: variables of ours override the file, empty ones do not") {
  const std::string text =
      "[server]\nlisten = \"127.0.0.1:1\"\ntoken = \"file\"\n[log]\nlevel = \"warn\"\nformat = "
      "\"json\"\n";
  const auto config = loaded(text, {{"VITALS_LISTEN", "[::1]:2"},
                                    {"VITALS_TOKEN", "variable"},
                                    {"VITALS_LOG_LEVEL", "debug"},
                                    {"VITALS_LOG_FORMAT", "logfmt"}});
  CHECK(config.server.listen == "[::1]:2");
  CHECK(config.server.token.read().value() == "variable");
  CHECK(config.secrets->scrub("variable") == "***");
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::logfmt);
  const auto unchanged = loaded(text, {{"VITALS_LISTEN", ""},
                                       {"VITALS_TOKEN", ""},
                                       {"VITALS_LOG_LEVEL", ""},
                                       {"VITALS_LOG_FORMAT", ""}});
  CHECK(unchanged.server.listen == "127.0.0.1:1");
  CHECK(unchanged.server.token.read().value() == "file");
  CHECK(unchanged.log.level == LogLevel::warn);
  CHECK(unchanged.log.format == LogFormat::json);
}

TEST_CASE("config: bad variables of ours are mistakes, named, after those of the file") {
  CHECK(
      mistakes_of("[log]\nlevel = \"loud\"\n", {{"VITALS_LISTEN", "nine"},
                                                {"VITALS_LOG_LEVEL", "LOUD"},
                                                {"VITALS_TOKEN", "a canary"}}) ==
      "vitals.toml:2:1: log: 'level' must be \"trace\", \"debug\", \"info\", \"warn\" or "
      "\"error\", "
      "not \"loud\"\n"
      "environment: VITALS_LISTEN: must be an address and a port, such as \"[::]:9100\" or "
      "\"127.0.0.1:9100\"\n"
      "environment: VITALS_TOKEN: must be printable ASCII without blanks: no client could send it\n"
      "environment: VITALS_LOG_LEVEL: must be \"trace\", \"debug\", \"info\", \"warn\" or "
      "\"error\", "
      "not \"LOUD\"\n");
}

TEST_CASE("config: listen addresses are host:port with brackets around IPv6") {
  for (const auto* good :
       {"[::]:9100", "0.0.0.0:1", "localhost:65535", "[fdaa::3]:0", "127.0.0.1:0"}) {
    CHECK(mistakes_of("", {{"VITALS_LISTEN", good}}) == "");
  }
  for (const auto* bad : {"9100", ":9100", "::1:9100", "[]:1", "a:", "a:65536", "a:-1", "a:1x",
                          "a b:1", "http://a:1", "u@a:1"}) {
    CAPTURE(bad);
    CHECK(mistakes_of("", {{"VITALS_LISTEN", bad}}) != "");
  }
}

TEST_CASE(
    "config: the front door and the agent's listener must not share a port, whoever says so") {
  const std::string text = "[app]\nfront = \"[::]:8080\"\nupstream = \"127.0.0.1:3000\"\n";
  CHECK(mistakes_of(text, {{"VITALS_LISTEN", "127.0.0.1:8080"}}) ==
        "vitals.toml:2:1: app: 'front' is where the agent itself listens (VITALS_LISTEN is "
        "\"127.0.0.1:8080\"); give one of them another port\n");
  CHECK(mistakes_of(text, {{"VITALS_LISTEN", "127.0.0.1:8081"}}) == "");
  const std::string default_port = "[app]\nfront = \"[::]:9100\"\nupstream = \"127.0.0.1:3000\"\n";
  CHECK(mistakes_of(default_port, {{"VITALS_LISTEN", "[::]:9101"}}) == "");
  // Where the agent listens isn't known: there is nothing to compare.
  CHECK_FALSE(holds(mistakes_of("[server]\nlisten = \"nine\"\n" + default_port), "front"));
}

TEST_CASE("config: 1,000 checks are allowed, one more is a mistake") {
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += tcp("c" + std::to_string(i));
  CHECK(mistakes_of(text) == "");
  CHECK(mistakes_of(text + tcp("one-more")) ==
        "vitals.toml:4001:9: checks: at most 1,000 checks, and here are 1001\n");
}

TEST_CASE("config: mistakes of kinds are told once, at the setting, without its secrets") {
  CHECK(mistakes_of("[checks.a]\nkind = \"http\"\nurl = \"u:canary@h/x?k=kanary\"\n") ==
        "vitals.toml:3:1: checks.a: 'url': not a URL: 'u:***@h/x?k=***'; write "
        "http://host:port/path\n");
  // Nothing is said twice of a value that could not be read.
  CHECK(mistakes_of("[checks.a]\nkind = \"http\"\nurl = 3\n") ==
        "vitals.toml:3:1: checks.a: 'url' must be a string or { file = \"/path\" }, not an "
        "integer\n");
  CHECK(mistakes_of("[checks.a]\nkind = \"http\"\nurl = \"${U}\"\n") ==
        "vitals.toml:3:1: checks.a: 'url': ${U} is not set; set it, or give a default: ${U:-…}\n");
}

TEST_CASE("config: remarks of kinds carry the check and no secret") {
  const auto config =
      loaded("[checks.db]\nkind = \"postgres\"\nurl = \"postgres://u:canary@h/?pgbouncer=true\"\n");
  CHECK(config.remarks == std::vector<std::string>{"checks.db: 'pgbouncer' is ignored"});
}

TEST_CASE("config: details for a token that nobody has are remarked") {
  CHECK(loaded("[server]\ndetails = \"token\"\n").remarks.size() == 1);
  CHECK(loaded("[server]\ndetails = \"token\"\n", {{"VITALS_TOKEN", "t"}}).remarks.empty());
}

TEST_CASE("config: fingerprints are equal exactly when everything in force is") {
  const auto fingerprint = [](const std::string& more, const Variables& variables = {}) {
    return loaded(more, variables).checks.at(0).spec->fingerprint;
  };
  const std::string base = "[checks.a]\nkind = \"http\"\nurl = \"http://h/\"\n";
  CHECK(fingerprint(base) == fingerprint(base + "# a comment\n[log]\nlevel = \"debug\"\n"));
  CHECK(fingerprint(base) == fingerprint(base + "interval = \"10s\"\nmethod = \"GET\"\n"));
  CHECK(fingerprint(base) ==
        fingerprint("[checks.a]\nurl = \"http://${H}/\"\nkind = \"http\"\n", {{"H", "h"}}));
  for (const auto* change :
       {"interval = \"11s\"", "retry_interval = \"1s\"", "timeout = \"4s\"", "fall = 4", "rise = 3",
        "jitter = 0.2", "impact = \"info\"", "scope = \"local\"", "scope = \"local\"\nlive = true",
        "startup = true", "warn_above = \"1s\"", "labels = { a = \"b\" }", "method = \"HEAD\"",
        "headers = { A = \"b\" }", "expect_status = [200]", "follow = 1", "verify = false",
        "bearer = \"x\"", "[defaults]\nfall = 4"}) {
    CAPTURE(change);
    CHECK(fingerprint(base) != fingerprint(base + change + "\n"));
  }
  CHECK(fingerprint(base + "headers = { A = \"b,B=c\" }\n") !=
        fingerprint(base + "headers = { A = \"b\", B = \"c\" }\n"));
}

TEST_CASE("config: a fingerprint follows a file that is read once, not one that is read live") {
  const test::TempDir dir;
  const auto path = dir.write("secret", "one").string();
  const auto fingerprint = [&](const std::string& setting) {
    return loaded("[checks.a]\nkind = \"redis\"\nurl = \"redis://h\"\n" + setting)
        .checks.at(0)
        .spec->fingerprint;
  };
  const std::string once = "password = { file = \"" + path + "\" }\n";
  const auto before = fingerprint(once);
  CHECK(before == fingerprint(once));
  dir.write("secret", "two");
  CHECK(before != fingerprint(once));
}

TEST_CASE("config: broken expansions, wrong kinds and wrong names do not hide other mistakes") {
  const auto mistakes = mistakes_of(
      "[checks.A]\nkind = \"tcp\"\n[checks.b]\nkind = \"x\"\nfall = 0\n[checks.c]\nkind = "
      "\"${K}\"\nrise = 0\n");
  CHECK(std::count(mistakes.begin(), mistakes.end(), '\n') == 6);
}

TEST_CASE("config: a group needs one member, is degraded, and local when all members are") {
  const std::string members = tcp("a", "interval = \"20s\"\n") + tcp("b");
  const auto config = loaded(members + "[groups.search]\nmembers = [\"a\", \"b\"]\n");
  REQUIRE(config.groups.size() == 1);
  const CheckSpec& group = *config.groups[0];
  CHECK(group.is_group());
  CHECK(group.kind->name == "group");
  CHECK(group.need == 1);
  CHECK(group.impact == Impact::degraded);
  CHECK(group.scope == Scope::local);
  CHECK_FALSE(group.startup);
  CHECK(group.interval == Duration(20'000));
  const auto shared = loaded(members + "[checks.c]\nkind = \"tcp\"\naddress = \"far:80\"\n" +
                             "[groups.search]\nmembers = [\"a\", \"c\"]\nneed = 2\n" +
                             "impact = \"critical\"\nlabels = { team = \"core\" }\n");
  CHECK(shared.groups[0]->scope == Scope::shared);
  CHECK(shared.groups[0]->need == 2);
  CHECK(shared.groups[0]->startup);
  CHECK(shared.groups[0]->labels.size() == 1);
}

TEST_CASE("config: members of a group have no voice of their own, nor a start to wait for") {
  const std::string group = "[groups.all]\nmembers = [\"a\", \"b\"]\n";
  const std::string a = tcp("a", "impact = \"critical\"");
  const auto config = loaded(a + tcp("b", "startup = true") + tcp("c") + group);
  CHECK(spec_of(config, "a").impact == Impact::info);
  CHECK(spec_of(config, "a").settings_text.find("impact = \"info\"") != std::string::npos);
  CHECK_FALSE(spec_of(config, "a").startup);
  CHECK(spec_of(config, "b").startup);
  CHECK(spec_of(config, "c").impact == Impact::critical);
  const auto alone = loaded(a);
  CHECK(spec_of(alone, "a").impact == Impact::critical);
  CHECK(spec_of(alone, "a").fingerprint != spec_of(config, "a").fingerprint);
}

TEST_CASE("config: a group may be a parent, and a check may be in two groups") {
  const auto config = loaded(tcp("a") + tcp("b", "parent = \"g\"") +
                             "[groups.g]\nmembers = [\"a\"]\n[groups.h]\nmembers = [\"a\"]\n");
  CHECK(spec_of(config, "b").parent == "g");
  CHECK(config.groups.size() == 2);
}

TEST_CASE("config: another need, impact or member makes another group, other words do not") {
  const auto fingerprint = [](const std::string& more) {
    return loaded(tcp("a") + tcp("b") + "[groups.g]\n" + more).groups[0]->fingerprint;
  };
  const auto usual = fingerprint("members = [\"a\", \"b\"]");
  CHECK(fingerprint("need = 1\nmembers = [\"a\", \"b\"]") == usual);
  CHECK(fingerprint("need = 2\nmembers = [\"a\", \"b\"]") != usual);
  CHECK(fingerprint("members = [\"a\"]") != usual);
  CHECK(fingerprint("members = [\"a\", \"b\"]\nimpact = \"critical\"") != usual);
}

}  // namespace
}  // namespace vitals
