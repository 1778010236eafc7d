// Paths, methods, codes, formats and permissions of the endpoints, without a socket.
#include "agent/serve/endpoints.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/verdict/last_attempt.hpp"
#include "tests/support/verdict_fixture.hpp"

using namespace vitals;

namespace {

std::shared_ptr<const CheckState> state(const std::string& name, Status status, Impact impact) {
  auto spec = test::spec(name);
  spec->impact = impact;
  auto made = fresh_state(spec, test::at(0));
  made.status = status;
  made.ever_passed = true;
  made.ever_finished = true;
  made.evidence_at = made.alive_at = test::at(0).mono;
  return std::make_shared<const CheckState>(std::move(made));
}

/// Endpoints over a snapshot and a clock that the test sets.
struct Fixture {
  std::shared_ptr<const Snapshot> latest;
  Instant now = test::at(1);
  int drained = 0;
  int undrained = 0;
  std::vector<std::string> mutes;
  std::vector<std::string> holds;
  History history;
  std::vector<std::string> heartbeats;
  Endpoints endpoints{
      {.snapshot = [this] { return latest; },
       .now = [this] { return now; },
       .metrics = [](bool openmetrics) { return openmetrics ? "# EOF\n" : "x 1\n"; },
       .drain = [this](bool on) { ++(on ? drained : undrained); },
       .mute =
           [this](std::string_view check, Duration ttl) {
             mutes.push_back(std::string(check) + " " + std::to_string(ttl.count()));
             return check == "db";
           },
       .unmute =
           [this](std::string_view check) {
             mutes.push_back("-" + std::string(check));
             return check == "db";
           },
       .hold =
           [this](std::string_view name, Duration ttl) {
             holds.push_back(std::string(name) + " " + std::to_string(ttl.count()));
             return name != "one-too-many";
           },
       .release = [this](std::string_view name) { holds.push_back("-" + std::string(name)); },
       .next_attempt = [](std::string_view) { return test::at(7).mono; },
       .history = &history,
       .heartbeat =
           [this](std::string_view check) {
             heartbeats.emplace_back(check);
             return check == "cache";
           },
       .identity = {}}};

  explicit Fixture(Status db = Status::pass, Status cache = Status::pass) { set(db, cache); }

  void set(Status db, Status cache) {
    Snapshot snapshot;
    snapshot.generation = latest ? latest->generation + 1 : 1;
    snapshot.started = test::at(0);
    snapshot.startup_latched = true;
    snapshot.checks = {state("db", db, Impact::critical), state("cache", cache, Impact::degraded)};
    latest = std::make_shared<const Snapshot>(std::move(snapshot));
  }
  void details(Details details, const std::string& token = "") {
    endpoints.configure({details, Text::fixed(token)});
  }
  HttpReply get(const std::string& path, std::multimap<std::string, std::string> query = {}) {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = std::move(query);
    return endpoints.handle(request);
  }
  HttpReply put(const std::string& path, std::multimap<std::string, std::string> query = {}) {
    HttpRequest request;
    request.method = "PUT";
    request.path = path;
    request.query = std::move(query);
    request.from_loopback = true;
    return endpoints.handle(request);
  }
  HttpReply send(const std::string& method, const std::string& path, bool loopback = true,
                 bool forwarded = false, const std::string& authorization = "") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.from_loopback = loopback;
    request.forwarded = forwarded;
    request.authorization = authorization;
    return endpoints.handle(request);
  }
};

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("endpoints: verdicts are 200 for pass and warn, 503 for fail") {
  Fixture fixture;
  CHECK(fixture.get("/health").status == 200);
  fixture.set(Status::pass, Status::fail);
  CHECK(fixture.get("/health").status == 200);
  CHECK(fixture.get("/health").body.find("\"status\": \"warn\"") != std::string::npos);
  fixture.set(Status::fail, Status::pass);
  CHECK(fixture.get("/health").status == 503);
  CHECK(fixture.get("/health/check/db").status == 503);
  CHECK(fixture.get("/health/check/cache").status == 200);
  CHECK(fixture.get("/health/live").status == 200);
  CHECK(fixture.get("/health/startup").status == 200);
}

TEST_CASE("endpoints: each alias answers and counts as its original") {
  Fixture fixture(Status::fail);
  const std::vector<std::vector<std::string>> rows{{"/health", "/healthz", "health"},
                                                   {"/health/ready", "/readyz", "ready"},
                                                   {"/health/live", "/livez", "live"},
                                                   {"/health/startup", "/startupz", "startup"}};
  for (const auto& row : rows) {
    const auto original = fixture.get(row[0]);
    const auto alias = fixture.get(row[1]);
    CAPTURE(row[0]);
    CHECK(original.endpoint == row[2]);
    CHECK(alias.endpoint == row[2]);
    CHECK(alias.status == original.status);
    CHECK(alias.body == original.body);
    CHECK(alias.content_type == "application/health+json");
  }
  CHECK(fixture.get("/health/check/db").endpoint == "check");
  CHECK(fixture.get("/metrics").endpoint == "metrics");
  CHECK(fixture.send("POST", "/drain").endpoint == "control");
}

TEST_CASE("endpoints: ?fail= moves the code where the contract lets it, never the document") {
  Fixture fixture(Status::pass, Status::fail);
  CHECK(fixture.get("/health", {{"fail", "any"}}).status == 503);
  CHECK(fixture.get("/healthz", {{"fail", "any"}}).status == 503);
  CHECK(fixture.get("/health", {{"fail", "sometimes"}}).status == 200);
  CHECK(fixture.get("/health/check/cache", {{"fail", "any"}}).status == 503);
  fixture.set(Status::fail, Status::pass);
  const auto never = fixture.get("/health", {{"fail", "never"}});
  CHECK(never.status == 200);
  CHECK(never.body.find("\"status\": \"fail\"") != std::string::npos);
  CHECK(fixture.get("/health/check/db", {{"fail", "never"}}).status == 200);
  fixture.set(Status::pass, Status::pass);
  CHECK(fixture.get("/health", {{"fail", "any"}}).status == 200);
}

TEST_CASE("endpoints: live and startup do not listen to ?fail=") {
  Fixture fixture;
  Snapshot snapshot = *fixture.latest;
  ++snapshot.generation;
  snapshot.startup_latched = false;
  fixture.latest = std::make_shared<const Snapshot>(snapshot);
  CHECK(fixture.get("/health/startup").status == 503);
  CHECK(fixture.get("/health/startup", {{"fail", "never"}}).status == 503);
}

TEST_CASE("endpoints: a stuck agent answers 503 on every health endpoint") {
  Fixture fixture;
  fixture.now = test::at(3'600);  // nothing has shown a sign of life for an hour
  for (const auto* path : {"/health", "/health/ready", "/health/live", "/health/startup",
                           "/health/check/db", "/healthz", "/readyz", "/livez", "/startupz"}) {
    CAPTURE(path);
    CHECK(fixture.get(path).status == 503);
  }
  CHECK(fixture.get("/metrics").status == 200);
}

TEST_CASE("endpoints: time alone turns a kept answer, to the nanosecond the judgement ends") {
  Fixture fixture;
  fixture.now = test::at(34.9);
  CHECK(fixture.get("/health").status == 200);
  fixture.now = test::at(35.001);  // interval 10 s, timeout 5 s: stale after 35 s, the same second
  CHECK(fixture.get("/health").status == 503);
}

TEST_CASE("endpoints: a body that may be shared is the same one, and ends as soon as any other") {
  Fixture fixture;
  HttpRequest request;
  request.method = "GET";
  request.path = "/health";
  request.may_share = true;
  fixture.now = test::at(34.9);
  const auto first = fixture.endpoints.handle(request);
  REQUIRE(first.shared != nullptr);
  CHECK(first.body.empty());
  CHECK(*first.shared == fixture.get("/health").body);
  CHECK(fixture.endpoints.handle(request).shared == first.shared);
  fixture.now = test::at(35.001);
  const auto stale = fixture.endpoints.handle(request);
  CHECK(stale.status == 503);
  CHECK(stale.shared->find("\"reason\": \"stale\"") != std::string::npos);
  CHECK(first.shared->find("\"status\": \"pass\"") != std::string::npos);
}

TEST_CASE("endpoints: a new snapshot in the same second is a new answer") {
  Fixture fixture;
  const auto before = fixture.get("/health");
  fixture.set(Status::fail, Status::pass);
  CHECK(before.status == 200);
  CHECK(fixture.get("/health").status == 503);
  CHECK(fixture.get("/health", {{"format", "line"}}).body.starts_with("fail"));
}

TEST_CASE("endpoints: uptime grows with the seconds though nothing else happens") {
  Fixture fixture;
  fixture.now = test::at(5);
  const auto first = fixture.get("/health").body;
  fixture.now = test::at(5.5);
  CHECK(fixture.get("/health").body == first);
  fixture.now = test::at(6.5);
  CHECK(fixture.get("/health").body != first);
}

TEST_CASE("endpoints: the format follows ?format= and Accept") {
  Fixture fixture;
  CHECK(fixture.get("/health", {{"format", "line"}}).content_type == "text/plain; charset=utf-8");
  CHECK(fixture.get("/health", {{"format", "text"}}).body.starts_with("pass: "));
  CHECK(fixture.get("/health", {{"format", "html"}}).content_type == "text/html; charset=utf-8");
  CHECK(fixture.get("/health", {{"format", "xml"}}).content_type == "application/health+json");
  HttpRequest request;
  request.method = "GET";
  request.path = "/health";
  request.accept = "text/plain";
  CHECK(fixture.endpoints.handle(request).content_type == "text/plain; charset=utf-8");
  request.path = "/metrics";
  CHECK(fixture.endpoints.handle(request).body == "x 1\n");
  request.accept = "application/openmetrics-text";
  CHECK(fixture.endpoints.handle(request).body == "# EOF\n");
  CHECK(fixture.endpoints.handle(request).content_type.starts_with("application/openmetrics-text"));
}

TEST_CASE("endpoints: hidden details leave the bare status, for one check too") {
  Fixture fixture(Status::fail);
  fixture.details(Details::private_, "secret");
  const auto through_proxy = fixture.send("GET", "/health", false, true);
  CHECK(through_proxy.status == 503);
  CHECK(through_proxy.body.find("db") == std::string::npos);
  CHECK(fixture.send("GET", "/health/check/db", false, true).body.find("db") == std::string::npos);
  CHECK(fixture.send("GET", "/health", true, true).body == through_proxy.body);
  CHECK(fixture.send("GET", "/health", false, true, "Bearer wrong").body == through_proxy.body);
  CHECK(fixture.send("GET", "/health", false, true, "Bearer secret").body.find("\"db") !=
        std::string::npos);
  CHECK(fixture.send("GET", "/health", false, false).body.find("\"db") != std::string::npos);
  fixture.details(Details::never, "secret");
  CHECK(fixture.send("GET", "/health", true, false, "Bearer secret").body == through_proxy.body);
  CHECK(fixture.get("/health", {{"format", "line"}}).body == "fail\n");
  CHECK(fixture.get("/health", {{"format", "text"}}).body == "fail\n");
}

TEST_CASE("endpoints: other Machines learn of the latest attempt, hidden or not; no proxy does") {
  const std::string name(last_attempt_header);
  Fixture fixture;
  CHECK(header(fixture.get("/health/check/db"), name) == "none");
  auto asked = *fixture.latest->checks[0];
  asked.last = test::sample(passed(""), 0.5);
  auto snapshot = *fixture.latest;
  ++snapshot.generation;
  snapshot.checks[0] = std::make_shared<const CheckState>(asked);
  fixture.latest = std::make_shared<const Snapshot>(snapshot);
  const std::string told = "pass; began_ms=600; ended_ms=500";
  CHECK(header(fixture.get("/health/check/db"), name) == told);
  fixture.details(Details::never);
  CHECK(header(fixture.get("/health/check/db"), name) == told);
  fixture.now = test::at(1.25);
  CHECK(header(fixture.get("/health/check/db"), name) == "pass; began_ms=850; ended_ms=750");
  CHECK(header(fixture.send("GET", "/health/check/db", false, true), name).empty());
  CHECK(header(fixture.get("/health"), name).empty());
  CHECK(header(fixture.get("/health/check/nobody"), name).empty());
}

TEST_CASE("endpoints: a group says none while it passes on members that rest, hidden or not") {
  const std::string name(last_attempt_header);
  Fixture fixture;
  const auto group = test::spec("both");
  group->members = {"db", "cache"};
  group->need = 2;
  const auto serve = [&](bool cache_rests) {
    auto snapshot = *fixture.latest;
    ++snapshot.generation;
    for (auto& check : snapshot.checks) {
      auto member = *check;
      member.last = test::sample(passed(""), 0.5);
      const bool rests = cache_rests && member.spec->name == "cache";
      member.paused_since = rests ? std::optional(test::at(0.75).mono) : std::nullopt;
      check = std::make_shared<const CheckState>(member);
    }
    if (snapshot.checks.size() == 2) {
      auto both = fresh_state(group, test::at(0));
      both.status = Status::pass;
      snapshot.checks.push_back(std::make_shared<const CheckState>(both));
    }
    fixture.latest = std::make_shared<const Snapshot>(snapshot);
  };
  serve(false);
  CHECK(fixture.get("/health/check/both").status == 200);
  CHECK(header(fixture.get("/health/check/both"), name).empty());
  for (const Details details : {Details::always, Details::never}) {
    fixture.details(details);
    serve(true);
    CHECK(header(fixture.get("/health/check/both"), name) == "none");
    CHECK(header(fixture.get("/health/check/db"), name).starts_with("pass; "));
    CHECK(header(fixture.send("GET", "/health/check/both", false, true), name).empty());
    serve(false);
    CHECK(header(fixture.get("/health/check/both"), name).empty());
  }
}

TEST_CASE("endpoints: control is for the token or for this machine") {
  Fixture fixture;
  fixture.details(Details::private_, "secret");
  CHECK(fixture.send("POST", "/drain").status == 204);
  CHECK(fixture.send("POST", "/drain", false, true, "Bearer secret").status == 204);
  CHECK(fixture.drained == 2);
  CHECK(fixture.send("POST", "/undrain").status == 204);
  CHECK(fixture.undrained == 1);
  CHECK(fixture.send("POST", "/undrain").body.empty());
  for (const auto* authorization : {"", "Bearer wrong", "Bearer ", "Basic secret"}) {
    CHECK(fixture.send("POST", "/drain", false, false, authorization).status == 403);
    CHECK(fixture.send("POST", "/drain", true, true, authorization).status == 403);
  }
  CHECK(fixture.drained == 2);
  fixture.details(Details::private_, "");
  CHECK(fixture.send("POST", "/drain", false, false, "Bearer ").status == 403);
}

TEST_CASE("endpoints: the page is 200 whatever the verdict, a health path as HTML is not") {
  Fixture fixture(Status::fail);
  const auto page = fixture.get("/");
  CHECK(page.status == 200);
  CHECK(page.endpoint == "page");
  CHECK(page.content_type == "text/html; charset=utf-8");
  CHECK(header(page, "Content-Security-Policy").starts_with("default-src 'none'"));
  CHECK(page.body.find("Failing</h1>") != std::string::npos);
  CHECK(fixture.get("/health", {{"format", "html"}}).status == 503);
  CHECK(fixture.get("/health/check/cache", {{"format", "html"}}).status == 200);
  CHECK(fixture.get("/", {{"format", "json"}}).status == 503);
  CHECK(header(fixture.get("/health"), "Content-Security-Policy").empty());
}

TEST_CASE("endpoints: page and history are made on the worker") {
  Fixture fixture;
  HttpRequest request;
  request.method = "GET";
  request.may_defer = true;
  for (const auto* path : {"/", "/history"}) {
    CAPTURE(path);
    request.path = path;
    CHECK(fixture.endpoints.handle(request).defer);
  }
  static_cast<void>(fixture.get("/"));
  request.path = "/";
  CHECK_FALSE(fixture.endpoints.handle(request).defer);
}

TEST_CASE("endpoints: history of all checks or of one, for those who may see details") {
  Fixture fixture;
  const auto all = fixture.get("/history");
  CHECK(all.status == 200);
  CHECK(all.endpoint == "history");
  CHECK(all.content_type == "application/json");
  CHECK(all.body.find("\"cache\"") != std::string::npos);
  const auto one = fixture.get("/history", {{"check", "db"}});
  CHECK(one.body.find("\"check\": \"db\"") != std::string::npos);
  CHECK(one.body.find("\"next_attempt\"") != std::string::npos);
  const auto unknown = fixture.get("/history", {{"check", "cahce"}});
  CHECK(unknown.status == 404);
  CHECK(unknown.body == "{\"error\": \"no check 'cahce'; did you mean 'cache'?\"}\n");
  fixture.details(Details::private_, "secret");
  const auto hidden = fixture.send("GET", "/history", false, true);
  CHECK(hidden.status == 403);
  CHECK(hidden.body.find("db") == std::string::npos);
  CHECK(hidden.body.find("show the bearer token") != std::string::npos);
  CHECK(fixture.send("GET", "/history", false, true, "Bearer secret").status == 200);
}

TEST_CASE("endpoints: where no token would help, none is advised") {
  Fixture fixture;
  fixture.details(Details::never, "secret");
  const auto hidden = fixture.send("GET", "/history", true, false, "Bearer secret");
  CHECK(hidden.status == 403);
  CHECK(hidden.body.find("from everyone") != std::string::npos);
  CHECK(hidden.body.find("bearer") == std::string::npos);
  // There is none that anybody could show.
  fixture.details(Details::token);
  CHECK(fixture.send("GET", "/history").body.find("no token is set") != std::string::npos);
  fixture.details(Details::private_);
  const auto proxied = fixture.send("GET", "/history", false, true);
  CHECK(proxied.status == 403);
  CHECK(proxied.body.find("through a proxy") != std::string::npos);
  CHECK(proxied.body.find("bearer") == std::string::npos);
  fixture.details(Details::token, "secret");
  CHECK(fixture.send("GET", "/history").body.find("show the bearer token") != std::string::npos);
}

TEST_CASE("endpoints: a mute takes 1 h, or a ttl of at most 24 h, and ends when asked") {
  Fixture fixture;
  CHECK(fixture.put("/mute/db").status == 204);
  CHECK(fixture.put("/mute/db", {{"ttl", "10m"}}).status == 204);
  CHECK(fixture.put("/mute/db", {{"ttl", "24h"}}).status == 204);
  CHECK(fixture.send("DELETE", "/mute/db").status == 204);
  CHECK(fixture.mutes == std::vector<std::string>{"db 3600000", "db 600000", "db 86400000", "-db"});
  CHECK(fixture.put("/mute/db").endpoint == "control");
  CHECK(fixture.put("/mute/db").body.empty());
}

TEST_CASE("endpoints: a hold takes 10 min, or a ttl of at most 24 h, and ends when asked") {
  Fixture fixture;
  CHECK(fixture.put("/busy/import").status == 204);
  CHECK(fixture.put("/busy/import", {{"ttl", "90s"}}).status == 204);
  CHECK(fixture.put("/busy/a_b-1", {{"ttl", "24h"}}).status == 204);
  CHECK(fixture.send("DELETE", "/busy/import").status == 204);
  CHECK(fixture.send("DELETE", "/busy/never-begun").status == 204);
  CHECK(fixture.holds == std::vector<std::string>{"import 600000", "import 90000", "a_b-1 86400000",
                                                  "-import", "-never-begun"});
  CHECK(fixture.put("/busy/import").endpoint == "control");
}

TEST_CASE("endpoints: a hold with a bad name or ttl is 400, one too many 409, a stranger's 403") {
  Fixture fixture;
  for (const char* name : {"", "Import", "a b", "a/b", "../x"}) {
    CAPTURE(name);
    CHECK(fixture.put(std::string("/busy/") + name).status == 400);
    CHECK(fixture.send("DELETE", std::string("/busy/") + name).status == 400);
  }
  CHECK(fixture.put("/busy/" + std::string(64, 'a')).status == 400);
  for (const char* ttl : {"0s", "25h", "soon", "-1m", "10"}) {
    CAPTURE(ttl);
    const auto reply = fixture.put("/busy/import", {{"ttl", ttl}});
    CHECK(reply.status == 400);
    CHECK(reply.body.find("at most 24h") != std::string::npos);
  }
  for (const char* method : {"PUT", "DELETE"}) {
    CHECK(fixture.send(method, "/busy/import", true, true).status == 403);
    CHECK(fixture.send(method, "/busy/import", false).status == 403);
  }
  CHECK(fixture.holds.empty());
  const auto full = fixture.put("/busy/one-too-many");
  CHECK(full.status == 409);
  CHECK(full.body.find("64 holds already") != std::string::npos);
  CHECK(fixture.get("/busy/import").status == 405);
  CHECK(fixture.send("POST", "/busy/import").status == 405);
}

TEST_CASE("endpoints: a heartbeat is 204, of another kind or an unknown name 404") {
  Fixture fixture;
  const auto reply = fixture.send("POST", "/heartbeat/cache");
  CHECK(reply.status == 204);
  CHECK(reply.body.empty());
  CHECK(reply.endpoint == "control");
  const auto other = fixture.send("POST", "/heartbeat/db");
  CHECK(other.status == 404);
  CHECK(other.body.find("'db' is no heartbeat") != std::string::npos);
  const auto unknown = fixture.send("POST", "/heartbeat/cahce");
  CHECK(unknown.status == 404);
  CHECK(unknown.body.find("did you mean 'cache'?") != std::string::npos);
  CHECK(fixture.heartbeats == std::vector<std::string>{"cache", "db", "cahce"});
}

TEST_CASE("endpoints: a heartbeat of a stranger is 403 and not noted; only POST is a heartbeat") {
  Fixture fixture;
  fixture.details(Details::private_, "s3cret-token");
  CHECK(fixture.send("POST", "/heartbeat/cache", false).status == 403);
  CHECK(fixture.send("POST", "/heartbeat/nosuch", false).status == 403);
  CHECK(fixture.send("POST", "/heartbeat/cache", true, true).status == 403);
  CHECK(fixture.send("POST", "/heartbeat/cache", false, false, "Bearer wrong").status == 403);
  const auto get = fixture.get("/heartbeat/cache");
  CHECK(get.status == 405);
  CHECK(fixture.send("PUT", "/heartbeat/cache").status == 405);
  CHECK(fixture.heartbeats.empty());
  CHECK(fixture.send("POST", "/heartbeat/cache", false, true, "Bearer s3cret-token").status == 204);
  CHECK(fixture.heartbeats.size() == 1);
}

TEST_CASE("endpoints: a mute with a bad ttl is 400, of an unknown check 404, of a stranger 403") {
  Fixture fixture;
  for (const auto* ttl : {"24h1s", "0s", "-1h", "10", "soon", "1e9h"}) {
    CAPTURE(ttl);
    const auto reply = fixture.put("/mute/db", {{"ttl", ttl}});
    CHECK(reply.status == 400);
    CHECK(reply.body.find("at most 24h") != std::string::npos);
  }
  CHECK(fixture.mutes.empty());
  const auto unknown = fixture.put("/mute/cahce");
  CHECK(unknown.status == 404);
  CHECK(unknown.body == "{\"error\": \"no check 'cahce'; did you mean 'cache'?\"}\n");
  CHECK(fixture.send("DELETE", "/mute/nosuch").status == 404);
  fixture.mutes.clear();
  for (const auto* method : {"PUT", "DELETE"}) {
    CHECK(fixture.send(method, "/mute/db", true, true).status == 403);
    CHECK(fixture.send(method, "/mute/db", false).status == 403);
    CHECK(fixture.send(method, "/mute/nosuch", false).status == 403);
  }
  CHECK(fixture.mutes.empty());
  const auto reply = fixture.get("/mute/db");
  CHECK(reply.status == 405);
  CHECK(header(reply, "Allow") == "PUT, DELETE");
}

TEST_CASE("endpoints: a token in a file is read by the worker alone, and once a second") {
  Fixture fixture;
  int reads = 0;
  fixture.endpoints.configure({Details::token, Text([&]() -> Result<std::string> {
                                 ++reads;
                                 return std::string("token-") + std::to_string(reads);
                               })});
  HttpRequest request;
  request.method = "GET";
  request.path = "/health";
  const auto shows_names = [&](const std::string& token, bool may_defer) {
    request.authorization = token.empty() ? "" : "Bearer " + token;
    request.may_defer = may_defer;
    const auto reply = fixture.endpoints.handle(request);
    return reply.defer ? "later" : reply.body.find("\"db\"") == std::string::npos ? "no" : "yes";
  };
  CHECK(shows_names("", true) == "no");
  CHECK(reads == 0);
  CHECK(shows_names("token-1", true) == "later");
  CHECK(reads == 0);
  CHECK(shows_names("token-1", false) == "yes");
  CHECK(shows_names("token-1", true) == "yes");
  CHECK(shows_names("token-2", true) == "no");
  CHECK(reads == 1);
  fixture.now = test::at(2.5);
  CHECK(shows_names("token-2", true) == "later");
  CHECK(shows_names("token-2", false) == "yes");
  CHECK(shows_names("token-1", true) == "no");
  CHECK(reads == 2);

  SUBCASE("and not at all for what needs none") {
    fixture.now = test::at(10);
    CHECK(fixture.send("POST", "/drain", true).status == 204);
    CHECK(reads == 2);
  }
  SUBCASE("control takes the token of this moment, however lately it was read") {
    CHECK(fixture.send("POST", "/drain", false, false, "Bearer token-2").status == 403);
    CHECK(fixture.send("POST", "/drain", false, false, "Bearer token-4").status == 204);
    CHECK(reads == 4);
  }
  SUBCASE("control from elsewhere waits for it as well") {
    fixture.now = test::at(10);
    request.method = "POST";
    request.path = "/drain";
    request.from_loopback = false;
    request.authorization = "Bearer token-3";
    request.may_defer = true;
    CHECK(fixture.endpoints.handle(request).defer);
    CHECK(fixture.drained == 0);
    request.may_defer = false;
    CHECK(fixture.endpoints.handle(request).status == 204);
    CHECK(fixture.drained == 1);
  }
}

TEST_CASE("endpoints: a wrong method is 405 with the right Allow, an unknown path 404") {
  Fixture fixture;
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "TRACE"}) {
    for (const auto* path : {"/health", "/readyz", "/health/check/db", "/metrics"}) {
      const auto reply = fixture.send(method, path);
      CHECK(reply.status == 405);
      CHECK(header(reply, "Allow") == "GET, HEAD");
    }
  }
  for (const auto* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) {
    const auto reply = fixture.send(method, "/drain");
    CHECK(reply.status == 405);
    CHECK(header(reply, "Allow") == "POST");
  }
  CHECK(fixture.drained == 0);
  for (const auto* path : {"", "*", "/Health", "/health/", "/health/check", "/history/", "/busy",
                           "/mute", "/heartbeat", "/metrics/"}) {
    CAPTURE(path);
    const auto reply = fixture.get(path);
    CHECK(reply.status == 404);
    CHECK(reply.endpoint == "other");
    CHECK(reply.body.find("/health") != std::string::npos);
  }
}

TEST_CASE("endpoints: an unknown check is 404 and, to those who may see names, has a suggestion") {
  Fixture fixture;
  CHECK(fixture.get("/health/check/").status == 404);
  CHECK(fixture.get("/health/check/db/").status == 404);
  const auto reply = fixture.get("/health/check/cahce");
  CHECK(reply.status == 404);
  CHECK(reply.endpoint == "check");
  CHECK(reply.content_type == "application/json");
  CHECK(reply.body == "{\"error\": \"no check 'cahce'; did you mean 'cache'?\"}\n");
  CHECK(fixture.get("/health/check/cahce", {{"fail", "never"}}).status == 404);
  CHECK(fixture.get("/health/check/a\"\x01<b").body.find('\x01') == std::string::npos);
  fixture.details(Details::never);
  CHECK(fixture.get("/health/check/cahce").body == "{\"error\": \"no such check\"}\n");
}

TEST_CASE("endpoints: a long list of checks is deferred until somebody has rendered it") {
  Fixture fixture;
  Snapshot many = *fixture.latest;
  ++many.generation;
  for (int i = 0; i < 200; ++i) {
    many.checks.push_back(state("c" + std::to_string(i), Status::pass, Impact::info));
  }
  fixture.latest = std::make_shared<const Snapshot>(std::move(many));
  HttpRequest request;
  request.method = "GET";
  request.path = "/health";
  request.may_defer = true;
  CHECK(fixture.endpoints.handle(request).defer);
  const auto rendered = fixture.get("/health");
  CHECK_FALSE(rendered.defer);
  const auto known = fixture.endpoints.handle(request);
  CHECK_FALSE(known.defer);
  CHECK(known.body == rendered.body);
  request.path = "/health/check/c7";
  CHECK_FALSE(fixture.endpoints.handle(request).defer);
}
