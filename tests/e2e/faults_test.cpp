// The static binary among dependencies that never let go: each attempt ends at its deadline, the
// next one comes in time, and neither healthy checks nor /health notice. Times are those that the
// probed servers and the kernel's tables saw.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <vitals/check.hpp>

#include "tests/support/agent.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/occurrences.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/resources.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/skipped.hpp"
#include "tests/support/sockets.hpp"

namespace vitals::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto interval = 500ms;
constexpr auto timeout = 400ms;
/// What the end of an attempt may differ from its deadline.
constexpr auto tolerance = 50ms;
/// What a busy machine may add.
constexpr auto busy = 150ms;
/// A byte each; far less than the deadline, so that a limit per read would never be over.
constexpr auto drip_pause = 40ms;

/// Compilers beside us must not decide what is measured: this thread and what it starts come first
/// where we may say so, which is where chroot(2) works, too. Not by a real-time policy: with that
/// the floods below keep their neighbours off the CPU.
class FavouredByKernel {
 public:
  FavouredByKernel() { setpriority(PRIO_PROCESS, 0, before_ - 10); }
  ~FavouredByKernel() { setpriority(PRIO_PROCESS, 0, before_); }
  FavouredByKernel(const FavouredByKernel&) = delete;
  FavouredByKernel& operator=(const FavouredByKernel&) = delete;

 private:
  int before_ = getpriority(PRIO_PROCESS, 0);
};

// ---------------------------------------------------------------- one agent in a root of its own

/// A root with the binary and what a test puts there; the agent in it resolves names with the
/// resolv.conf and hosts in there. Needs root, as chroot(2) does.
class Jail {
 public:
  Jail() : port_(free_port()) {
    std::filesystem::copy_file(vitals_binary(), root_.path() / "vitals");
    std::filesystem::permissions(root_.path() / "vitals", std::filesystem::perms(0755));
    std::filesystem::create_directory(root_.path() / "etc");
    root_.write("etc/hosts", "127.0.0.1 localhost\n");
  }

  void write(const std::string& name, const std::string& content) const {
    root_.write(name, content);
  }
  void start(const std::string& config, const std::vector<std::string>& before = {}) {
    write("vitals.toml",
          "[server]\nlisten = \"127.0.0.1:" + std::to_string(port_) + "\"\n" + config);
    std::vector<std::string> words = before;
    for (const std::string& word :
         std::vector<std::string>{"chroot", "--userspec=65534:65534", root_.path().string(),
                                  "/vitals", "serve", "--config", "/vitals.toml"}) {
      words.push_back(word);
    }
    process_ = std::make_unique<Process>(
        Command{words, {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}, true});
    const bool up = eventually([&] { return accepts_tcp(port_) || !process_->running(); });
    INFO(process_->output());
    REQUIRE((up && process_->running()));
  }

  [[nodiscard]] HttpAnswer get(const std::string& target) const { return http(port_, target); }
  [[nodiscard]] std::string reason_of(const std::string& check) const {
    const auto document = nlohmann::json::parse(get("/health/check/" + check).body, nullptr, false);
    if (document.is_discarded() || !document.contains("checks")) return "";
    for (const auto& [key, entries] : document["checks"].items()) {
      return entries.at(0).value("reason", "none");
    }
    return "";
  }
  [[nodiscard]] std::filesystem::path proc(const std::string& name) const {
    return std::filesystem::path("/proc") / std::to_string(process_->pid()) / name;
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Process& process() { return *process_; }

 private:
  TempDir root_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

// ---------------------------------------------------------------- misdeeds

void stay_silent(Visit&) {}
HostileServer::Script resets_after(const std::string& begun) {
  return [begun](Visit& visit) {
    visit.connection.read_some();
    visit.connection.send(begun);
    visit.connection.reset();
  };
}
/// Hears the first words, says `first`, and then a byte at a time.
HostileServer::Script drips(const std::string& first, char byte) {
  return [first, byte](Visit& visit) {
    visit.connection.read_some();
    visit.connection.send(first);
    visit.connection.drip(std::string(1'000, byte), drip_pause);
  };
}
HostileServer::Script floods(const std::string& first, const std::string& again) {
  return [first, again](Visit& visit) {
    visit.connection.read_some();
    visit.connection.send(first);
    visit.connection.send_endlessly(again);
  };
}
/// Endless, and slow enough to stay below every limit of size.
HostileServer::Script trickles(const std::string& first, const std::string& again) {
  return [first, again](Visit& visit) {
    visit.connection.read_some();
    visit.connection.send(first);
    for (int i = 0; i < 1'000; ++i) {  // nothing happens any more once the client is gone
      visit.connection.send(again.substr(1));
      visit.connection.drip(again.substr(0, 1), drip_pause);
    }
  };
}
/// As drips(), inside of TLS; `before` is what comes ahead of the handshake.
HostileServer::Script drips_in_tls(const std::string& first, char byte,
                                   const std::string& before = {}) {
  return [first, byte, before](Visit& visit) {
    if (!before.empty()) visit.connection.read_some();
    visit.connection.send(before);
    if (visit.connection.handshake()) drips(first, byte)(visit);
  };
}
HostileServer::Script says_once(const std::string& words) {
  return [words](Visit& visit) {
    visit.connection.read_some();
    visit.connection.send(words);
  };
}

// ---------------------------------------------------------------- Postgres, word by word

/// A message of the protocol, version 3: its type, its length, its body.
std::string pg_message(char type, const std::string& body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 4);
  std::string text(1, type);
  for (const int shift : {24, 16, 8, 0}) text += static_cast<char>((length >> shift) & 0xffU);
  return text + body;
}

const std::string pg_welcome = pg_message('R', std::string(4, '\0')) +
                               pg_message('K', std::string(8, '\1')) + pg_message('Z', "I");

/// Welcomes everyone, and says `answer` to each question again and again (nothing: silence).
HostileServer::Script pg_server(const std::string& answer) {
  return [answer](Visit& visit) {
    const std::string first = visit.connection.read_bytes();
    const std::string cancel_request("\0\0\0\x10\x04\xd2\x16\x2e", 8);
    visit.counts = !first.starts_with(cancel_request);
    if (!visit.counts) return;
    visit.connection.send(pg_welcome);
    if (answer.empty()) return;
    visit.connection.read_some();
    visit.connection.send_endlessly(answer);
  };
}

// ---------------------------------------------------------------- the crowd

/// A check of something hostile, and how its attempts look from the other side.
struct Hostile {
  std::string name;
  std::string settings;  // TOML
  std::string reason;
  bool to_the_deadline = true;  // else it is over as soon as the answer can't be good any more
  std::function<std::vector<SteadyPoint>()> starts;
  std::function<std::vector<Milliseconds>()> lifetimes;
};

std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }
std::string key(const std::string& name, const std::string& value) {
  return name + " = \"" + value + "\"\n";
}

/// Every kind with every misdeed that it can meet.
class Crowd {
 public:
  Crowd() {
    add_http();
    add_tcp();
    add_redis();
    add_postgres();
    add_unreachable("http", [](const std::string& host) { return key("url", "http://" + host); });
    add_unreachable("tcp", [](const std::string& host) { return key("address", host); });
    add_unreachable("redis", [](const std::string& host) { return key("url", "redis://" + host); });
    add_unreachable("postgres", [](const std::string& host) {
      return key("url", "postgres://app@" + host + "/app");
    });
    watch_ = std::make_unique<SocketWatch>();  // after what fills the backlogs
  }

  [[nodiscard]] const std::vector<Hostile>& members() const { return members_; }
  [[nodiscard]] std::string resolv_conf() const { return "nameserver " + names_.address() + "\n"; }
  [[nodiscard]] std::string authority() const { return read_all(authority_.ca_file()); }
  [[nodiscard]] std::vector<Milliseconds> lookups() const {
    return watch_->lifetimes(names_.port());
  }
  /// Every check has begun so many attempts.
  [[nodiscard]] bool all_began(std::size_t attempts) const {
    return std::all_of(members_.begin(), members_.end(),
                       [&](const Hostile& member) { return member.starts().size() >= attempts; });
  }
  [[nodiscard]] std::string config() const {
    std::string text;
    for (const auto& member : members_) {
      text += "[checks." + member.name + "]\njitter = 0.0\n" + member.settings;
    }
    return text;
  }

 private:
  static std::string read_all(const std::filesystem::path& file) {
    return run({{"cat", file.string()}}).output;
  }

  void add(const std::string& name, const std::string& kind, const std::string& reason,
           HostileServer::Script script, const std::function<std::string(std::uint16_t)>& more,
           bool to_the_deadline = true) {
    auto& server =
        *servers_.emplace_back(std::make_unique<HostileServer>(std::move(script), certified_));
    members_.push_back({kind + "-" + name, key("kind", kind) + more(server.port()), reason,
                        to_the_deadline, [&server] { return server.starts(); },
                        [&server] { return server.lifetimes(); }});
  }

  void add_http() {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const auto plain = [](std::uint16_t port) { return key("url", "http://" + at(port) + "/"); };
    const auto tls = [](std::uint16_t port) {
      return key("url", "https://" + at(port) + "/") + key("ca_file", "/ca.pem");
    };
    add("silent", "http", "timeout", stay_silent, plain);
    add("silent-tls", "http", "timeout", stay_silent, tls);
    add("drip-tls", "http", "timeout", drips_in_tls(head + "X: ", 'x'), tls);
    add("drip-head", "http", "timeout", drips(head + "X: ", 'x'), plain);
    add("drip-body", "http", "timeout", drips(head + "Content-Length: 1000\r\n\r\n", 'x'), plain);
    add("trickle-head", "http", "timeout", trickles(head + "X", "X: and again\r\n"), plain);
    add("trickle-body", "http", "timeout", trickles(head + "\r\n", std::string(1'000, 'x')), plain);
    add("flood-head", "http", "too_large", floods(head, "X-Again: and again\r\n"), plain, false);
    add("flood-body", "http", "too_large", floods(head + "\r\n", std::string(9'000, 'x')), plain,
        false);
    add("reset", "http", "reset", resets_after(head + "Content-Length: 9\r\n\r\nmid"), plain,
        false);
  }

  void add_tcp() {
    const auto plain = [](std::uint16_t port) {
      return key("address", at(port)) + key("send", "hello") + key("expect", "world");
    };
    const auto tls = [&](std::uint16_t port) {
      return plain(port) + "tls = true\n" + key("ca_file", "/ca.pem");
    };
    add("silent", "tcp", "timeout", stay_silent, plain);
    add("silent-tls", "tcp", "timeout", stay_silent, tls);
    add("drip-tls", "tcp", "timeout", drips_in_tls("wor", 'x'), tls);
    add("drip", "tcp", "timeout", drips("wor", 'x'), plain);
    add("flood", "tcp", "assertion", floods("", std::string(9'000, 'x')), plain, false);
    add("reset", "tcp", "reset", resets_after("wor"), plain, false);
  }

  void add_redis() {
    const auto plain = [](std::uint16_t port) { return key("url", "redis://" + at(port)); };
    const auto tls = [](std::uint16_t port) {
      return key("url", "rediss://" + at(port)) + key("ca_file", "/ca.pem");
    };
    add("silent", "redis", "timeout", stay_silent, plain);
    add("silent-tls", "redis", "timeout", stay_silent, tls);
    add("drip-tls", "redis", "timeout", drips_in_tls("$900\r\n", 'x'), tls);
    add("drip", "redis", "timeout", drips("$900\r\n", 'x'), plain);
    add("flood", "redis", "too_large", floods("$99999999\r\n", std::string(9'000, 'x')), plain,
        false);
    add("reset", "redis", "reset", resets_after("+PO"), plain, false);
  }

  void add_postgres() {
    const auto plain = [](std::uint16_t port) {
      return key("url", "postgres://app@" + at(port) + "/app?sslmode=disable");
    };
    const auto tls = [](std::uint16_t port) {
      return key("url", "postgres://app@" + at(port) + "/app?sslmode=require");
    };
    const std::string notice = pg_message('N', "SNOTICE\0C00000\0Magain\0"s + '\0');
    const std::string slow_login = pg_welcome.substr(0, 9) + "S\0\0\1\0"s;
    const std::string row = pg_message('D', "\0\1\0\0\0\1x"s);
    add("silent", "postgres", "timeout", stay_silent, plain);
    add("silent-tls", "postgres", "timeout", says_once("S"), tls);
    add("silent-later", "postgres", "timeout", pg_server(""), plain);
    add("drip-tls", "postgres", "timeout", drips_in_tls(slow_login, 'x', "S"), tls);
    add("drip", "postgres", "timeout", drips(slow_login, 'x'), plain);
    add("flood-notices", "postgres", "protocol", floods(pg_welcome.substr(0, 9), notice), plain,
        false);
    add("flood-rows", "postgres", "too_large",
        pg_server(pg_message('T', "\0\1a\0\0\0\0\0\0\0\0\0\0\x19\0\1\xff\xff\xff\xff\0\0"s) + row),
        plain, false);
    add("reset", "postgres", "reset", resets_after(pg_welcome.substr(0, 12)), plain, false);
  }

  /// An address that drops packets, and a name whose server never answers.
  void add_unreachable(const std::string& kind,
                       const std::function<std::string(const std::string&)>& settings) {
    auto& listener = *dropping_.emplace_back(std::make_unique<DeafListener>());
    listener.fill();
    const std::uint16_t port = listener.port();
    members_.push_back({kind + "-dropped", key("kind", kind) + settings(at(port)),
                        "connect_timeout", true, [this, port] { return watch_->starts(port); },
                        [this, port] { return watch_->lifetimes(port); }});
    const std::string host = kind + ".never.test";
    members_.push_back({kind + "-unnamed", key("kind", kind) + settings(host + ":1"), "dns", true,
                        [this, host] { return first_questions(host); },
                        [this] { return lookups(); }});
  }

  /// A lookup asks more than once; all of its questions come within the deadline.
  [[nodiscard]] std::vector<SteadyPoint> first_questions(const std::string& host) const {
    std::vector<SteadyPoint> starts;
    for (const auto& moment : names_.questions(host)) {
      if (starts.empty() || moment > starts.back() + timeout + tolerance) starts.push_back(moment);
    }
    return starts;
  }

  Authority authority_;
  Certificate certificate_ = authority_.valid();
  ScriptedOptions certified_{.certificate = certificate_.certificate, .key = certificate_.key};
  SilentNameServer names_;
  std::vector<std::unique_ptr<DeafListener>> dropping_;
  std::vector<std::unique_ptr<HostileServer>> servers_;
  std::vector<Hostile> members_;
  std::unique_ptr<SocketWatch> watch_;
};

// ---------------------------------------------------------------- times

std::vector<Milliseconds> gaps(const std::vector<SteadyPoint>& moments) {
  std::vector<Milliseconds> result;
  for (std::size_t i = 1; i < moments.size(); ++i) {
    result.emplace_back(moments[i] - moments[i - 1]);
  }
  return result;
}

/// What `share` of them are below.
Milliseconds quantile(std::vector<Milliseconds> times, double share) {
  REQUIRE(!times.empty());
  std::sort(times.begin(), times.end());
  return times[static_cast<std::size_t>(static_cast<double>(times.size()) * share)];
}

/// A busy machine makes some of them late, and us see some too late; what is late by itself is late
/// in the best quarter, too.
void check_times(const std::vector<Milliseconds>& times, Milliseconds low, Milliseconds high) {
  CHECK(quantile(times, 0.25).count() >= low.count());
  CHECK(quantile(times, 0.25).count() <= high.count());
  CHECK(quantile(times, 0.75).count() <= (high + busy).count());
}

std::string defaults(const std::string& every, const std::string& limit) {
  return "[defaults]\n" + key("interval", every) + key("timeout", limit);
}

// ---------------------------------------------------------------- healthy neighbours

/// An app, a port and a real Redis that answer at once, asked over a new connection each time.
class Neighbours {
 public:
  [[nodiscard]] std::string config() const {
    return "[checks.app]\n" + key("kind", "http") + key("url", app_.url()) + "[checks.port]\n" +
           key("kind", "tcp") + key("address", at(port_.port())) + "[checks.cache]\n" +
           key("kind", "redis") + key("url", "redis://" + at(cache_.port())) +
           key("connection", "fresh");
  }
  /// All pass, at gaps of interval * (1 +- jitter), and no round is left out.
  void check_on_time(const Jail& agent) const {
    const std::vector<std::pair<std::string, const ScriptedServer*>> all{
        {"app", &app_}, {"port", &port_}, {"cache", &cache_}};
    for (const auto& entry : all) {
      const std::string& name = entry.first;
      CAPTURE(name);
      CHECK(agent.get("/health/check/" + name).status == 200);
      CHECK(agent.reason_of(name) == "none");
      const auto accepts = entry.second->accepts();
      const auto times = gaps(accepts);
      check_times(times, 450ms, 550ms);
      const Milliseconds span = accepts.back() - accepts.front() - stalled_since(begin_);
      CHECK(static_cast<double>(times.size()) >= 0.85 * (span / interval));
    }
  }

 private:
  Stalls begin_ = stalls_so_far();
  RedisServer redis_;
  ScriptedServer app_{answering(http_answer("200 OK", "ok"))};
  ScriptedServer port_{[](ScriptedConnection& connection) { connection.hang(); }};
  ScriptedServer cache_{
      [this](ScriptedConnection& connection) { connection.tunnel(redis_.port()); }};
};

/// The most descriptors and threads seen, from outside.
struct Usage {
  std::size_t descriptors = 0;
  std::size_t threads = 0;

  void look(const Jail& agent) {
    descriptors = std::max(descriptors, entries_of(agent.proc("fd")));
    threads = std::max(threads, entries_of(agent.proc("task")));
  }
};

/// Asks /health and looks at the agent's usage until `done`; how long the answers took.
std::vector<Milliseconds> ask_until(const Jail& agent, Usage& usage,
                                    const std::function<bool()>& done) {
  std::vector<Milliseconds> times;
  REQUIRE(eventually(
      [&] {
        const auto begin = SteadyClock::now();
        const HttpAnswer answer = agent.get("/health");
        times.emplace_back(SteadyClock::now() - begin);
        REQUIRE((answer.status == 200 || answer.status == 503));
        usage.look(agent);
        return done();
      },
      60s));
  return times;
}

void check_ends(const Hostile& member) {
  const Milliseconds deadline = timeout;
  const auto low = member.to_the_deadline ? deadline - tolerance : Milliseconds(0);
  check_times(member.lifetimes(), low, deadline + tolerance);
}

TEST_CASE("faults: every hostile attempt ends at its deadline, and nobody else is late") {
  if (geteuid() != 0) return skipped("chroot takes root");
  const FavouredByKernel favoured;
  const Crowd crowd;
  const Neighbours neighbours;
  Jail agent;
  agent.write("etc/resolv.conf", crowd.resolv_conf());
  agent.write("ca.pem", crowd.authority());
  agent.start(defaults("500ms", "400ms") + crowd.config() + neighbours.config());

  // Rounds, not seconds: a leak of one descriptor a round by one kind must show.
  constexpr std::size_t rounds = 16;
  Usage none;
  Usage early;
  Usage late;
  ask_until(agent, none, [&] { return crowd.all_began(2); });
  ask_until(agent, early, [&] { return crowd.all_began(4); });
  constexpr std::size_t answers_min = 200;
  std::size_t asked = 0;
  auto answers =
      ask_until(agent, none, [&] { return ++asked >= answers_min && crowd.all_began(rounds); });
  ask_until(agent, late, [&] { return crowd.all_began(rounds + 2); });

  CHECK(answers.size() >= answers_min);
  CHECK(quantile(answers, 0.5) < 10ms);
  // Rounds differ in which attempts overlap with the healthy ones, with /health, and with the
  // cancel requests.
  constexpr std::size_t overlap = 6;
  CHECK(late.descriptors <= early.descriptors + overlap);
  CHECK(late.threads <= early.threads);

  for (const Hostile& member : crowd.members()) {
    CAPTURE(member.name);
    // The keeper speaks for a probe that got no CPU, and says timeout.
    CHECK_MESSAGE(eventually([&] { return agent.reason_of(member.name) == member.reason; }, 10s),
                  agent.reason_of(member.name));
    check_ends(member);
    check_times(gaps(member.starts()), interval - 10ms, interval + 25ms);
  }
  neighbours.check_on_time(agent);
  CHECK(agent.process().stop(SIGTERM, 2s) == 0);
}

TEST_CASE("faults: TERM ends an agent whose every check hangs within 2 s") {
  if (geteuid() != 0) return skipped("chroot takes root");
  const Crowd crowd;
  Jail agent;
  agent.write("etc/resolv.conf", crowd.resolv_conf());
  agent.write("ca.pem", crowd.authority());
  agent.start(defaults("90s", "80s") + crowd.config());
  REQUIRE(eventually([&] { return crowd.all_began(1); }));
  CHECK(agent.get("/health").status == 503);
  CHECK(agent.process().stop(SIGTERM, 2s) == 0);
}

TEST_CASE("faults: with 128 descriptors and 256 idle clients both answers and probes go on") {
  if (geteuid() != 0) return skipped("chroot takes root");
  const FavouredByKernel favoured;
  const Neighbours neighbours;
  const HostileServer silent(stay_silent);
  std::string config = defaults("500ms", "400ms") + neighbours.config();
  for (int i = 0; i < 8; ++i) {
    config += "[checks.silent" + std::to_string(i) + "]\n" + key("kind", "tcp") +
              key("address", at(silent.port())) + key("expect", "anything") + key("impact", "info");
  }
  Jail agent;
  agent.start(config, {"prlimit", "--nofile=128"});
  REQUIRE(eventually([&] { return agent.get("/health?format=line").status == 200; }));

  std::vector<RawClient> idle;
  for (int i = 0; i < 256; ++i) {
    idle.emplace_back(agent.port());
    if (i % 2 == 1) idle.back().send("GET /health HTT");
  }
  const auto before = silent.starts().size();
  Usage usage;
  constexpr std::size_t attempts = 8 * 8;
  ask_until(agent, usage, [&] { return silent.starts().size() >= before + attempts; });
  CHECK(usage.descriptors <= 128);
  CHECK(agent.get("/health").status == 200);
  CHECK(agent.reason_of("silent0") == "timeout");
  neighbours.check_on_time(agent);
  CHECK(agent.get("/metrics").body.find("reason=\"internal\"") == std::string::npos);
}

TEST_CASE("faults: 1,000 checks start where shells give 1,024 descriptors and the kernel more") {
  if (geteuid() != 0) return skipped("chroot takes root");
  const DeafListener silent("127.0.0.1", 0, 2'000);  // all of them hang at once
  std::string config = defaults("10s", "1500ms");
  for (int i = 0; i < static_cast<int>(checks_max); ++i) {
    config += "[checks.c" + std::to_string(i) + "]\n" + key("kind", "tcp") +
              key("address", at(silent.port())) + key("expect", "a word");
  }
  Jail agent;
  agent.start(config, {"prlimit", "--nofile=1024:8192"});
  const auto all_asked = [&] {
    const std::string page = agent.get("/metrics").body;
    // On a slow machine the first are asked again before the last have been asked once.
    const auto asked =
        occurrences(page, "reason=\"timeout\"} ") - occurrences(page, "reason=\"timeout\"} 0\n");
    return asked == checks_max || !agent.process().running();
  };
  CHECK(eventually(all_asked));
  INFO(agent.process().output());
  CHECK(agent.process().running());
}

}  // namespace
}  // namespace vitals::test
