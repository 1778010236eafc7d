// The kind `redis`: can this Redis do what an app asks of it, not merely: is it alive.
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vitals/kind.hpp>

#include "probes/net.hpp"
#include "probes/redis_classify.hpp"
#include "probes/redis_connection.hpp"
#include "probes/redis_info.hpp"
#include "probes/redis_pubsub.hpp"
#include "probes/redis_url.hpp"
#include "probes/tls.hpp"

namespace vitals {
namespace {

using redis::Answers;
using redis::Command;
using redis::Connection;
using redis::ErrorKind;
using redis::ExpectedRole;
using redis::Info;
using redis::RedisExchange;
using redis::Reply;
using redis::Server;

constexpr const char* probe_key = "vitals:probe";
constexpr const char* write_lifetime_ms = "10000";
constexpr Duration interval_default{15'000};  // providers bill each command

// ---- what the kind declares -----------------------------------------------------------------

constexpr std::array<SettingSpec, 7> own_settings{{
    {.name = "url",
     .type = SettingType::live_text,
     .doc = "redis://user:password@host:port/db, rediss, valkey, valkeys, or "
            "unix:///path?db=0&password=...; an attempt costs 2 commands (PING, EXISTS), 1 more "
            "with expect_role, 1 with write_check",
     .required = true,
     .url = true},
    {.name = "expect_role",
     .type = SettingType::choice,
     .fallback = "any",
     .doc = "the role the server must have; asks ROLE each attempt",
     .choices = "any|master|replica"},
    {.name = "memory_warn",
     .type = SettingType::number,
     .fallback = "0.9",
     .doc = "warn above this share of maxmemory (0 to 1); a server without maxmemory never warns"},
    {.name = "write_check",
     .type = SettingType::text,
     .doc = "a key to SET each attempt, with a lifetime of 10 s; unset: nothing is written"},
    {.name = "pubsub",
     .type = SettingType::text,
     .doc = "a channel: publish a message and receive it on a second connection each attempt (2 "
            "commands more, 3 with a password); unset: off"},
    {.name = "connection",
     .type = SettingType::choice,
     .fallback = "keep",
     .doc = "keep one connection, or open a fresh one for each attempt (1 command more with a "
            "password, 1 with a database)",
     .choices = "keep|fresh"},
    {.name = "depth_interval",
     .type = SettingType::duration,
     .fallback = "60s",
     .doc = "time between two INFO (memory, clients, replication; 1 command, a round trip of its "
            "own)"},
}};

constexpr std::array<std::string_view, 3> info_labels{"version", "mode", "role"};

/// Order of own_metrics.
enum class Metric {
  info,
  loading,
  master_link_up,
  memory_used,
  memory_max,
  connected_clients,
  max_clients,
  evicted_keys,
  rejected_connections,
};

constexpr std::array<MetricSpec, 9> own_metrics{{
    {.name = "redis_info",
     .help = "Version, mode and role of the Redis server.",
     .labels = info_labels},
    {.name = "redis_loading", .help = "Whether the server is loading its data set from disk."},
    {.name = "redis_master_link_up", .help = "Whether the replica is linked to its master."},
    {.name = "redis_memory_used_bytes",
     .help = "Memory the server has allocated.",
     .alias = "redis_memory_used_bytes",
     .exporter = Exporter::redis_exporter},
    {.name = "redis_memory_max_bytes", .help = "The server's maxmemory; 0 means no limit."},
    {.name = "redis_connected_clients",
     .help = "Client connections open at the server.",
     .alias = "redis_connected_clients",
     .exporter = Exporter::redis_exporter},
    {.name = "redis_max_clients", .help = "The server's maxclients."},
    {.name = "redis_evicted_keys_total",
     .type = MetricType::counter,
     .help = "Keys evicted because of maxmemory since the server started."},
    {.name = "redis_rejected_connections_total",
     .type = MetricType::counter,
     .help = "Connections refused because of maxclients since the server started."},
}};

const auto& settings_of_kind() {
  static const auto all = tls::join(own_settings, tls::setting_specs);
  return all;
}

const auto& metrics_of_kind() {
  static const auto all = tls::join(own_metrics, tls::metric_specs);
  return all;
}

// ---- questions ------------------------------------------------------------------------------

/// A command of the pipeline and where its reply belongs.
struct Question {
  Command command;
  std::optional<Reply> Answers::*reply;
};

/// One command, or none without user and password.
std::vector<Command> auth_commands(const Server& server) {
  if (server.user.empty() && server.password.empty()) return {};
  // Without a user the old form, which servers before ACLs know too.
  if (server.user.empty()) return {{"AUTH", server.password}};
  return {{"AUTH", server.user, server.password}};
}

std::vector<Question> login_questions(const Server& server) {
  std::vector<Question> questions;
  for (const Command& auth : auth_commands(server)) {
    questions.push_back({auth, &Answers::login});
  }
  if (server.database != 0) {
    questions.push_back({{"SELECT", std::to_string(server.database)}, &Answers::select});
  }
  return questions;
}

std::vector<Command> commands_of(const std::vector<Question>& questions) {
  std::vector<Command> commands;
  for (const Question& question : questions) commands.push_back(question.command);
  return commands;
}

bool is_error_of(const std::optional<Reply>& reply, ErrorKind kind) {
  return reply && reply->is_error() && redis::classify_error(reply->text) == kind;
}

/// The server ended it early. What it said last explains it better than the end itself.
ProbeResult judge_broken(const RedisExchange& exchange) {
  const net::Failure& failure = *exchange.failure;
  if (exchange.replies.empty() || !exchange.replies.back().is_error()) {
    return net::to_result(failure);
  }
  const std::string& said = exchange.replies.back().text;
  if (auto result = redis::judge_error(said)) return *result;
  return failed(failure.reason, failure.detail + "; it had said: " + said);
}

// ---- the probe ------------------------------------------------------------------------------

struct Options {
  Text url;
  std::function<void(std::string_view)> secret_sink;
  Scrub scrub;
  redis::Expectations expectations;
  std::string write_key;  // empty: off
  std::string channel;    // empty: off
  bool keep = true;
  Duration depth_interval{};
  tls::TlsSettings tls;
};

class RedisProbe final : public Probe {
 public:
  explicit RedisProbe(Options options) : options_(std::move(options)), tls_(options_.tls) {}

  ProbeResult run(const Attempt& attempt) override;
  void rest() override { connection_.reset(); }

 private:
  /// One try on the kept or a new connection. `lost`: of a kept one this proves nothing, because
  /// the peer ended it, or an old answer came where a new one was expected.
  struct Try {
    ProbeResult result;
    bool lost = false;
  };
  Try try_once(const Attempt& attempt);
  std::optional<net::Failure> read_server();
  net::NetResult<net::Stream> open_stream(const Deadline& deadline, PhaseTimes& phases);
  [[nodiscard]] std::vector<Question> questions(bool fresh) const;
  ProbeResult judge(Answers& answers, const Attempt& attempt);
  [[nodiscard]] ProbeResult judge_with_info(const Answers& answers) const;
  [[nodiscard]] bool info_decides(const Answers& answers) const;
  [[nodiscard]] bool depth_is_due(TimePoint now) const;
  void ask_info(Answers& answers, const Attempt& attempt);
  std::optional<ProbeResult> try_pubsub(const Deadline& deadline);
  void add_depth(ProbeResult& result) const;
  void forget_depth();

  Options options_;
  tls::Client tls_;  // outlives the connection's session
  std::optional<tls::Peer> peer_;
  Server server_;
  std::string server_text_;
  std::unique_ptr<Connection> connection_;

  std::optional<Info> info_;                  // the latest INFO
  std::optional<Reply> info_error_;           // or how it was refused
  std::optional<net::Failure> info_failure_;  // or how the connection ended under it
  std::optional<TimePoint> depth_asked_at_;
};

ProbeResult RedisProbe::run(const Attempt& attempt) {
  if (attempt.drop_connections) {
    connection_.reset();
    forget_depth();
  }
  if (connection_ && !connection_->quiet()) connection_.reset();
  const bool kept = connection_ != nullptr;
  Try tried = try_once(attempt);
  if (kept && tried.lost && !attempt.deadline.expired()) {
    connection_.reset();
    tried = try_once(attempt);
  }

  ProbeResult& result = tried.result;
  // A server may quote what it was sent; where that was cut off, a beginning may be left.
  if (result.outcome != Outcome::pass) {
    result.detail = options_.scrub(result.detail, SecretSet::Ending::cut);
  }
  if (peer_) tls::judge_certificate(result, *peer_, tls_.settings(), attempt.now.wall);
  // After a fail the next attempt looks the name up again: a failover may have moved the server.
  if (!options_.keep || result.outcome == Outcome::fail) connection_.reset();
  return std::move(result);
}

RedisProbe::Try RedisProbe::try_once(const Attempt& attempt) {
  PhaseTimes phases;
  const bool fresh = connection_ == nullptr;
  if (fresh) {
    peer_.reset();
    auto stream = open_stream(attempt.deadline, phases);
    if (!stream) {
      forget_depth();
      Try tried{net::to_result(stream.error())};
      tried.result.phases = phases;
      return tried;
    }
    connection_ = std::make_unique<Connection>(std::move(stream).value());
  }

  const std::vector<Question> asked = questions(fresh);
  const std::size_t logins = fresh ? login_questions(server_).size() : 0;
  const TimePoint start = Clock::now();
  const RedisExchange exchange = connection_->exchange(commands_of(asked), attempt.deadline);
  TimePoint logged_in = start;
  if (logins > 0) {
    const bool complete = exchange.arrived.size() >= logins;
    logged_in = complete ? exchange.arrived[logins - 1] : Clock::now();
    phases.set(Phase::auth, logged_in - start);
  }

  Try tried;
  if (exchange.failure) {
    connection_.reset();
    tried.result = judge_broken(exchange);
    tried.lost = exchange.failure->reason == Reason::reset;
    // Providers reset what was idle; that alone is not worth another INFO.
    if (fresh || !tried.lost) forget_depth();
  } else {
    Answers answers;
    answers.round_trip = !options_.channel.empty();
    for (std::size_t i = 0; i < asked.size(); ++i) answers.*asked[i].reply = exchange.replies[i];
    tried.result = judge(answers, attempt);
    tried.lost =
        tried.result.reason == Reason::assertion || tried.result.reason == Reason::protocol;
  }
  if (exchange.arrived.size() >= logins) phases.set(Phase::request, Clock::now() - logged_in);
  tried.result.phases = phases;
  return tried;
}

/// INFO comes last: a proxy that hangs or closes on it must have nothing left to spoil.
ProbeResult RedisProbe::judge(Answers& answers, const Attempt& attempt) {
  const TimePoint now = attempt.now.mono;
  answers.info = info_error_;
  if (info_decides(answers)) ask_info(answers, attempt);
  ProbeResult result = judge_with_info(answers);
  if (result.outcome != Outcome::fail && !options_.channel.empty()) {
    if (auto broken = try_pubsub(attempt.deadline)) result = std::move(*broken);
  }
  const bool passing = result.outcome != Outcome::fail;
  if (passing && depth_is_due(now)) {
    ask_info(answers, attempt);
    result = judge_with_info(answers);
  }
  if (depth_asked_at_ == now && info_failure_) {
    result.remark = "INFO: " + info_failure_->detail + "; its numbers are absent";
  }
  // A failing server is shown with numbers of this attempt only, not with older ones.
  const bool asked_now = depth_asked_at_ == now;
  if (passing || asked_now) add_depth(result);
  // Nor are its numbers, or its refusal to tell them, those of the server that passes again. What
  // fails for want of them has to ask again, or it fails for good.
  if (!passing && asked_now) {
    depth_asked_at_.reset();
    info_failure_.reset();
  }
  return result;
}

ProbeResult RedisProbe::judge_with_info(const Answers& answers) const {
  return redis::judge(answers, info_ ? &*info_ : nullptr, options_.expectations);
}

/// Reads the URL anew: it may live in a file.
std::optional<net::Failure> RedisProbe::read_server() {
  auto text = options_.url.read();
  if (!text) return net::Failure{Reason::internal, text.error().message};
  if (text.value() == server_text_) return std::nullopt;
  auto server = redis::parse_server(text.value());
  if (!server) return net::Failure{Reason::internal, "url: " + server.error().message};
  server_ = std::move(server).value();
  server_text_ = text.value();
  options_.secret_sink(server_.password);
  return std::nullopt;
}

net::NetResult<net::Stream> RedisProbe::open_stream(const Deadline& deadline, PhaseTimes& phases) {
  if (auto failure = read_server()) return *failure;
  auto connected = net::open(server_.endpoint, net::IpFamily::any, deadline, phases);
  if (!connected) return connected.error();
  net::Stream stream{std::move(connected.value().fd), nullptr};
  if (!server_.tls) return stream;
  const TimePoint start = Clock::now();
  auto session = tls_.handshake(stream.fd.get(), server_.endpoint.host, deadline);
  phases.set(Phase::tls, Clock::now() - start);
  if (!session) {
    peer_ = tls_.take_refused();
    return session.error();
  }
  stream.ssl = std::move(session.value().ssl);
  peer_ = std::move(session.value().peer);
  return stream;
}

std::vector<Question> RedisProbe::questions(bool fresh) const {
  std::vector<Question> asked;
  if (fresh) asked = login_questions(server_);
  asked.push_back({{"PING"}, &Answers::ping});
  asked.push_back({{"EXISTS", probe_key}, &Answers::read});
  if (options_.expectations.role != ExpectedRole::any) {
    asked.push_back({{"ROLE"}, &Answers::role});
  }
  if (!options_.write_key.empty()) {
    asked.push_back({{"SET", options_.write_key, "1", "PX", write_lifetime_ms}, &Answers::write});
  }
  return asked;
}

/// The questions so far leave one that INFO answers: how long loading will take, whether the link
/// is down, what the role is where ROLE is refused.
bool RedisProbe::info_decides(const Answers& answers) const {
  if (answers.role && answers.role->is_error()) return !info_failure_;
  for (const auto* reply : {&answers.ping, &answers.read}) {
    if (is_error_of(*reply, ErrorKind::loading)) return true;
    if (is_error_of(*reply, ErrorKind::master_down)) return true;
  }
  return false;
}

bool RedisProbe::depth_is_due(TimePoint now) const {
  if (!depth_asked_at_) return true;
  // A broken link heals in seconds: don't show it for the rest of a minute.
  const bool link_down = info_ && info_->master_link_up == false;
  return depth_asked_at_ != now && (link_down || now - *depth_asked_at_ >= options_.depth_interval);
}

/// Depth never fails a check: not more than half of the time that is left, and what goes wrong only
/// costs the connection.
void RedisProbe::ask_info(Answers& answers, const Attempt& attempt) {
  depth_asked_at_ = attempt.now.mono;
  info_.reset();
  info_error_.reset();
  info_failure_.reset();
  answers.info.reset();
  const std::array<Command, 1> info{{{"INFO"}}};
  const auto half = std::chrono::ceil<Duration>(attempt.deadline.remaining() / 2);
  RedisExchange exchange = connection_->exchange(info, attempt.deadline.at_most(half));
  if (exchange.failure) {
    info_failure_ = std::move(exchange.failure);
    connection_.reset();
    return;
  }
  answers.info = std::move(exchange.replies.front());
  if (answers.info->type == Reply::Type::text) info_ = redis::parse_info(answers.info->text);
  if (answers.info->is_error()) info_error_ = answers.info;
}

std::optional<ProbeResult> RedisProbe::try_pubsub(const Deadline& deadline) {
  PhaseTimes unused;  // the phases shown are those of the first connection
  if (!connection_) return failed(Reason::reset, "the server closed before PUBLISH");
  auto stream = open_stream(deadline, unused);
  if (!stream) {
    return failed(stream.error().reason, "second connection: " + stream.error().detail);
  }
  Connection subscriber(std::move(stream).value());
  const std::vector<Command> login = auth_commands(server_);  // channels know no database
  return redis::round_trip({.publisher = *connection_,
                            .subscriber = subscriber,
                            .login = login,
                            .channel = options_.channel},
                           deadline);
}

void RedisProbe::add_depth(ProbeResult& result) const {
  if (!info_) return;
  const auto add = [&result](Metric metric, std::optional<double> value,
                             std::vector<std::string> labels = {}) {
    if (!value) return;
    const MetricSpec& spec = metrics_of_kind()[static_cast<std::size_t>(metric)];
    result.measurements.push_back({&spec, std::move(labels), *value});
  };
  add(Metric::info, 1, {info_->version, info_->mode, info_->role});
  add(Metric::loading, info_->loading);
  add(Metric::master_link_up, info_->master_link_up);
  add(Metric::memory_used, info_->memory_used);
  add(Metric::memory_max, info_->memory_max);
  add(Metric::connected_clients, info_->clients);
  add(Metric::max_clients, info_->clients_max);
  add(Metric::evicted_keys, info_->evicted_keys);
  add(Metric::rejected_connections, info_->rejected_connections);
}

void RedisProbe::forget_depth() {
  info_.reset();
  info_error_.reset();
  info_failure_.reset();
  depth_asked_at_.reset();
}

// ---- making one -----------------------------------------------------------------------------

ExpectedRole to_expected_role(std::string_view text) {
  if (text == "master") return ExpectedRole::master;
  return text == "replica" ? ExpectedRole::replica : ExpectedRole::any;
}

/// What only the URL knows. Nothing when a complaint was recorded.
std::optional<Server> read_url(Settings& settings, const Text& url) {
  if (!settings.has("url")) return std::nullopt;  // missing: said by the declaration
  auto text = url.read();
  if (!text) {
    settings.complain("url", text.error().message);
    return std::nullopt;
  }
  auto server = redis::parse_server(text.value());
  if (!server) {
    settings.complain("url", server.error().message);
    return std::nullopt;
  }
  settings.secret_sink()(server.value().password);
  for (const std::string& name : server.value().ignored) {
    settings.remark("url: parameter '" + name + "' says nothing to this check and is ignored");
  }
  return std::move(server).value();
}

MadeProbe make(Settings& settings) {
  Options options;
  options.url = settings.live_text("url");
  options.secret_sink = settings.secret_sink();
  options.scrub = settings.secret_scrubber();
  options.expectations.role = to_expected_role(settings.choice("expect_role"));
  options.expectations.memory_warn = settings.number("memory_warn", {.min = 0, .max = 1});
  options.write_key = settings.text("write_check");
  options.channel = settings.text("pubsub");
  options.keep = settings.choice("connection") == "keep";
  options.depth_interval = settings.duration("depth_interval", {});
  options.tls = tls::read_settings(settings);
  const auto server = read_url(settings, options.url);
  if (!server) return {};
  MadeProbe made;
  made.target = server->target;
  made.on_loopback = server->endpoint.on_loopback();
  made.probe = std::make_unique<RedisProbe>(std::move(options));
  return made;
}

constexpr std::array<std::string_view, 5> schemes{"redis", "rediss", "valkey", "valkeys", "unix"};

}  // namespace

const KindSpec& redis_kind() {
  static const KindSpec kind{
      .name = "redis",
      .component_type = "datastore",
      .doc =
          "Redis, Valkey and what speaks their protocol: a read, optionally a write, the role, "
          "memory and clients",
      .settings = settings_of_kind(),
      .metrics = metrics_of_kind(),
      .scope = ScopeRule::shared,
      .impact = ImpactRule::degraded,
      .interval = interval_default,
      .schemes = schemes,
      .url_setting = "url",
      .up_alias = "redis_up",
      .up_exporter = Exporter::redis_exporter,
      .make = make,
  };
  return kind;
}

}  // namespace vitals
