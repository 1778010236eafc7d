// The statements that ask a Postgres about itself, and what their answers mean.
#include "probes/postgres_depth.hpp"

#include <algorithm>
#include <numeric>

namespace vitals::postgres {
namespace {

constexpr std::size_t version_max = 32;

constexpr std::array<std::string_view, 2> info_labels{"version", "pooler"};
constexpr std::array<std::string_view, 1> state_labels{"state"};

enum Family { info, in_recovery, lag, connections, connections_max, oldest_transaction };
constexpr std::array metrics{
    MetricSpec{.name = "postgres_info",
               .help = "Version of the server that answered and the pooler in front of it; "
                       "always 1.",
               .labels = info_labels},
    MetricSpec{.name = "postgres_in_recovery",
               .help = "1 when the server is a replica.",
               .alias = "pg_replication_is_replica",
               .exporter = Exporter::postgres_exporter},
    MetricSpec{.name = "postgres_replication_lag_seconds",
               .help = "0 on a primary, and when all that was received from a streaming one is "
                       "replayed; else the age of the last replayed transaction, and absent when a "
                       "replica has replayed none since it was started.",
               .alias = "pg_replication_lag_seconds",
               .exporter = Exporter::postgres_exporter},
    MetricSpec{.name = "postgres_connections",
               .help = "Client sessions of the server by state; unknown: not ours to see.",
               .labels = state_labels,
               .alias = "pg_stat_activity_count",
               .exporter = Exporter::postgres_exporter},
    MetricSpec{.name = "postgres_connections_max",
               .help = "The server's max_connections.",
               .alias = "pg_settings_max_connections",
               .exporter = Exporter::postgres_exporter},
    MetricSpec{
        .name = "postgres_oldest_transaction_seconds",
        .help = "Age of the oldest open transaction among the sessions that are ours to see."},
};

void read_limits(const Reply& reply, Facts& facts) {
  facts.connections_max = reply.number(0, 0);
  if (!facts.connections_max) return;
  facts.connections_usable =
      *facts.connections_max - reply.number(0, 1).value_or(0) - reply.number(0, 2).value_or(0);
}

void read_sessions(const Reply& reply, Facts& facts) {
  Sessions sessions;
  std::optional<double> oldest;
  for (int row = 0; row < reply.rows(); ++row) {
    const auto state = reply.text(row, 0).value_or("unknown");
    const auto* found = std::find(Sessions::states.begin(), Sessions::states.end(), state);
    const auto index = found == Sessions::states.end()
                           ? Sessions::states.size() - 1
                           : static_cast<std::size_t>(found - Sessions::states.begin());
    sessions.counts[index] += reply.number(row, 1).value_or(0);
    if (const auto age = reply.number(row, 2)) oldest = std::max(oldest.value_or(0), *age);
  }
  facts.sessions = sessions;
  // Nothing is open, or it is hidden from us: only the first is a zero.
  const bool hidden = sessions.counts.back() > 0;
  facts.oldest_transaction_seconds = oldest;
  if (!oldest && !hidden) facts.oldest_transaction_seconds = 0;
}

}  // namespace

std::span<const MetricSpec> metric_specs() { return metrics; }

// A standby that was started again asks for WAL from the beginning of a segment, so that "received"
// is behind "replayed" until something new comes: all that there is has been replayed then, too.
// The status of the receiver is hidden from unprivileged roles, its row is not. Who was started and
// has replayed no transaction since has no age to tell: NULL, which greatest() would make a 0.
const std::string_view role_statement =
    "SELECT pg_is_in_recovery(), CASE"
    " WHEN NOT pg_is_in_recovery() THEN NULL"
    " WHEN EXISTS (SELECT 1 FROM pg_stat_wal_receiver"
    " WHERE pid IS NOT NULL AND coalesce(status, 'streaming') = 'streaming')"
    " AND pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0"
    " ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())"
    " END;";

// Backends of other roles show neither type nor state to an unprivileged one; those with a database
// and a user are clients. Our own transaction is the oldest of nobody's.
const std::string_view depth_statements =
    "SELECT pg_backend_pid();"
    "SELECT current_setting('max_connections'), current_setting('superuser_reserved_connections'),"
    " current_setting('reserved_connections', true);"
    "SELECT state, count(*), max(extract(epoch FROM clock_timestamp() - xact_start))"
    " FILTER (WHERE pid <> pg_backend_pid()) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend'"
    " OR (backend_type IS NULL AND datid IS NOT NULL AND usesysid IS NOT NULL) GROUP BY state;";

double Sessions::total() const { return std::accumulate(counts.begin(), counts.end(), 0.0); }

std::vector<Measurement> Facts::measurements() const {
  std::vector<Measurement> all;
  const auto add = [&](Family family, double value, std::vector<std::string> labels = {}) {
    all.push_back({&metrics[family], std::move(labels), value});
  };
  if (!version.empty()) add(info, 1, {version, std::string(pooler)});
  if (in_recovery) add(Family::in_recovery, *in_recovery ? 1 : 0);
  // One series over a failover, and what postgres_exporter says of a primary.
  const bool primary = in_recovery == false;
  if (lag_seconds || primary) add(lag, lag_seconds.value_or(0));
  for (std::size_t i = 0; sessions && i < Sessions::states.size(); ++i) {
    add(connections, sessions->counts[i], {std::string(Sessions::states[i])});
  }
  if (connections_max) add(Family::connections_max, *connections_max);
  if (oldest_transaction_seconds) add(oldest_transaction, *oldest_transaction_seconds);
  return all;
}

void read_role(const Reply& reply, Facts& facts) {
  const auto recovering = reply.text(0, 0);
  facts.in_recovery.reset();
  if (recovering == "t" || recovering == "f") facts.in_recovery = recovering == "t";
  facts.lag_seconds = reply.number(0, 1);
  // The primary's clock may be ahead of the replica's.
  if (facts.lag_seconds) facts.lag_seconds = std::max(0.0, *facts.lag_seconds);
}

void read_depth(std::span<const Reply> replies, const Connection& connection, Facts& facts) {
  facts.version = short_version(connection.server_version());
  facts.pooler = "unknown";
  facts.sessions.reset();
  facts.connections_max.reset();
  facts.connections_usable.reset();
  facts.oldest_transaction_seconds.reset();
  if (!replies.empty()) {
    if (const auto pid = replies[0].number(0, 0)) {
      facts.pooler = *pid == connection.announced_pid() ? "none" : pooled_by_pgbouncer;
    }
  }
  if (replies.size() > 1) read_limits(replies[1], facts);
  if (replies.size() > 2) read_sessions(replies[2], facts);
}

std::string short_version(std::string_view text) {
  std::string version;
  for (const unsigned char c : text.substr(0, version_max)) {
    if (std::isalnum(c) == 0 && c != '.') break;
    version += static_cast<char>(c);
  }
  return version;
}

}  // namespace vitals::postgres
