// The kind `postgres`: asks a Postgres, direct or behind a pooler, a question inside a transaction.
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <utility>

#include <vitals/kind.hpp>

#include "probes/postgres_connection.hpp"
#include "probes/postgres_depth.hpp"
#include "probes/postgres_url.hpp"
#include "probes/sent_text.hpp"

namespace vitals {
namespace postgres {
namespace {

/// It holds nothing yet, and stands in what a message says to write.
constexpr bool is_bare_scheme(std::string_view url) { return url.ends_with("://"); }

constexpr std::array settings_of_kind{
    SettingSpec{.name = "url",
                .type = SettingType::live_text,
                .doc = "postgres://user:password@host:5432/database, or libpq's key=value form",
                .required = true,
                .secret = true,
                .harmless = is_bare_scheme,
                .url = true},
    SettingSpec{
        .name = "query",
        .type = SettingType::text,
        .fallback = "SELECT 1",
        .doc = "what is asked, in a transaction of its own; any answer without an error passes"},
    SettingSpec{.name = "expect_role",
                .type = SettingType::choice,
                .fallback = "any",
                .doc = "fail when the server has another role",
                .choices = "any|primary|replica"},
    SettingSpec{.name = "max_lag",
                .type = SettingType::duration,
                .doc = "warn when a replica is behind by more than this"},
    SettingSpec{.name = "connections_warn",
                .type = SettingType::number,
                .fallback = "0.8",
                .doc = "warn when more than this share of the connection slots is used"},
    SettingSpec{.name = "connection",
                .type = SettingType::choice,
                .fallback = "keep",
                .doc = "keep one connection between attempts, or open a fresh one for each",
                .choices = "keep|fresh"},
    SettingSpec{.name = "fresh_every",
                .type = SettingType::integer,
                .fallback = "6",
                .doc = "with keep: every so many attempts a new connection takes its place"},
    SettingSpec{.name = "write_check",
                .type = SettingType::text,
                .doc = "a table (made when missing) in which one row is written at each attempt"},
    SettingSpec{.name = "depth_interval",
                .type = SettingType::duration,
                .fallback = "60s",
                .doc = "how often connections, role and lag are looked at"},
};

constexpr std::array<std::string_view, 2> url_schemes{"postgres", "postgresql"};

enum class Role { any, primary, replica };

struct Options {
  Text url;
  std::function<void(std::string_view)> secret;
  std::string query;
  Role role = Role::any;
  std::optional<Duration> max_lag;
  double connections_warn = 0.8;
  bool keep = true;
  std::int64_t fresh_every = 6;
  std::string upsert;  // SQL; empty: no write check
  std::string create;
  Duration depth_interval{};
};

/// A table of its own schema or of the search path: "health" or "ops.health", quoted.
std::optional<std::string> quoted_table(std::string_view name) {
  std::string quoted;
  std::size_t parts = 0;
  while (true) {
    const auto end = name.find('.');
    const auto part = name.substr(0, end);
    const bool plain = !part.empty() && part.size() <= 63 &&
                       part.find_first_of("\"'\\") == std::string_view::npos &&
                       std::none_of(part.begin(), part.end(),
                                    [](unsigned char c) { return std::iscntrl(c) != 0; });
    if (!plain || ++parts > 2) return std::nullopt;
    quoted += (parts == 1 ? "\"" : ".\"") + std::string(part) + "\"";
    if (end == std::string_view::npos) return quoted;
    name.remove_prefix(end + 1);
  }
}

std::string in_seconds(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1fs", seconds);
  return text.data();
}

Duration left(const Deadline& deadline) {
  return std::chrono::duration_cast<Duration>(deadline.remaining());
}

class PostgresProbe final : public Probe {
 public:
  explicit PostgresProbe(Options options) : options_(std::move(options)) {}

  void rest() override { kept_.reset(); }

  ProbeResult run(const Attempt& attempt) override {
    if (attempt.drop_connections) kept_.reset();
    deadline_ = attempt.deadline;
    phases_ = {};
    saturated_.clear();
    const bool fresh =
        !kept_ || !options_.keep || fresh_next_ || ++since_fresh_ >= options_.fresh_every;
    const auto failed = fresh ? try_fresh() : try_kept();
    auto result = failed ? net::to_result(failed->failure) : judge();
    result.phases = phases_;
    if (failed) depth_due_ = true;
    if (!options_.keep) kept_.reset();
    return result;
  }

 private:
  using Failed = std::optional<Problem>;

  // ---- which connection -------------------------------------------------------------------------

  Failed try_kept() {
    auto failed = ask(*kept_);
    if (!failed) return failed;
    // A dead connection says that something happened, not how things are; and who kept one through
    // a failover still talks to the old primary. A new one decides.
    const auto reason = failed->failure.reason;
    const bool lost = failed->broken && reason != Reason::timeout && reason != Reason::too_large;
    const bool moved = reason == Reason::readonly || reason == Reason::replication;
    if (failed->broken || moved) kept_.reset();
    if (failed->interrupted || (!lost && !moved)) return failed;
    phases_ = {};
    return try_fresh();
  }

  Failed try_fresh() {
    since_fresh_ = 0;
    fresh_next_ = true;
    auto target = read_target();
    if (!target) return target.error();
    auto opened = Connection::open(target.value(), deadline_, phases_);
    if (!opened) return without_fresh(opened.error());
    kept_.reset();
    kept_.emplace(std::move(opened).value());
    auto failed = ask(*kept_);
    if (failed) {
      kept_.reset();
      return failed;
    }
    fresh_next_ = false;
    return std::nullopt;
  }

  /// No new connection: full for new ones is not the same as down for those that are in.
  Failed without_fresh(Problem failed) {
    if (failed.sqlstate == too_many_connections && kept_ && !ask(*kept_)) {
      saturated_ = failed.failure.detail + "; the kept connection still answers";
      return std::nullopt;
    }
    kept_.reset();
    return failed;
  }

  [[nodiscard]] Result<Target, Problem> read_target() const {
    const auto text = options_.url.read();
    if (!text) return Problem{{Reason::internal, text.error().message}};
    auto target = parse_url(text.value());
    if (!target) return Problem{{Reason::internal, "url: " + target.error().message}};
    for (const auto& secret : secrets_of(target.value())) options_.secret(secret);
    return std::move(target).value();
  }

  // ---- the question -----------------------------------------------------------------------------

  [[nodiscard]] bool asks_role() const {
    return options_.role != Role::any || options_.max_lag.has_value();
  }

  /// One round trip. Everything is local to the transaction: a pool's next client inherits nothing.
  [[nodiscard]] std::string question(Duration limit) const {
    auto sql = begin(limit);
    if (asks_role()) sql += role_statement;
    // The query may end in a comment.
    sql += options_.query + "\n;" + options_.upsert + "COMMIT";
    return sql;
  }

  /// One at least for each statement of question(); the query may be several.
  [[nodiscard]] std::size_t replies_min() const {
    constexpr std::size_t begin_set_query_commit = 4;
    return begin_set_query_commit + (asks_role() ? 1 : 0) + (options_.upsert.empty() ? 0 : 1);
  }

  [[nodiscard]] static std::string begin(Duration limit) {
    return "BEGIN;SET LOCAL statement_timeout=" +
           std::to_string(std::max<Duration::rep>(1, limit.count())) + ";";
  }

  /// Through a pooler no question is cancelled. PgBouncer 1.18 (Debian 12) ends, with everybody's
  /// connections, when who sent a cancel request leaves before it is passed on (its issue 801), and
  /// older ones may cancel somebody else's query (717). Nor would it help: a server that lives ends
  /// the question by the limit we set, and for who waits for a free server PgBouncer does nothing.
  [[nodiscard]] Overdue overdue(const Connection& connection) const {
    const bool pooled =
        facts_.pooler == pooled_by_pgbouncer || is_made_up(connection.announced_pid());
    return pooled ? Overdue::leave : Overdue::cancel;
  }

  Failed ask(Connection& connection) {
    const auto start = Clock::now();
    auto failed = ask_once(connection);
    const bool no_table = failed && !failed->broken && failed->sqlstate == undefined_table;
    if (no_table && !options_.create.empty()) failed = create_and_ask(connection, *failed);
    phases_.set(Phase::request, Clock::now() - start);
    if (!failed && depth_is_due()) look_deeper(connection);
    return failed;
  }

  Failed ask_once(Connection& connection) {
    const auto start = Clock::now();
    const auto limit = left(deadline_) - std::min(server_reserve, left(deadline_) / 5);
    const auto answer = connection.ask(question(limit), deadline_, overdue(connection));
    if (answer.problem) {
      auto failed = *answer.problem;
      // Ours when it came with the limit we set; else somebody else cancelled the query.
      const bool ours = Clock::now() - start >= limit - Duration(5);
      if (failed.sqlstate == query_canceled && ours) failed.failure.reason = Reason::timeout;
      return explain_role(std::move(failed), answer.replies.size());
    }
    if (answer.replies.size() < replies_min()) {
      return strange("ready for the next query without having answered this one");
    }
    if (!asks_role()) return std::nullopt;
    read_role(answer.replies[role_reply], facts_);
    return wrong_role();
  }

  /// A server that cannot tell its lag (Aurora, CockroachDB) is not unwell.
  [[nodiscard]] Failed explain_role(Problem failed, std::size_t replies) const {
    const bool ours = asks_role() && replies == role_reply && failed.sqlstate.starts_with("42");
    if (ours) {
      failed.failure.reason = Reason::internal;
      failed.failure.detail +=
          "; this server can't tell its role or lag: remove expect_role and max_lag";
    }
    return failed;
  }

  [[nodiscard]] static Problem strange(std::string detail) {
    Problem failed;
    failed.failure = {Reason::protocol, std::move(detail)};
    return failed;
  }

  [[nodiscard]] Failed wrong_role() const {
    if (!facts_.in_recovery) return strange("pg_is_in_recovery() answered neither yes nor no");
    Problem failed;
    failed.broken = false;
    if (options_.role == Role::primary && *facts_.in_recovery) {
      failed.failure = {Reason::readonly, "in recovery: this is a replica, a primary is expected"};
      return failed;
    }
    if (options_.role == Role::replica && !*facts_.in_recovery) {
      failed.failure = {Reason::replication, "this is a primary, a replica is expected"};
      return failed;
    }
    return std::nullopt;
  }

  Failed create_and_ask(Connection& connection, const Problem& missing) {
    const auto sql = begin(left(deadline_)) + options_.create + "COMMIT";
    auto created = connection.ask(sql, deadline_, overdue(connection)).problem;
    // Another Machine may have made it in this moment.
    const bool there = created && (created->sqlstate == "42P07" || created->sqlstate == "23505");
    if (created && !there) return created;
    const auto failed = ask_once(connection);
    return failed && failed->sqlstate == undefined_table ? Failed(missing) : failed;
  }

  // ---- depth ------------------------------------------------------------------------------------

  [[nodiscard]] bool depth_is_due() const {
    return depth_due_ || crowded() || Clock::now() - looked_ >= options_.depth_interval;
  }

  /// Never a reason to fail, and never more than half of what is left of the time.
  void look_deeper(Connection& connection) {
    const auto share = deadline_.at_most(left(deadline_) / 2);
    const auto limit = left(share) - std::min(server_reserve, left(share) / 5);
    const auto sql =
        begin(limit) + std::string(role_statement) + std::string(depth_statements) + "COMMIT";
    const auto answer = connection.ask(sql, share, overdue(connection));
    looked_ = Clock::now();
    depth_due_ = false;
    const std::span<const Reply> replies(answer.replies);
    if (!asks_role()) {  // else the attempt's own question has told it
      facts_.in_recovery.reset();
      facts_.lag_seconds.reset();
    }
    if (replies.size() > role_reply) read_role(replies[role_reply], facts_);
    const auto first = std::min(replies.size(), role_reply + 1);
    read_depth(replies.subspan(first), connection, facts_);
    if (answer.problem && answer.problem->broken) kept_.reset();
  }

  // ---- the outcome ------------------------------------------------------------------------------

  [[nodiscard]] bool crowded() const {
    return facts_.sessions && facts_.connections_usable &&
           facts_.sessions->total() > options_.connections_warn * *facts_.connections_usable;
  }

  [[nodiscard]] std::string describe() const {
    std::string text = "PostgreSQL " + facts_.version;
    if (facts_.version.empty()) text.pop_back();
    if (facts_.in_recovery) text += *facts_.in_recovery ? " replica" : " primary";
    if (facts_.lag_seconds) text += ", lag " + in_seconds(*facts_.lag_seconds);
    if (facts_.pooler == pooled_by_pgbouncer) text += ", pooled";
    return text;
  }

  /// Of an attempt that was answered.
  [[nodiscard]] ProbeResult judge() const {
    auto result = judge_without_measurements();
    result.measurements = facts_.measurements();
    return result;
  }

  [[nodiscard]] ProbeResult judge_without_measurements() const {
    if (!saturated_.empty()) return warned(Reason::saturated, saturated_);
    if (options_.max_lag && facts_.in_recovery.value_or(false)) {
      const auto limit = static_cast<double>(options_.max_lag->count()) / 1000;
      if (!facts_.lag_seconds) {
        return warned(Reason::replication,
                      "lag unknown: not caught up with a stream, and no transaction was replayed"
                      " since the start");
      }
      if (*facts_.lag_seconds > limit) {
        return warned(Reason::replication,
                      "lag " + in_seconds(*facts_.lag_seconds) + " > " + in_seconds(limit));
      }
    }
    if (crowded()) {
      return warned(Reason::saturated, std::to_string(std::lround(facts_.sessions->total())) +
                                           " of " +
                                           std::to_string(std::lround(*facts_.connections_usable)) +
                                           " connection slots used");
    }
    return passed(describe());
  }

  static constexpr std::string_view too_many_connections = "53300";
  static constexpr std::string_view undefined_table = "42P01";
  static constexpr std::string_view query_canceled = "57014";
  /// BEGIN and SET LOCAL answer first.
  static constexpr std::size_t role_reply = 2;

  Options options_;
  std::optional<Connection> kept_;
  std::int64_t since_fresh_ = 0;
  bool fresh_next_ = false;
  Facts facts_;
  TimePoint looked_{};
  bool depth_due_ = true;

  // Of the attempt that runs.
  Deadline deadline_{TimePoint{}};
  PhaseTimes phases_;
  std::string saturated_;
};

// ---- settings -----------------------------------------------------------------------------------

void read_write_check(Settings& settings, Options& options) {
  const auto name = settings.text("write_check");
  if (name.empty()) return;
  const auto table = quoted_table(name);
  if (!table) {
    settings.complain("write_check",
                      "not a table name; write table or schema.table, without quotes");
    return;
  }
  // Doubled quotes are all that a literal needs under standard_conforming_strings.
  options.upsert = "INSERT INTO " + *table + " (check_name, written_at) VALUES ('" +
                   settings.check_name() +
                   "', now()) ON CONFLICT (check_name) DO UPDATE SET"
                   " written_at = excluded.written_at;";
  options.create = "CREATE TABLE IF NOT EXISTS " + *table +
                   " (check_name text PRIMARY KEY, written_at timestamptz);";
}

Options read_options(Settings& settings) {
  Options options;
  options.url = settings.live_text("url");
  options.secret = settings.secret_sink();
  options.query = settings.text("query");
  // The server quotes what it does not understand.
  hide_parts(options.query, options.secret);
  if (options.query.find_first_not_of(" \t\r\n;") == std::string::npos) {
    settings.complain("query", "empty; leave it out for SELECT 1");
  }
  const auto role = settings.choice("expect_role");
  options.role = role == "primary" ? Role::primary : role == "replica" ? Role::replica : Role::any;
  if (settings.has("max_lag")) options.max_lag = settings.duration("max_lag", {});
  options.connections_warn = settings.number("connections_warn", {.min = 0.01, .max = 1});
  options.keep = settings.choice("connection") == "keep";
  options.fresh_every = settings.integer("fresh_every", {.min = 1, .max = 1'000'000});
  options.depth_interval = settings.duration("depth_interval", {});
  read_write_check(settings, options);
  return options;
}

void remark_ignored(Settings& settings, const Target& target) {
  if (target.ignored.empty()) return;
  std::string names;
  for (const auto& name : target.ignored) names += (names.empty() ? "" : ", ") + name;
  settings.remark("parameters of the url that do nothing here are ignored: " + names);
}

MadeProbe make(Settings& settings) {
  auto options = read_options(settings);
  const auto url = options.url.read();
  if (!settings.has("url")) return {};
  const auto target = url ? parse_url(url.value()) : Result<Target>(url.error());
  if (!target) {
    settings.complain("url", target.error().message);
    return {};
  }
  for (const auto& secret : secrets_of(target.value())) options.secret(secret);
  remark_ignored(settings, target.value());
  const auto first = target.value().servers.front().endpoint();
  MadeProbe made;
  made.target = net::target_text("postgres", first);
  made.on_loopback = first.on_loopback();
  made.probe = std::make_unique<PostgresProbe>(std::move(options));
  return made;
}

}  // namespace
}  // namespace postgres

const KindSpec& postgres_kind() {
  static const KindSpec kind{.name = "postgres",
                             .component_type = "datastore",
                             .doc = "a query to Postgres, direct or behind a pooler",
                             .settings = postgres::settings_of_kind,
                             .metrics = postgres::metric_specs(),
                             .scope = ScopeRule::shared,
                             .impact = ImpactRule::critical,
                             .schemes = postgres::url_schemes,
                             .url_setting = "url",
                             .up_alias = "pg_up",
                             .up_exporter = Exporter::postgres_exporter,
                             .make = postgres::make};
  return kind;
}

}  // namespace vitals
