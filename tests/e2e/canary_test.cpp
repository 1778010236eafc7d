// No secret comes out of the static binary: canaries stand wherever a secret can, servers say them
// again in every form, and everything that vitals says is searched for them.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/agent.hpp"
#include "tests/support/canary.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/echo_servers.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;

/// What was said, and where.
using Said = std::vector<std::pair<std::string, std::string>>;

std::string quote(const std::string& text) { return toml_string(text); }
std::string at(const ScriptedServer& server) {
  return "127.0.0.1:" + std::to_string(server.port());
}
std::string basic_of(const std::string& pair) { return "Basic " + base64_encoded(pair); }

TEST_CASE("canary: the search finds a canary in every form a server may give it back in") {
  Canaries canaries;
  const std::string canary = canaries.make("probe");
  CHECK(canaries.found_in("PONG") == "");
  for (const EchoForm& form : echo_forms()) {
    CAPTURE(form.name);
    CHECK(canaries.found_in("x" + form.encode(canary) + "y") != "");
    CHECK(canaries.found_in(form.encode("user:" + canary)) != "");
    CHECK(canaries.found_in(form.encode("a=" + canary + "&b=1")) != "");
    CHECK(canaries.found_in(form.encode(canary).substr(0, 16)) != "");
  }
}

/// A config full of secrets, the servers that know them, and which checks must have heard an echo.
class Scene {
 public:
  Scene();

  [[nodiscard]] const std::string& config() const { return config_; }
  [[nodiscard]] const std::vector<std::string>& echoing() const { return echoing_; }
  [[nodiscard]] const std::map<std::string, std::string>& environment() const {
    return environment_;
  }
  [[nodiscard]] const Canaries& canaries() const { return canaries_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] std::string token_file() const { return quote_file("token", token_); }

 private:
  void add(const std::string& name, const std::string& lines, bool echoes = true);
  /// One check for each way to give `part` back.
  void add_http(const std::string& place, const std::string& part, const std::string& user,
                const std::string& lines, const std::string& query = "");
  void add_app();
  void add_http_places();
  void add_proxies();
  void add_redis();
  void add_postgres();
  void add_sends();
  void add_websockets();
  void add_others();
  [[nodiscard]] std::string quote_file(const std::string& name, const std::string& content) const;
  /// `${NAME}` with that value.
  std::string variable(const std::string& name, const std::string& value);

  TempDir folder_;
  Authority authority_;
  Certificate certificate_ = authority_.valid();
  Canaries canaries_;
  std::string token_ = canaries_.make_token("servertoken");
  ScriptedServer http_{echo_http()};
  ScriptedServer proxy_{echo_proxy()};
  ScriptedServer redis_{echo_redis()};
  ScriptedServer rediss_{echo_redis(true),
                         {.certificate = certificate_.certificate, .key = certificate_.key}};
  ScriptedServer postgres_{echo_postgres()};
  ScriptedServer websocket_{echo_websocket()};
  ScriptedServer bytes_{echo_bytes("you sent ")};
  ScriptedServer late_bytes_{echo_bytes(std::string(70, '.'))};
  RefusingPort refusing_;

  std::string config_ = "[defaults]\ninterval = \"10s\"\ntimeout = \"8s\"\nfall = 1\n";
  std::vector<std::string> echoing_;
  std::map<std::string, std::string> environment_;
};

std::string Scene::quote_file(const std::string& name, const std::string& content) const {
  return "{ file = " + quote(folder_.write(name, content + "\n").string()) + " }";
}

std::string Scene::variable(const std::string& name, const std::string& value) {
  environment_[name] = value;
  return "${" + name + "}";
}

void Scene::add(const std::string& name, const std::string& lines, bool echoes) {
  config_ += "[checks." + name + "]\n" + lines + "\n";
  if (echoes) echoing_.push_back(name);
}

void Scene::add_http(const std::string& place, const std::string& part, const std::string& user,
                     const std::string& lines, const std::string& query) {
  const auto add_one = [&](const std::string& how, const std::string& more = "") {
    add(place + "-" + how,
        "kind = \"http\"\nurl = " +
            quote("http://" + user + at(http_) + "/echo/" + how + "/" + part + query) + "\n" +
            lines + more);
  };
  for (const EchoForm& form : echo_forms()) add_one(form.name);
  for (const char* how : {"asis", "markup", "page", "status", "location"}) add_one(how);
  add_one("follow", "follow = 1\n");
  add_one("header", "expect_header = { X-Echo = \"other\" }\n");
  add_one("document", "expect_json = { \"/echo\" = \"other\" }\n");
  add_one("content", "expect_body = \"nothing like it\"\n");
}

void Scene::add_http_places() {
  const auto canary = [&](const std::string& place) { return canaries_.make(place); };
  add_http("userinfo", "authorization", "user:" + percent_encoded(canary("userinfo")) + "@", "");
  add_http("query", "query", "", "", "?a=1&key=" + percent_encoded(canary("query")) + "&b=2");
  add_http("bearer", "authorization", "", "bearer = " + quote(canary("bearer")) + "\n");
  add_http("basic", "authorization", "", "basic = " + quote("user:" + canary("basic")) + "\n");
  add_http("header", "x-api-key", "",
           "headers = { X-Api-Key = " + quote(canary("header")) + " }\n");
  add_http("hfile", "x-api-key", "",
           "headers = { X-Api-Key = " + quote_file("header", canary("headerfile")) + " }\n");
  add_http("auth", "authorization", "",
           "headers = { Authorization = " + quote(basic_of("u:" + canary("authheader"))) + " }\n");
  add_http("cookie", "cookie", "",
           "headers = { Cookie = \"a=1; session=" + canaries_.make_tame("cookie") + "; b=2\" }\n");
  add_http("token", "authorization", percent_encoded(canary("tokenuser")) + "@", "");
  add_http("stripe", "authorization", "",
           "basic = " + quote(canaries_.make_tame("stripe") + ":") + "\n");
  add_http("scheme", "x-auth", "",
           "headers = { X-Auth = " + quote("Key " + canaries_.make_token("scheme")) + " }\n");
  add_http("body", "body", "", "method = \"POST\"\nbody = " + quote(canary("body")) + "\n");
  add_http("proxied", "proxy-authorization", "",
           "proxy = " + quote("http://user:" + percent_encoded(canary("proxy")) + "@" + at(http_)) +
               "\n");
  add_http("bfile", "authorization", "",
           "bearer = " + quote_file("bearer", canary("bearerfile")) + "\n");
  add_http("variable", "authorization", "",
           "bearer = \"" + variable("API_TOKEN", canary("variable")) + "\"\n");
  const std::string url = "http://user:" + percent_encoded(canary("urlfile")) + "@" + at(http_);
  add("urlfile", "kind = \"http\"\nurl = " +
                     quote_file("url", url + "/echo/raw/authorization?key=" +
                                           percent_encoded(canary("urlfilequery"))) +
                     "\n");
}

void Scene::add_proxies() {
  const std::string password = percent_encoded(canaries_.make("connect"));
  const std::string proxy = "proxy = " + quote("http://user:" + password + "@" + at(proxy_)) + "\n";
  add("connect", "kind = \"http\"\nurl = \"https://127.0.0.1:1/\"\n" + proxy, false);
  add("proxy", "kind = \"http\"\nurl = \"http://127.0.0.1:1/\"\n" + proxy);
}

void Scene::add_redis() {
  const auto canary = [&](const std::string& place) {
    return percent_encoded(canaries_.make(place));
  };
  const auto check = [&](const std::string& name, const std::string& url, bool echoes = true) {
    add("redis-" + name, "kind = \"redis\"\nurl = " + url + "\n", echoes);
  };
  const std::string server = "@" + at(redis_);
  for (const EchoForm& form : echo_forms()) {
    check(form.name, quote("redis://" + form.name + ":" + canary("redis" + form.name) + server));
    check("later-" + form.name,
          quote("redis://later-" + form.name + ":" + canary("redislater" + form.name) + server));
  }
  check("alone", quote("redis://:" + canary("redisalone") + server));
  check("parameter", quote("redis://" + at(redis_) + "/0?password=" + canary("redisparameter")));
  check("file", quote_file("redis", "redis://:" + canary("redisfile") + server));
  check("variable", "\"" + variable("REDIS_URL", "redis://:" + canary("redisvar") + server) + "\"");
  check("tls",
        quote("rediss://raw:" + canary("rediss") + "@localhost:" + std::to_string(rediss_.port())) +
            "\nca_file = " + quote(authority_.ca_file().string()));
  check("untrusted",
        quote("rediss://raw:" + canary("redisuntrusted") +
              "@localhost:" + std::to_string(rediss_.port())),
        false);
  check("refused",
        quote("redis://u:" + canary("redisrefused") +
              "@127.0.0.1:" + std::to_string(refusing_.port())),
        false);
}

void Scene::add_postgres() {
  const auto canary = [&](const std::string& place) {
    return percent_encoded(canaries_.make(place));
  };
  const auto check = [&](const std::string& name, const std::string& url, bool echoes = true) {
    add("pg-" + name, "kind = \"postgres\"\nurl = " + url + "\n", echoes);
  };
  const std::string port = std::to_string(postgres_.port());
  const std::string server = "@127.0.0.1:" + port + "/";
  const std::string plain = "?sslmode=disable";
  for (const EchoForm& form : echo_forms()) {
    check(form.name,
          quote("postgres://u:" + canary("pg" + form.name) + server + form.name + plain));
    check("later-" + form.name, quote("postgres://u:" + canary("pglater" + form.name) + server +
                                      "later-" + form.name + plain));
  }
  check("parameter", quote("postgres://u@127.0.0.1:" + port + "/raw" + plain +
                           "&password=" + canary("pgparameter")));
  std::string quoted;
  for (const char c : canaries_.make("pgkeyword")) {
    if (c == '\\' || c == '\'') quoted += '\\';
    quoted += c;
  }
  check("keyword", quote("host=127.0.0.1 port=" + port + " user=u dbname=raw sslmode=disable " +
                         "password='" + quoted + "'"));
  check("file", quote_file("pg", "postgres://u:" + canary("pgfile") + server + "raw" + plain));
  check("variable",
        "\"" +
            variable("DATABASE_URL", "postgres://u:" + canary("pgvar") + server + "raw" + plain) +
            "\"");
  check("options", quote("postgres://u:" + canary("pgwithoptions") + server + "raw" + plain +
                         "&options=-c%20app.k%3D" + canaries_.make_tame("pgoptions")));
  int spelling = 0;
  for (const std::string key : {"password", "PASSWORD", "pwd", "options=-capp.k"}) {
    check("spelling" + std::to_string(++spelling),
          quote("host=127.0.0.1 user=u port=" + std::to_string(refusing_.port()) + " " + key + "=" +
                canaries_.make_tame("pgspelling")),
          false);
  }
  check("query",
        quote("postgres://u:" + canary("pgwithquery") + server + "later-raw" + plain) +
            "\nquery = " +
            quote("SELECT 1 FROM users WHERE token = '" + canaries_.make_tame("pgquery") + "'"));
  check("refused",
        quote("postgres://u:" + canary("pgrefused") +
              "@127.0.0.1:" + std::to_string(refusing_.port()) + "/d" + plain),
        false);
}

void Scene::add_sends() {
  const auto tcp = [&](const std::string& name, const ScriptedServer& server,
                       const std::string& send, bool echoes = true) {
    add("tcp-" + name,
        "kind = \"tcp\"\naddress = \"" + at(server) + "\"\nsend = " + send +
            "\nexpect = \"nothing like it\"\n",
        echoes);
  };
  tcp("file", bytes_, quote_file("send", "AUTH " + canaries_.make("sendfile")));
  tcp("late", late_bytes_, quote_file("late", canaries_.make("sendlate")));
  tcp("inline", bytes_, quote(canaries_.make("send")));
  tcp("login", bytes_, quote("AUTH bob " + canaries_.make("sendlogin") + "\n"));
  tcp("lines", bytes_, quote("HELLO\n" + canaries_.make("sendlines") + "\nQUIT\n"));
  tcp("plain", bytes_, "\"PING\\r\\n\"", false);
}

void Scene::add_websockets() {
  const auto canary = [&](const std::string& place) { return canaries_.make(place); };
  const auto check = [&](const std::string& name, const std::string& url, const std::string& more) {
    add("ws-" + name, "kind = \"websocket\"\nurl = " + quote("ws://" + url) + "\n" + more + "\n");
  };
  const std::string refused = at(http_) + "/echo/status/";
  check("userinfo", "user:" + percent_encoded(canary("wsuser")) + "@" + refused + "authorization",
        "");
  check("query", refused + "query?key=" + percent_encoded(canary("wsquery")), "");
  check("tokenuser", percent_encoded(canary("wstokenuser")) + "@" + refused + "authorization", "");
  check("header", refused + "x-api-key",
        "headers = { X-Api-Key = " + quote(canary("wsheader")) + " }");
  check("hfile", refused + "x-api-key",
        "headers = { X-Api-Key = " + quote_file("wsheader", canary("wshfile")) + " }");
  check("protocol", refused + "sec-websocket-protocol",
        "subprotocol = " + quote("token." + canaries_.make_tame("wsprotocol12345")));
  const auto send = [&](const std::string& name, const std::string& text) {
    check(name, at(websocket_), "send = " + text + "\nexpect = \"nothing like it\"");
  };
  send("send", quote(canary("wssend")));
  send("sfile", quote_file("wssend", canary("wssendfile")));
  send("token", quote("{\"token\":\"" + json_escaped(canary("wstoken")) + "\"}"));
}

void Scene::add_others() {
  const std::string password = percent_encoded(canaries_.make("refused"));
  add("refused",
      "kind = \"http\"\nurl = " +
          quote("http://u:" + password + "@127.0.0.1:" + std::to_string(refusing_.port()) +
                "/?key=" + password) +
          "\n",
      false);
  add("plain",
      "kind = \"http\"\nurl = " +
          quote("https://u:" + password + "@" + at(bytes_) + "/?key=" + password) + "\n",
      false);
}

/// The app's own metrics are fetched by the agent itself, not by a check.
void Scene::add_app() {
  const std::string password = percent_encoded(canaries_.make("appmetrics"));
  const std::string key = percent_encoded(canaries_.make("appquery"));
  config_ += "[app]\nmetrics = " +
             quote("http://u:" + password + "@" + at(http_) + "/echo/status/query?key=" + key) +
             "\n";
}

Scene::Scene() {
  add_app();
  add_http_places();
  add_proxies();
  add_redis();
  add_postgres();
  add_sends();
  add_websockets();
  add_others();
}

const Scene& scene() {
  static const Scene one;
  return one;
}

void expect_no_canary(const Said& said) {
  for (const auto& each : said) {
    INFO("said by ", each.first);
    CHECK(scene().canaries().found_in(each.second) == "");
  }
}

/// Every check has been asked, and said something.
bool all_asked(const Agent& agent) {
  const auto document = nlohmann::json::parse(agent.get("/health").body, nullptr, false);
  if (!document.is_object() || !document.contains("checks")) return false;
  const auto& checks = document["checks"];
  return std::all_of(checks.begin(), checks.end(), [](const auto& entries) {
    return entries[0]["status"] != "unknown" && entries[0].contains("reason");
  });
}

void gather_health(const Agent& agent, Said& said) {
  for (const char* path : {"/health", "/health/ready", "/health/live", "/health/startup"}) {
    for (const char* format : {"json", "text", "line", "html"}) {
      const std::string target = std::string(path) + "?format=" + format;
      const HttpAnswer answer = agent.get(target);
      said.emplace_back(target, answer.head + answer.body);
    }
  }
  for (const std::string& name : scene().echoing()) {
    for (const char* format : {"json", "text", "line"}) {
      const std::string target = "/health/check/" + name + "?format=" + format;
      const HttpAnswer answer = agent.get(target);
      said.emplace_back(target, answer.head + answer.body);
    }
  }
  for (const char* accept : {"text/plain", "application/openmetrics-text; version=1.0.0"}) {
    const HttpAnswer answer = agent.get("/metrics", {{"Accept", accept}});
    CHECK(answer.body.find("probe_success{") != std::string::npos);
    said.emplace_back("/metrics", answer.body);
  }
}

/// Requests that are refused, most with the server's own token in them.
void gather_refusals(const Agent& agent, Said& said) {
  const std::string token = percent_encoded(scene().token());
  for (const std::string& target :
       {"/" + token, "/health/check/" + token, "/health?token=" + token, "/?format=" + token,
        "/health/check/userinfo-raw/" + token, std::string("/history"), std::string("/")}) {
    const HttpAnswer answer = agent.get(target, {{"Authorization", "Bearer " + scene().token()}});
    said.emplace_back("GET " + target, answer.head + answer.body);
  }
  for (const char* path : {"/drain", "/health", "/mute/userinfo-raw"}) {
    const HttpAnswer answer =
        http(agent.port(), path,
             {{"Authorization", "Bearer not" + scene().token()}, {"X-Forwarded-For", "192.0.2.1"}},
             "POST");
    CHECK(answer.status >= 400);
    said.emplace_back(std::string("POST ") + path, answer.head + answer.body);
  }
  for (const std::string& bytes :
       {"GET / HTTP/1.1\r\nBroken " + scene().token() + "\r\n\r\n",
        "GET /" + std::string(8'192, 'a') + token + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(16'384, 'a') + token + "\r\n\r\n",
        scene().token() + "\r\n\r\n"}) {
    RawClient client(agent.port());
    client.send(bytes);
    const std::string answer = client.rest();
    CHECK(answer.starts_with("HTTP/1.1 4"));
    said.emplace_back("a broken request", answer);
  }
}

/// The positive control: what was sent came back, and only a mask is left of it.
void expect_echoes(const Agent& agent) {
  for (const std::string& name : scene().echoing()) {
    CAPTURE(name);
    std::string output;
    const bool echoed = eventually(
        [&] {
          output = agent.field_of(name, "output");
          return output.find("***") != std::string::npos;
        },
        patience);
    CAPTURE(output);
    CHECK(echoed);
    CHECK(agent.status_of(name) == "fail");
  }
}

std::string read_proc(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Nobody but root reads the memory, and no core is written.
void expect_no_core(pid_t pid) {
  const std::string limits = read_proc(pid, "limits");
  std::istringstream lines(limits);
  std::string core;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Max core file size")) core = line;
  }
  std::istringstream words(core.substr(std::string("Max core file size").size()));
  std::string soft, hard;
  words >> soft >> hard;
  CHECK(soft == "0");
  CHECK(hard == "0");
  // proc(5): files of a process that is not dumpable belong to root, whoever runs it.
  struct stat status {};
  REQUIRE(stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &status) == 0);
  CHECK(status.st_uid == 0);
  CHECK(read_proc(pid, "status").find("\nUid:\t0\t") == std::string::npos);
}

std::string server_lines(const std::string& token) {
  return "token = " + token +
         "\ncompat = [\"blackbox\", \"redis_exporter\", \"postgres_exporter\"]\n";
}

void expect_discretion(const std::string& token, const std::string& format,
                       std::map<std::string, std::string> environment) {
  environment.insert(scene().environment().begin(), scene().environment().end());
  Agent agent(scene().config() + "[log]\nlevel = \"trace\"\nformat = \"" + format + "\"\n",
              {.server_lines = server_lines(token), .environment = environment, .user = "nobody"});
  REQUIRE(eventually([&] { return all_asked(agent); }, patience));
  expect_echoes(agent);
  expect_no_core(agent.process().pid());
  Said said;
  gather_health(agent, said);
  gather_refusals(agent, said);
  // The token is the right one, and it is asked for.
  CHECK(http(agent.port(), "/drain", {{"X-Forwarded-For", "192.0.2.1"}}, "POST").status == 403);
  CHECK(http(agent.port(), "/drain",
             {{"X-Forwarded-For", "192.0.2.1"}, {"Authorization", "Bearer " + scene().token()}},
             "POST")
            .status == 204);
  said.emplace_back("/health while draining", agent.get("/health").body);

  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  const std::string config = agent.config_file();
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"status", url},
                                             {"status", "--format", "json", url},
                                             {"status", "--config", config},
                                             {"undrain", "--config", config}}) {
    const Finished finished = vitals(words, environment);
    CHECK((finished.code == 0 || finished.code == 2));
    said.emplace_back(words[0], finished.output);
  }
  said.emplace_back("cmdline", read_proc(agent.process().pid(), "cmdline"));

  agent.reload(scene().config() +
               "[checks.broken]\nkind = \"http\"\nurl = \"http://u:" + scene().token() + "\"\n");
  CHECK(eventually([&] { return agent.metric("vitals_config_last_reload_successful") == 0; },
                   patience));
  CHECK(agent.process().stop() == 0);
  const std::string log = agent.process().output();
  CHECK(log.find("***") != std::string::npos);
  CHECK(log.find("config rejected") != std::string::npos);
  said.emplace_back("the log", log);
  expect_no_canary(said);
}

TEST_CASE("canary: nothing a running agent says has a secret in it (logfmt, token from a file)") {
  expect_discretion(scene().token_file(), "logfmt", {});
}

TEST_CASE("canary: nothing a running agent says has a secret in it (json, VITALS_TOKEN)") {
  expect_discretion("\"${VITALS_TOKEN}\"", "json", {{"VITALS_TOKEN", scene().token()}});
}

TEST_CASE("canary: validate and check say no secret") {
  const TempDir folder;
  const std::string config = folder.write(
      "vitals.toml", "[server]\n" + server_lines(toml_string(scene().token())) + scene().config());
  const auto& environment = scene().environment();
  Said said;
  const Finished validated = vitals({"validate", "--config", config}, environment);
  CHECK(validated.code == 0);
  said.emplace_back("validate", validated.output);
  const Finished printed = vitals({"validate", "--config", config, "--print"}, environment);
  CHECK(printed.code == 0);
  CHECK(printed.output.find("user:***@127.0.0.1") != std::string::npos);
  CHECK(printed.output.find("?a=***&key=***&b=***") != std::string::npos);
  CHECK(printed.output.find("bearer = \"***\"") != std::string::npos);
  CHECK(printed.output.find("token = \"***\"") != std::string::npos);
  CHECK(printed.output.find("send = \"***\"") != std::string::npos);
  CHECK(printed.output.find("send = \"PING\\r\\n\"") != std::string::npos);
  said.emplace_back("validate --print", printed.output);
  for (const char* format : {"json", "text"}) {
    const Finished checked = vitals({"check", "--config", config, "--format", format}, environment,
                                    std::chrono::seconds(60));
    CHECK(checked.output.find("***") != std::string::npos);
    said.emplace_back(std::string("check --format ") + format, checked.output);
  }
  expect_no_canary(said);
}

TEST_CASE("canary: a waiting check leaves no core either") {
  const TempDir folder;
  const RefusingPort nobody;
  const auto config =
      folder.write("vitals.toml", "[checks.app]\nkind = \"tcp\"\naddress = \"127.0.0.1:" +
                                      std::to_string(nobody.port()) + "\"\n");
  Command command{{vitals_binary(), "check", "--config", config.string(), "--wait", "60s"}};
  command.user = "nobody";
  const Process waiting(std::move(command));
  CHECK(eventually([&] {
    return read_proc(waiting.pid(), "cmdline").find("--wait") != std::string::npos &&
           read_proc(waiting.pid(), "status").find("Threads:\t1\n") == std::string::npos;
  }));
  expect_no_core(waiting.pid());
}

// ---- mistakes ---------------------------------------------------------------------------------

struct Mistake {
  const char* name;
  std::string lines;
};

/// Each check is wrong, and has a secret where its mistake is.
std::vector<Mistake> mistakes(Canaries& canaries, const TempDir& folder) {
  int count = 0;
  const auto raw = [&] { return canaries.make("mistake" + std::to_string(++count) + "x"); };
  const auto coded = [&] { return percent_encoded(raw()); };
  const auto tame = [&] { return canaries.make_tame("mistake" + std::to_string(++count) + "x"); };
  const auto file = [&](const std::string& content) {
    return "{ file = " + quote(folder.write("f" + std::to_string(++count), content).string()) +
           " }";
  };
  const std::string good = "url = \"http://127.0.0.1:1/\"\n";
  const auto http = [&](const std::string& lines) { return "kind = \"http\"\n" + lines + "\n"; };
  const auto redis = [&](const std::string& url) {
    return "kind = \"redis\"\nurl = " + url + "\n";
  };
  const auto pg = [&](const std::string& url) {
    return "kind = \"postgres\"\nurl = " + url + "\n";
  };
  return {
      {"http-raw", http("url = " + quote("http://u:" + raw() + "@127.0.0.1/x"))},
      {"http-scheme", http("url = " + quote("ftp://u:" + coded() + "@127.0.0.1/x"))},
      {"http-port", http("url = " + quote("http://u:" + coded() + "@127.0.0.1:99999/x"))},
      {"http-query", http("url = " + quote("http://127.0.0.1:port/x?key=" + coded()))},
      {"http-path",
       http("url = " + quote("http://u:" + coded() + "@127.0.0.1/a b?key=" + coded()))},
      {"http-list", http("url = [" + quote("http://u:" + coded() + "@127.0.0.1/") + "]")},
      {"http-file", http("url = " + file("ftp://u:" + coded() + "@127.0.0.1/"))},
      {"http-unset", http("url = \"http://u:" + coded() + "@${NOT_SET_AT_ALL}/\"")},
      {"http-basic", http(good + "basic = " + quote(tame()))},
      {"http-both", http(good + "basic = " + quote("u:" + raw()) + "\nbearer = " + quote(raw()))},
      {"http-proxy", http(good + "proxy = " + quote("socks5://u:" + coded() + "@127.0.0.1:1"))},
      {"http-bearer", http(good + "bearer = [" + quote(raw()) + "]")},
      {"http-typo", http(good + "bearrer = " + quote(raw()))},
      {"http-headers", http(good + "headers = " + quote(raw()))},
      {"http-name", http(good + "headers = { \"not a name\" = " + quote(raw()) + " }")},
      {"http-break", http(good + "headers = { X-Key = " + quote("a\n" + raw()) + " }")},
      {"http-header-list", http(good + "headers = { X-Key = [" + quote(raw()) + "] }")},
      {"http-no-file", http(good + "bearer = { fil = " + quote(raw()) + " }")},
      {"http-regex", http(good + "bearer = " + quote(raw()) + "\nexpect_body = \"/(/\"")},
      {"kind", "kind = \"htp\"\nurl = " + quote("http://u:" + coded() + "@127.0.0.1/") + "\n"},
      {"no-kind", "url = " + quote("http://u:" + coded() + "@127.0.0.1/") + "\n"},
      {"redis-rest", redis(quote("https://u:" + coded() + "@127.0.0.1"))},
      {"redis-raw", redis(quote("redis://u:" + raw() + "@127.0.0.1:6379"))},
      {"redis-scheme", redis(quote("redis//u:" + raw() + "@127.0.0.1"))},
      {"redis-db", redis(quote("redis://u:" + coded() + "@127.0.0.1/" + "notanumber"))},
      {"redis-port", redis(quote("redis://u:" + coded() + "@127.0.0.1:0x1"))},
      {"redis-flag", redis(quote("redis://:" + coded() + "@127.0.0.1") + "\nverify = 1")},
      {"pg-raw", pg(quote("postgres://u:" + raw() + "@127.0.0.1:5432x/d"))},
      {"pg-port", pg(quote("postgres://u:" + coded() + "@127.0.0.1:99999/d"))},
      {"pg-quote", pg(quote("host=127.0.0.1 user=u password='" + tame()))},
      {"pg-word", pg(quote("host=127.0.0.1 user=u password=" + tame() + " sslmode"))},
      {"pg-mode", pg(quote("postgres://u:" + coded() + "@127.0.0.1/d?sslmode=maybe"))},
      {"pg-host", pg(quote("postgres://u:" + coded() + "@/d"))},
      {"pg-text", pg(quote(tame() + " is not a URL"))},
      {"http-user", http("url = " + quote("http://" + coded() + "@127.0.0.1:x/"))},
      {"http-basic-user",
       http(good + "basic = " + quote(tame() + ":") + "\nbearer = " + quote(raw()))},
      {"http-keywords", http("url = " + quote("host=127.0.0.1 pwd=" + tame()))},
      {"kind-keywords", "kind = " + quote("host=127.0.0.1 pwd=" + tame()) + "\n"},
      {"pg-pwd", pg(quote("host=127.0.0.1 user=u sslmode=maybe pwd=" + tame()))},
      {"pg-upper", pg(quote("host=127.0.0.1 user=u port=x PASSWORD=" + tame()))},
      {"pg-ado", pg(quote("Host=127.0.0.1;Username=u;Password=" + tame()))},
      {"pg-options", pg(quote("host=127.0.0.1 port=x options=-capp.k=" + tame()))},
      {"pg-file", pg(file("postgres://u:" + coded() + "@127.0.0.1:99999/d"))},
      {"tcp",
       "kind = \"tcp\"\naddress = \"127.0.0.1\"\nsend = " + file(raw()) + "\nexpect = \"/(/\"\n"},
  };
}

TEST_CASE("canary: mistakes are told without the secrets in them") {
  const TempDir folder;
  Canaries canaries;
  const auto all = mistakes(canaries, folder);
  std::string config = "[server]\ntokn = " + quote(canaries.make("tokn")) + "\ntoken = [" +
                       quote(canaries.make("tokenlist")) + "]\n";
  for (const Mistake& mistake : all) {
    config += "[checks." + std::string(mistake.name) + "]\n" + mistake.lines;
  }
  const std::string path = folder.write("vitals.toml", config);
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"validate"}, {"validate", "--print"}, {"check"}, {"serve"}, {"status"}}) {
    const std::string& word = words[0];
    CAPTURE(word);
    std::vector<std::string> command = words;
    command.insert(command.end(), {"--config", path});
    const Finished finished = vitals(command);
    CHECK(finished.code == 3);
    CHECK(canaries.found_in(finished.output) == "");
    if (words[0] == "status") continue;  // the first mistake alone
    for (const Mistake& mistake : all) {
      CAPTURE(mistake.name);
      CHECK(finished.output.find(": checks." + std::string(mistake.name)) != std::string::npos);
    }
    CHECK(finished.output.find("tokn") != std::string::npos);
  }
}

TEST_CASE("canary: a file that is not TOML is refused without the secrets in it") {
  const TempDir folder;
  Canaries canaries;
  const std::string raw = canaries.make("syntax");
  const std::string tame = canaries.make_tame("syntax");
  const std::string head = "[server]\n";
  for (const std::string& text :
       {head + "token = \"" + tame, head + "token = " + tame + "\n",
        head + "token = '" + raw + "\n", head + "token = \"\\q" + tame + "\"\n",
        head + "token = \"" + tame + "\xFF\"\n", head + "token = \"a\"" + tame + "\n",
        head + "token \"" + tame + "\"\n", head + "token = \"a\"\ntoken = \"" + tame + "\"\n",
        head + tame + "\n", head + "token = \"${" + tame + "\"\n",
        head + "token = \"" + tame + "${}\"\n", head + "token = { file = \"" + tame + "\n\" }\n",
        "[" + tame + "\n", "\"" + tame + "\n", head + "token = \"\"\"" + tame + "\n",
        head + "token = [\"" + tame + "\"\n"}) {
    CAPTURE(text);
    const Finished finished = vitals({"validate", "--config", folder.write("v.toml", text)});
    CHECK(finished.code == 3);
    CHECK(canaries.found_in(finished.output) == "");
  }
}

TEST_CASE("canary: variables that make bad checks are told without the secrets in them") {
  Canaries canaries;
  const TempDir folder;
  const std::string raw = canaries.make("environment");
  const std::string coded = percent_encoded(raw);
  using Variables = std::map<std::string, std::string>;
  for (const Variables& variables : {
           Variables{{"DATABASE_URL", "postgres://u:" + raw + "@127.0.0.1:x/d"}},
           Variables{{"DATABASE_URL", "mysql://u:" + coded + "@127.0.0.1/d"}},
           Variables{{"REDIS_URL", "https://u:" + coded + "@127.0.0.1"}},
           Variables{{"UPSTASH_REDIS_REST_URL", "https://u:" + coded + "@127.0.0.1"},
                     {"REDIS_URL", "https://" + coded + "@127.0.0.1"}},
           Variables{{"VITALS_CHECK_A", "ftp://u:" + coded + "@127.0.0.1/?key=" + coded}},
           Variables{{"VITALS_CHECK_A", raw}},
           Variables{{"VITALS_CHECK_A", "http://u:" + raw + "@127.0.0.1/"}},
       }) {
    Command command{{vitals_binary(), "validate"}, variables, true, folder.path()};
    const Finished finished = run(command);
    CHECK(finished.code == 3);
    CHECK(canaries.found_in(finished.output) == "");
    command.argv = {vitals_binary(), "serve"};
    const Finished served = run(command);
    CHECK(served.code == 3);
    CHECK(canaries.found_in(served.output) == "");
  }
}

TEST_CASE("canary: what the client commands say of an agent that is not there has no secret") {
  const RefusingPort nobody;
  ScriptedServer echo(echo_http());
  Canaries canaries;
  const std::string password = percent_encoded(canaries.make("client"));
  const std::string token = canaries.make("clienttoken");
  const std::string query = percent_encoded(canaries.make("clientquery"));
  for (const std::string word : {"status", "drain", "undrain"}) {
    for (const std::string& address : {"127.0.0.1:" + std::to_string(nobody.port()), at(echo)}) {
      CAPTURE(word);
      const Finished finished = vitals(
          {word, "http://u:" + password + "@" + address + "/echo/raw/authorization?key=" + query},
          {{"VITALS_TOKEN", token}});
      CHECK(finished.code == 2);
      CHECK(finished.output.find(address) != std::string::npos);
      CHECK(canaries.found_in(finished.output) == "");
    }
  }
}

}  // namespace
}  // namespace vitals::test
