// What a Postgres tells about itself beside its answer: role, lag, connections, oldest transaction.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vitals/kind.hpp>

#include "probes/postgres_connection.hpp"

namespace vitals::postgres {

/// postgres_info and its kin, in the order of the contract (§6).
[[nodiscard]] std::span<const MetricSpec> metric_specs();

/// Sessions by state; those of other roles are "unknown" to a role without pg_read_all_stats.
struct Sessions {
  static constexpr std::array<std::string_view, 7> states{"active",
                                                          "idle",
                                                          "idle in transaction",
                                                          "idle in transaction (aborted)",
                                                          "fastpath function call",
                                                          "disabled",
                                                          "unknown"};
  std::array<double, states.size()> counts{};

  [[nodiscard]] double total() const;
};

/// What Facts::pooler is then.
inline constexpr std::string_view pooled_by_pgbouncer = "pgbouncer";

/// Everything known; what could not be learned is absent.
struct Facts {
  std::string version;  // "15.18"; empty: unknown
  /// "pgbouncer": the process announced at login is not the one that answers, which is how
  /// PgBouncer and those made like it pool; "none": it is; "unknown": nobody could tell.
  std::string_view pooler = "unknown";
  std::optional<bool> in_recovery;
  /// Absent on a primary, and on a replica that has nothing to measure it by.
  std::optional<double> lag_seconds;
  std::optional<Sessions> sessions;
  /// max_connections, and what of it ordinary roles may use.
  std::optional<double> connections_max;
  std::optional<double> connections_usable;
  std::optional<double> oldest_transaction_seconds;

  [[nodiscard]] std::vector<Measurement> measurements() const;
};

/// One row: in recovery?, lag in seconds. Cheap: functions of shared memory.
extern const std::string_view role_statement;
void read_role(const Reply& reply, Facts& facts);

/// All else, several statements: any of them may be refused, those before it still count.
extern const std::string_view depth_statements;
/// `replies` are those of `depth_statements`, as many as succeeded.
void read_depth(std::span<const Reply> replies, const Connection& connection, Facts& facts);

/// "15.18" of "15.18 (Debian 15.18-0+deb12u1)": short, and only letters, digits and dots.
[[nodiscard]] std::string short_version(std::string_view text);

}  // namespace vitals::postgres
