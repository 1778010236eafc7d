// Stack 1 of contract §12, whole: a Node app of 256 MB, Postgres behind a transaction pooler, third
// parties.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/machine.hpp"
#include "tests/support/memory_group.hpp"
#include "tests/support/pgbouncer_server.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/stack.hpp"

namespace vitals::test {

/// Node behind the front door, and the agent, in a Machine of their own with the memory of the
/// example's fly.toml where the kernel lets us limit it.
struct VoiceBot {
  static constexpr std::uint16_t app_port = 3000;
  static constexpr std::uint16_t pooler_port = 6543;
  static constexpr int pool_size = 2;
  static constexpr std::uint64_t memory = std::uint64_t{256} << 20U;

  static const std::vector<std::string>& third_parties();

  Machine machine{Providers::addresses(third_parties())};
  PostgresServer postgres;
  // As Supabase's pooler: one server connection serves many, for a transaction each. It gives up
  // before the check does, so that the check can tell a full pool from silence.
  PgBouncerServer pooler{postgres,
                         {.settings = {{"query_wait_timeout", "0.5"},
                                       {"server_login_retry", "1"},
                                       {"default_pool_size", std::to_string(pool_size)}},
                          .port = pooler_port}};
  Providers providers{third_parties()};
  std::unique_ptr<MemoryGroup> group{MemoryGroup::possible() ? std::make_unique<MemoryGroup>(memory)
                                                             : nullptr};
  Stack stack{
      {.example = "voice-bot",
       .app = {"app.js"},
       .environment = {{"DATABASE_URL", pooler.url()},
                       {"PORT", std::to_string(app_port)},
                       {"SSL_CERT_FILE", providers.ca_file().string()},
                       {"NODE_EXTRA_CA_CERTS", providers.ca_file().string()}},
       .changes = {{"every  = \"24h\"", "every  = \"3s\""}, {"grace  = \"2h\"", "grace  = \"1s\""}},
       .wrapper = group ? group->wrapper() : std::vector<std::string>{}}};

  /// Waits until all is well; throws with what was seen last.
  VoiceBot();
};

}  // namespace vitals::test
