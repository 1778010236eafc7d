// The closed sets of the contract: outcome, status, reason, impact, scope, phase.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include <vitals/assert.hpp>

namespace vitals {

/// Of one attempt. A fail carries a Reason other than none; a warn may.
enum class Outcome { pass, warn, fail };

/// What the agent believes of a check after thresholds (contract §1).
enum class Status { unknown, pass, warn, fail };

/// What a failing check does to the verdict: critical → fail, degraded → warn, info → nothing.
enum class Impact { critical, degraded, info };

/// local: this Machine alone; shared: every Machine depends on the same thing.
enum class Scope { local, shared };

/// Where the time of an attempt went, in this order.
enum class Phase { resolve, connect, tls, auth, request, transfer };
inline constexpr std::size_t phase_count = 6;

/// Why (contract §7): a metric label, so the set is closed. Prose goes to `detail`.
enum class Reason {
  none,
  dns,
  refused,
  unreachable,
  connect_timeout,
  reset,
  tls,
  tls_verify,
  tls_expired,
  auth,
  protocol,
  timeout,
  status,
  redirect,
  assertion,
  too_large,
  slow,
  starting,
  saturated,
  loading,
  readonly,
  replication,
  pooler,
  stale,
  exited,
  cert_expiring,
  low_space,
  internal,
};
inline constexpr std::size_t reason_count = 28;

inline constexpr std::array<std::string_view, 3> outcome_labels{"pass", "warn", "fail"};
inline constexpr std::array<std::string_view, 4> status_labels{"unknown", "pass", "warn", "fail"};
inline constexpr std::array<std::string_view, 3> impact_labels{"critical", "degraded", "info"};
inline constexpr std::array<std::string_view, 2> scope_labels{"local", "shared"};
inline constexpr std::array<std::string_view, phase_count> phase_labels{
    "resolve", "connect", "tls", "auth", "request", "transfer"};
inline constexpr std::array<std::string_view, reason_count> reason_labels{
    "none",          "dns",         "refused",    "unreachable", "connect_timeout",
    "reset",         "tls",         "tls_verify", "tls_expired", "auth",
    "protocol",      "timeout",     "status",     "redirect",    "assertion",
    "too_large",     "slow",        "starting",   "saturated",   "loading",
    "readonly",      "replication", "pooler",     "stale",       "exited",
    "cert_expiring", "low_space",   "internal"};

constexpr std::string_view to_label(Outcome v) {
  return outcome_labels[static_cast<std::size_t>(v)];
}
constexpr std::string_view to_label(Status v) { return status_labels[static_cast<std::size_t>(v)]; }
constexpr std::string_view to_label(Impact v) { return impact_labels[static_cast<std::size_t>(v)]; }
constexpr std::string_view to_label(Scope v) { return scope_labels[static_cast<std::size_t>(v)]; }
constexpr std::string_view to_label(Phase v) { return phase_labels[static_cast<std::size_t>(v)]; }
constexpr std::string_view to_label(Reason v) { return reason_labels[static_cast<std::size_t>(v)]; }

static_assert(to_label(Reason::internal) == "internal" && to_label(Reason::timeout) == "timeout");

constexpr Status to_status(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return Status::pass;
    case Outcome::warn:
      return Status::warn;
    case Outcome::fail:
      return Status::fail;
  }
  VITALS_ASSERT(false);
  return Status::fail;
}

}  // namespace vitals
