// From a server's answers to an outcome: the Redis table of the contract. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vitals/probe.hpp>

#include "probes/redis_info.hpp"
#include "probes/redis_reply.hpp"

namespace vitals::redis {

/// What an error reply means to us; one row of the contract's table each.
enum class ErrorKind {
  auth,         // NOAUTH, WRONGPASS, AUTH without a password configured, protected mode
  max_clients,  // "ERR max number of clients reached"
  loading,
  busy,
  quota,  // of a provider: "ERR max daily request limit exceeded"
  cluster_down,
  master_down,
  misconf,
  oom,
  no_replicas,
  readonly,
  elsewhere,  // MOVED, ASK, TRYAGAIN: a cluster node answered
  no_permission,
  other,
};

/// `text` is an error reply without its '-'.
[[nodiscard]] ErrorKind classify_error(std::string_view text);

enum class ExpectedRole { any, master, replica };

struct Expectations {
  ExpectedRole role = ExpectedRole::any;
  double memory_warn = 0.9;
};

/// The replies of one attempt; absent: not asked (or the connection ended before).
struct Answers {
  std::optional<Reply> login;   // AUTH
  std::optional<Reply> select;  // SELECT
  std::optional<Reply> ping;
  std::optional<Reply> read;  // EXISTS
  std::optional<Reply> role;
  std::optional<Reply> write;  // SET
  std::optional<Reply> info;   // INFO; only whether it is allowed
  bool round_trip = false;     // by pubsub: still to be made, and it tells enough
};

/// The role a server has, and its link to its master where it has one.
struct RoleFacts {
  std::string role = "unknown";  // master, replica, unknown
  std::optional<bool> link_up;
};
/// From ROLE, or from INFO where ROLE told nothing (no permission, no such command).
[[nodiscard]] RoleFacts role_facts(const std::optional<Reply>& role, const Info* info);

/// The fail that an error reply is by itself, in any place: whatever was asked. Nothing when its
/// meaning depends on the question.
[[nodiscard]] std::optional<ProbeResult> judge_error(std::string_view text);

/// A role that is expected and not told is `internal`, or a pass where telling it is forbidden;
/// what is forbidden is remarked. `info` is the latest INFO, maybe of an earlier attempt; null when
/// there is none. Knows nothing of connections: what failed below the protocol is judged before.
[[nodiscard]] ProbeResult judge(const Answers& answers, const Info* info,
                                const Expectations& expectations);

}  // namespace vitals::redis
