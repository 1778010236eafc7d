// The Redis table of the contract as a table: error texts to kinds, answers to outcomes.
#include "probes/redis_classify.hpp"

#include <doctest/doctest.h>

#include <tuple>

using namespace vitals;
using redis::Answers;
using redis::classify_error;
using redis::ErrorKind;
using redis::Expectations;
using redis::ExpectedRole;
using redis::Info;
using redis::judge;
using redis::Reply;

namespace {

Reply text(std::string value) { return {.type = Reply::Type::text, .text = std::move(value)}; }
Reply error(std::string value) { return {.type = Reply::Type::error, .text = std::move(value)}; }
Reply number(std::int64_t value) { return {.type = Reply::Type::integer, .integer = value}; }

Reply role_of_replica(const std::string& link) {
  return {.type = Reply::Type::array,
          .elements = {text("slave"), text("127.0.0.1"), number(6379), text(link), number(1)}};
}
Reply role_of_master() {
  return {.type = Reply::Type::array, .elements = {text("master"), number(0), {}}};
}

Answers well() {
  Answers answers;
  answers.ping = text("PONG");
  answers.read = number(0);
  return answers;
}

void check_result(const ProbeResult& result, Outcome outcome, Reason reason) {
  CAPTURE(result.detail);
  CHECK(to_label(result.outcome) == to_label(outcome));
  CHECK(to_label(result.reason) == to_label(reason));
}

}  // namespace

TEST_CASE("redis classify: each error text has its kind") {
  // As written in the sources of Redis 7 unless noted.
  const std::pair<const char*, ErrorKind> rows[] = {
      {"NOAUTH Authentication required.", ErrorKind::auth},
      {"NOAUTH HELLO must be called with the client already authenticated", ErrorKind::auth},
      {"WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::auth},
      {"ERR AUTH <password> called without any password configured for the default user. Are you "
       "sure your configuration is correct?",
       ErrorKind::auth},
      {"ERR Client sent AUTH, but no password is set", ErrorKind::auth},  // Redis 5
      {"ERR invalid password", ErrorKind::auth},                          // Redis 5
      {"DENIED Redis is running in protected mode because", ErrorKind::auth},
      {"LOADING Redis is loading the dataset in memory", ErrorKind::loading},
      {"BUSY Redis is busy running a script.", ErrorKind::busy},
      {"BUSYGROUP Consumer Group name already exists", ErrorKind::other},
      {"BUSYKEY Target key name already exists.", ErrorKind::other},
      {"ERR max number of clients reached", ErrorKind::max_clients},
      {"ERR max number of clients + cluster connections reached", ErrorKind::max_clients},
      // Upstash; no server to ask.
      {"ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.", ErrorKind::quota},
      {"ERR max requests limit exceeded. Limit: 500000, Usage: 500000.", ErrorKind::quota},
      {"ERR max concurrent connections exceeded", ErrorKind::max_clients},
      {"ERR DB capacity quota exceeded", ErrorKind::quota},
      {"MOVED 3999 127.0.0.1:6381", ErrorKind::elsewhere},
      {"ASK 3999 127.0.0.1:6381", ErrorKind::elsewhere},
      {"TRYAGAIN Multiple keys request during rehashing of slot", ErrorKind::elsewhere},
      {"CLUSTERDOWN Hash slot not served", ErrorKind::cluster_down},
      {"MASTERDOWN Link with MASTER is down", ErrorKind::master_down},
      {"MISCONF Redis is configured to save RDB snapshots", ErrorKind::misconf},
      {"OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::oom},
      {"NOREPLICAS Not enough good replicas to write.", ErrorKind::no_replicas},
      {"READONLY You can't write against a read only replica.", ErrorKind::readonly},
      {"NOPERM this user has no permissions to run the 'info' command", ErrorKind::no_permission},
      {"ERR unknown command 'EXISTS'", ErrorKind::other},
      {"LOADINGX", ErrorKind::other},
      {"", ErrorKind::other},
  };
  for (const auto& [message, kind] : rows) {
    CAPTURE(message);
    CHECK(static_cast<int>(classify_error(message)) == static_cast<int>(kind));
  }
}

TEST_CASE("redis classify: PONG and a read pass with the detail PONG") {
  const ProbeResult result = judge(well(), nullptr, {});
  check_result(result, Outcome::pass, Reason::none);
  CHECK(result.detail == "PONG");
}

TEST_CASE("redis classify: an error in the login fails auth, whatever follows") {
  Answers answers = well();
  answers.login = error("ERR AUTH <password> called without any password configured");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::auth);
  answers.login = error("ERR unknown command 'AUTH', with args beginning with: 'hunter22'");
  const ProbeResult echoed = judge(answers, nullptr, {});
  check_result(echoed, Outcome::fail, Reason::auth);
  CHECK(echoed.detail.find("hunter22") == std::string::npos);
  answers.login = error("ERR max number of clients reached");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::saturated);
  answers.login = text("OK");
  answers.select = error("ERR DB index is out of range");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::auth);
}

TEST_CASE("redis classify: an error to the read decides over PONG") {
  const std::tuple<const char*, Outcome, Reason> rows[] = {
      {"LOADING x", Outcome::fail, Reason::loading},
      {"BUSY x", Outcome::fail, Reason::saturated},
      {"ERR max requests limit exceeded", Outcome::fail, Reason::saturated},
      {"CLUSTERDOWN x", Outcome::fail, Reason::replication},
      {"MASTERDOWN x", Outcome::fail, Reason::replication},
      {"MISCONF x", Outcome::fail, Reason::readonly},
      {"NOAUTH x", Outcome::fail, Reason::auth},
      {"ERR wrong", Outcome::fail, Reason::assertion},
      {"MOVED 1 a:1", Outcome::pass, Reason::none},
      {"ASK 1 a:1", Outcome::pass, Reason::none},
      {"NOPERM x", Outcome::pass, Reason::none},
  };
  for (const auto& [message, outcome, reason] : rows) {
    CAPTURE(message);
    Answers answers = well();
    answers.read = error(message);
    check_result(judge(answers, nullptr, {}), outcome, reason);
  }
}

TEST_CASE("redis classify: a user who may neither PING nor read learns nothing: fail(auth)") {
  Answers answers = well();
  answers.ping = error("NOPERM no permissions to run the 'ping' command");
  const ProbeResult unponged = judge(answers, nullptr, {});
  check_result(unponged, Outcome::pass, Reason::none);
  CHECK(unponged.detail == "answered (no permission for PING)");
  answers.read = error("NOPERM no permissions to run the 'exists' command");
  answers.info = error("NOPERM no permissions to run the 'info' command");
  const ProbeResult blind = judge(answers, nullptr, {});
  check_result(blind, Outcome::fail, Reason::auth);
  CHECK(blind.detail.starts_with("no permission for PING and EXISTS"));
  answers.write = error("NOPERM no permissions to run the 'set' command");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::auth);
  answers.write.reset();
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::auth);
  answers.round_trip = true;
  check_result(judge(answers, nullptr, {}), Outcome::pass, Reason::none);
  answers.round_trip = false;
  answers.write = text("OK");
  check_result(judge(answers, nullptr, {}), Outcome::pass, Reason::none);
}

TEST_CASE("redis classify: MISCONF on PING warns, and fails when writing matters") {
  Answers answers = well();
  answers.ping = error("MISCONF Redis is configured to save RDB snapshots");
  check_result(judge(answers, nullptr, {}), Outcome::warn, Reason::readonly);
  answers.write = error("MISCONF Redis is configured to save RDB snapshots");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::readonly);
  answers.write = error("MOVED 1 a:1");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::readonly);
}

TEST_CASE("redis classify: MASTERDOWN on PING alone warns, and fails when a role is expected") {
  Answers answers = well();
  answers.ping = error("MASTERDOWN Link with MASTER is down");
  check_result(judge(answers, nullptr, {}), Outcome::warn, Reason::replication);
  answers.role = role_of_replica("connected");
  check_result(judge(answers, nullptr, {.role = ExpectedRole::replica}), Outcome::fail,
               Reason::replication);
}

TEST_CASE("redis classify: a refused write fails by its cause") {
  const std::pair<const char*, Reason> rows[] = {
      {"OOM x", Reason::saturated},
      {"NOREPLICAS x", Reason::replication},
      {"READONLY x", Reason::readonly},
      {"MISCONF x", Reason::readonly},
      {"NOPERM x", Reason::auth},
      {"ERR value is wrong", Reason::assertion},
      {"MASTERDOWN x", Reason::replication},
  };
  for (const auto& [message, reason] : rows) {
    CAPTURE(message);
    Answers answers = well();
    answers.write = error(message);
    check_result(judge(answers, nullptr, {}), Outcome::fail, reason);
  }
  Answers written = well();
  written.write = text("OK");
  check_result(judge(written, nullptr, {}), Outcome::pass, Reason::none);
}

TEST_CASE("redis classify: the role must be the expected one, with its link up") {
  Answers replica = well();
  replica.role = role_of_replica("connected");
  Answers cut_off = well();
  cut_off.role = role_of_replica("connecting");
  Answers master = well();
  master.role = role_of_master();
  const Expectations wants_master{.role = ExpectedRole::master};
  const Expectations wants_replica{.role = ExpectedRole::replica};
  check_result(judge(master, nullptr, wants_master), Outcome::pass, Reason::none);
  check_result(judge(replica, nullptr, wants_replica), Outcome::pass, Reason::none);
  check_result(judge(replica, nullptr, wants_master), Outcome::fail, Reason::readonly);
  check_result(judge(master, nullptr, wants_replica), Outcome::fail, Reason::replication);
  check_result(judge(cut_off, nullptr, wants_replica), Outcome::fail, Reason::replication);
  check_result(judge(cut_off, nullptr, {}), Outcome::warn, Reason::replication);
}

TEST_CASE(
    "redis classify: without ROLE the role comes from INFO, without permission for both it "
    "passes") {
  Answers answers = well();
  answers.role = error("NOPERM no permissions to run the 'role' command");
  Info info;
  info.role = "replica";
  info.master_link_up = true;
  const Expectations wants_master{.role = ExpectedRole::master};
  check_result(judge(answers, &info, wants_master), Outcome::fail, Reason::readonly);
  const ProbeResult unknown = judge(answers, nullptr, wants_master);
  check_result(unknown, Outcome::pass, Reason::none);
  CHECK(unknown.detail == "PONG (no permission for ROLE)");
  CHECK(unknown.remark == "no permission for ROLE: what it tells is not known");
  CHECK(judge(well(), nullptr, {}).remark.empty());
}

TEST_CASE("redis classify: a role that is expected and never told is no pass") {
  const Expectations wants_master{.role = ExpectedRole::master};
  Answers answers = well();
  answers.role = error("ERR unknown command 'ROLE'");
  const ProbeResult untold = judge(answers, nullptr, wants_master);
  check_result(untold, Outcome::fail, Reason::internal);
  CHECK(untold.detail ==
        "this server does not tell its role: remove expect_role; ROLE: ERR unknown command 'ROLE'");
  answers.info = error("ERR unknown command 'INFO'");
  check_result(judge(answers, nullptr, wants_master), Outcome::fail, Reason::internal);
  answers.info = error("NOPERM no permissions to run the 'info' command");
  check_result(judge(answers, nullptr, wants_master), Outcome::pass, Reason::none);
  Info silent;
  silent.role = "unknown";
  answers.info = text("");
  check_result(judge(answers, &silent, wants_master), Outcome::fail, Reason::internal);
  answers.role = {.type = Reply::Type::array, .elements = {text("sentinel")}};
  check_result(judge(answers, &silent, wants_master), Outcome::fail, Reason::internal);
  check_result(judge(answers, &silent, {}), Outcome::pass, Reason::none);
}

TEST_CASE("redis classify: memory warns above its share, never without a limit") {
  Info info;
  info.memory_used = 90.0;
  info.memory_max = 100.0;
  const Expectations expectations{.memory_warn = 0.9};
  check_result(judge(well(), &info, expectations), Outcome::pass, Reason::none);
  info.memory_used = 90.1;
  check_result(judge(well(), &info, expectations), Outcome::warn, Reason::saturated);
  info.memory_max = 0;
  check_result(judge(well(), &info, expectations), Outcome::pass, Reason::none);
  info.memory_max = std::nullopt;
  check_result(judge(well(), &info, expectations), Outcome::pass, Reason::none);
}

TEST_CASE("redis classify: no free client slot is a warning before anyone is refused") {
  Info info;
  info.clients = 99;
  info.clients_max = 100;
  check_result(judge(well(), &info, {}), Outcome::pass, Reason::none);
  info.clients = 100;
  check_result(judge(well(), &info, {}), Outcome::warn, Reason::saturated);
}

TEST_CASE("redis classify: several warnings are all told, the gravest gives the reason") {
  Info info;
  info.role = "replica";
  info.master_link_up = false;
  info.memory_used = 99;
  info.memory_max = 100;
  const ProbeResult result = judge(well(), &info, {});
  check_result(result, Outcome::warn, Reason::replication);
  CHECK(result.detail.find("memory at 99%") != std::string::npos);
}

TEST_CASE("redis classify: loading says how far and how long") {
  Answers answers = well();
  answers.ping = error("LOADING Redis is loading the dataset in memory");
  Info info;
  info.loading = true;
  info.loading_percent = 42.9;
  info.loading_eta_seconds = 12;
  const ProbeResult result = judge(answers, &info, {});
  check_result(result, Outcome::fail, Reason::loading);
  CHECK(result.detail ==
        "LOADING Redis is loading the dataset in memory; 42% loaded, about 12 s left");
}

TEST_CASE("redis classify: an answer of the wrong shape is no Redis") {
  Answers answers = well();
  answers.ping = text("OK");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::protocol);
  answers = well();
  answers.read = text("0");
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::protocol);
  answers = well();
  answers.write = number(1);
  check_result(judge(answers, nullptr, {}), Outcome::fail, Reason::protocol);
}
