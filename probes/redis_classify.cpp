// From a server's answers to an outcome: the Redis table of the contract. Pure.
#include "probes/redis_classify.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <utility>
#include <vector>

#include <vitals/assert.hpp>
#include <vitals/text.hpp>

namespace vitals::redis {
namespace {

struct ErrorRow {
  std::string_view text;
  ErrorKind kind;
};

// By the first word, as the server's sources spell it (Redis 7, src/server.c and neighbours).
constexpr std::array<ErrorRow, 15> by_code{{
    {"NOAUTH", ErrorKind::auth},
    {"WRONGPASS", ErrorKind::auth},
    {"DENIED", ErrorKind::auth},
    {"LOADING", ErrorKind::loading},
    {"BUSY", ErrorKind::busy},
    {"CLUSTERDOWN", ErrorKind::cluster_down},
    {"MASTERDOWN", ErrorKind::master_down},
    {"MISCONF", ErrorKind::misconf},
    {"OOM", ErrorKind::oom},
    {"NOREPLICAS", ErrorKind::no_replicas},
    {"READONLY", ErrorKind::readonly},
    {"MOVED", ErrorKind::elsewhere},
    {"ASK", ErrorKind::elsewhere},
    {"TRYAGAIN", ErrorKind::elsewhere},
    {"NOPERM", ErrorKind::no_permission},
}};

// Behind a bare ERR only the prose tells. "max …" before "exceeded": a full server is no quota.
constexpr std::array<ErrorRow, 9> by_prose{{
    {"max number of clients", ErrorKind::max_clients},
    {"max concurrent connections", ErrorKind::max_clients},
    {"without any password configured", ErrorKind::auth},
    {"no password is set", ErrorKind::auth},       // before Redis 6
    {"invalid password", ErrorKind::auth},         // before Redis 6
    {"operation not permitted", ErrorKind::auth},  // before Redis 2.8
    {"limit exceeded", ErrorKind::quota},
    {"quota", ErrorKind::quota},
    {"exceeded", ErrorKind::quota},
}};

bool says(const std::optional<Reply>& reply, ErrorKind kind) {
  return reply && reply->is_error() && classify_error(reply->text) == kind;
}

std::string share_text(double used, double limit) {
  std::array<char, 96> text;
  constexpr double mebi = 1024.0 * 1024.0;
  std::snprintf(text.data(), text.size(), "memory at %.0f%% of maxmemory (%.1f of %.1f MiB)",
                100.0 * used / limit, used / mebi, limit / mebi);
  return text.data();
}

/// An error in answer to a question that no row of the table covers.
ProbeResult unexpected(std::string_view command, const Reply& reply) {
  if (reply.is_error()) {
    return failed(Reason::assertion, std::string(command) + ": " + reply.text);
  }
  return failed(Reason::protocol, "not an answer to " + std::string(command));
}

std::optional<ProbeResult> judge_login(const Answers& answers) {
  if (answers.login && answers.login->is_error()) {
    // An unknown refusal may quote what was sent; only its beginning is sure to be the server's.
    const std::string& text = answers.login->text;
    const auto quote = std::min(text.find_first_of("'`\""), text.size());
    return failed(Reason::auth, "AUTH: " + text.substr(0, quote));
  }
  if (answers.select && answers.select->is_error()) {
    return failed(Reason::auth, "SELECT of the database in the URL: " + answers.select->text);
  }
  return std::nullopt;
}

bool one_of(ErrorKind kind, std::initializer_list<ErrorKind> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

std::optional<ProbeResult> judge_read(const Reply& read) {
  if (read.type == Reply::Type::integer) return std::nullopt;
  if (!read.is_error()) return unexpected("EXISTS", read);
  const ErrorKind kind = classify_error(read.text);
  if (one_of(kind, {ErrorKind::elsewhere, ErrorKind::no_permission})) return std::nullopt;
  if (kind == ErrorKind::master_down) return failed(Reason::replication, read.text);
  if (kind == ErrorKind::misconf) return failed(Reason::readonly, read.text);
  if (kind == ErrorKind::oom) return failed(Reason::saturated, read.text);
  return unexpected("EXISTS", read);
}

/// After the read: what PING is refused for may not matter to it.
std::optional<ProbeResult> judge_ping(const Reply& ping, ExpectedRole expected) {
  if (ping.type == Reply::Type::text && ping.text == "PONG") return std::nullopt;
  if (!ping.is_error()) return unexpected("PING", ping);
  const ErrorKind kind = classify_error(ping.text);
  if (kind == ErrorKind::master_down && expected != ExpectedRole::any) {
    return failed(Reason::replication, ping.text);
  }
  if (one_of(kind, {ErrorKind::misconf, ErrorKind::master_down, ErrorKind::elsewhere,
                    ErrorKind::no_permission})) {
    return std::nullopt;
  }
  return unexpected("PING", ping);
}

/// "; ROLE: ERR unknown command" when that is what it said.
std::string refusal(std::string_view command, const std::optional<Reply>& reply) {
  if (!reply || !reply->is_error()) return {};
  return "; " + std::string(command) + ": " + reply->text;
}

/// Nothing where the user that the URL names may not know it: that is a wish of whoever made it.
std::optional<ProbeResult> judge_unknown_role(const Answers& answers) {
  const auto denied = ErrorKind::no_permission;
  if (says(answers.role, denied) || says(answers.info, denied)) return std::nullopt;
  return internal_error("this server does not tell its role: remove expect_role" +
                        refusal("ROLE", answers.role) + refusal("INFO", answers.info));
}

std::optional<ProbeResult> judge_role(const Answers& answers, const RoleFacts& facts,
                                      ExpectedRole expected) {
  if (expected == ExpectedRole::any) return std::nullopt;
  if (facts.role == "unknown") return judge_unknown_role(answers);
  if (facts.role == "replica" && expected == ExpectedRole::master) {
    return failed(Reason::readonly, "a replica, expected a master");
  }
  if (facts.role == "master" && expected == ExpectedRole::replica) {
    return failed(Reason::replication, "a master, expected a replica");
  }
  if (facts.role == "replica" && facts.link_up == false) {
    return failed(Reason::replication, "the link to the master is down");
  }
  return std::nullopt;
}

std::optional<ProbeResult> judge_write(const Reply& write) {
  if (write.type == Reply::Type::text) return std::nullopt;
  if (!write.is_error()) return unexpected("SET", write);
  const ErrorKind kind = classify_error(write.text);
  if (kind == ErrorKind::elsewhere) return std::nullopt;
  if (kind == ErrorKind::oom) return failed(Reason::saturated, write.text);
  if (kind == ErrorKind::no_permission) return failed(Reason::auth, write.text);
  if (one_of(kind, {ErrorKind::no_replicas, ErrorKind::master_down})) {
    return failed(Reason::replication, write.text);
  }
  if (one_of(kind, {ErrorKind::readonly, ErrorKind::misconf})) {
    return failed(Reason::readonly, write.text);
  }
  return unexpected("SET", write);
}

struct Warning {
  Reason reason;
  std::string detail;
};

std::vector<Warning> find_warnings(const Answers& answers, const RoleFacts& facts, const Info* info,
                                   const Expectations& expectations) {
  std::vector<Warning> warnings;
  if (says(answers.ping, ErrorKind::misconf)) {
    warnings.push_back({Reason::readonly, answers.ping->text});
  }
  if (says(answers.ping, ErrorKind::master_down)) {
    warnings.push_back({Reason::replication, answers.ping->text});
  } else if (facts.role == "replica" && facts.link_up == false) {
    warnings.push_back({Reason::replication, "the link to the master is down"});
  }
  if (info == nullptr) return warnings;
  const double limit = info->memory_max.value_or(0);
  const double used = info->memory_used.value_or(0);
  if (limit > 0 && used > expectations.memory_warn * limit) {
    warnings.push_back({Reason::saturated, share_text(used, limit)});
  }
  // We would not notice by ourselves: a kept connection has its slot already.
  const double clients_max = info->clients_max.value_or(0);
  if (clients_max > 0 && info->clients.value_or(0) >= clients_max) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "all %.0f client slots are taken", clients_max);
    warnings.push_back({Reason::saturated, text.data()});
  }
  return warnings;
}

/// Of the questions that change nothing when they are forbidden.
std::string forbidden(const Answers& answers) {
  std::string denied;
  const auto note = [&denied](const std::optional<Reply>& reply, std::string_view name) {
    if (!says(reply, ErrorKind::no_permission)) return;
    denied += denied.empty() ? "" : ", ";
    denied += name;
  };
  note(answers.ping, "PING");
  note(answers.read, "EXISTS");
  note(answers.role, "ROLE");
  note(answers.info, "INFO");
  return denied.empty() ? denied : "no permission for " + denied;
}

/// A user who may ask neither learns nothing: the server refuses before it looks at its own state.
/// A write that was done, and a message that comes back, tell as much as a read.
std::optional<ProbeResult> judge_blindness(const Answers& answers) {
  const auto denied = ErrorKind::no_permission;
  const bool wrote = answers.write && !answers.write->is_error();
  if (answers.round_trip || wrote || !says(answers.ping, denied) || !says(answers.read, denied))
    return std::nullopt;
  return failed(Reason::auth,
                "no permission for PING and EXISTS: nothing of this server can be "
                "told; let the user of the url run one of them");
}

std::string loading_progress(const Info* info) {
  if (info == nullptr || info->loading != true) return {};
  std::string text;
  if (info->loading_percent) {
    text += "; " + std::to_string(static_cast<int>(*info->loading_percent)) + "% loaded";
  }
  if (info->loading_eta_seconds) {
    const auto seconds = static_cast<long long>(*info->loading_eta_seconds);
    text += text.empty() ? "; " : ", ";
    text += "about " + std::to_string(seconds) + " s left";
  }
  return text;
}

/// The fails that need no context.
std::optional<ProbeResult> judge_errors(const Answers& answers, const Info* info) {
  for (const auto* reply : {&answers.login, &answers.select, &answers.ping, &answers.read,
                            &answers.role, &answers.write}) {
    if (!*reply || !(*reply)->is_error()) continue;
    auto result = judge_error((*reply)->text);
    if (!result) continue;
    if (result->reason == Reason::loading) result->detail += loading_progress(info);
    return result;
  }
  return std::nullopt;
}

}  // namespace

ErrorKind classify_error(std::string_view text) {
  const std::string_view code = text.substr(0, text.find(' '));
  for (const ErrorRow& row : by_code) {
    if (code == row.text) return row.kind;
  }
  const std::string prose = to_lower(text);
  for (const ErrorRow& row : by_prose) {
    if (prose.find(row.text) != std::string::npos) return row.kind;
  }
  return ErrorKind::other;
}

std::optional<ProbeResult> judge_error(std::string_view text) {
  std::string detail(text);
  switch (classify_error(text)) {
    case ErrorKind::auth:
      return failed(Reason::auth, std::move(detail));
    case ErrorKind::max_clients:
    case ErrorKind::busy:
    case ErrorKind::quota:
      return failed(Reason::saturated, std::move(detail));
    case ErrorKind::loading:
      return failed(Reason::loading, std::move(detail));
    case ErrorKind::cluster_down:
      return failed(Reason::replication, std::move(detail));
    case ErrorKind::master_down:
    case ErrorKind::misconf:
    case ErrorKind::oom:
    case ErrorKind::no_replicas:
    case ErrorKind::readonly:
    case ErrorKind::elsewhere:
    case ErrorKind::no_permission:
    case ErrorKind::other:
      return std::nullopt;
  }
  VITALS_ASSERT(false);
  return std::nullopt;
}

RoleFacts role_facts(const std::optional<Reply>& role, const Info* info) {
  RoleFacts facts;
  if (role && role->type == Reply::Type::array && !role->elements.empty()) {
    const std::vector<Reply>& parts = role->elements;
    if (parts[0].text == "master") facts.role = "master";
    if (parts[0].text == "slave" || parts[0].text == "replica") facts.role = "replica";
    if (facts.role == "replica" && parts.size() > 3) facts.link_up = parts[3].text == "connected";
    return facts;
  }
  if (info == nullptr) return facts;
  facts.role = info->role;
  facts.link_up = info->master_link_up;
  return facts;
}

ProbeResult judge(const Answers& answers, const Info* info, const Expectations& expectations) {
  if (auto result = judge_errors(answers, info)) return *result;
  if (auto result = judge_login(answers)) return *result;
  if (answers.read) {
    if (auto result = judge_read(*answers.read)) return *result;
  }
  if (answers.ping) {
    if (auto result = judge_ping(*answers.ping, expectations.role)) return *result;
  }
  if (auto result = judge_blindness(answers)) return *result;
  const RoleFacts facts = role_facts(answers.role, info);
  if (auto result = judge_role(answers, facts, expectations.role)) return *result;
  if (answers.write) {
    if (auto result = judge_write(*answers.write)) return *result;
    if (says(answers.ping, ErrorKind::misconf)) return failed(Reason::readonly, answers.ping->text);
  }
  const auto warnings = find_warnings(answers, facts, info, expectations);
  const std::string denied = forbidden(answers);
  const bool ponged = !says(answers.ping, ErrorKind::no_permission);
  ProbeResult result = passed(ponged ? "PONG" : "answered");
  if (!denied.empty()) result.detail += " (" + denied + ")";
  if (!warnings.empty()) result = warned(warnings.front().reason, warnings.front().detail);
  for (std::size_t i = 1; i < warnings.size(); ++i) result.detail += "; " + warnings[i].detail;
  if (!denied.empty()) result.remark = denied + ": what it tells is not known";
  return result;
}

}  // namespace vitals::redis
