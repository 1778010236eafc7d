// INFO as servers write it, and as they should not.
#include "probes/redis_info.hpp"

#include <doctest/doctest.h>

using vitals::redis::Info;
using vitals::redis::parse_info;

TEST_CASE("redis info: a master's facts are read") {
  const Info info = parse_info(
      "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# Clients\r\n"
      "connected_clients:12\r\nmaxclients:10000\r\n# Memory\r\nused_memory:1048576\r\n"
      "used_memory_human:1.00M\r\nmaxmemory:2097152\r\nmaxmemory_human:2.00M\r\n"
      "# Persistence\r\nloading:0\r\n# Stats\r\nrejected_connections:3\r\nevicted_keys:4\r\n"
      "# Replication\r\nrole:master\r\n");
  CHECK(info.version == "7.0.15");
  CHECK(info.mode == "standalone");
  CHECK(info.role == "master");
  CHECK(info.loading == false);
  CHECK(info.clients == 12);
  CHECK(info.clients_max == 10000);
  CHECK(info.memory_used == 1048576);
  CHECK(info.memory_max == 2097152);
  CHECK(info.rejected_connections == 3);
  CHECK(info.evicted_keys == 4);
  CHECK_FALSE(info.master_link_up.has_value());
}

TEST_CASE("redis info: a replica and its link are read") {
  const Info down = parse_info("role:slave\r\nmaster_link_status:down\r\n");
  CHECK(down.role == "replica");
  CHECK(down.master_link_up == false);
  CHECK(parse_info("role:slave\nmaster_link_status:up").master_link_up == true);
}

TEST_CASE("redis info: loading comes with how far and how long") {
  const Info info =
      parse_info("loading:1\r\nloading_loaded_perc:42.50\r\nloading_eta_seconds:12\r\n");
  CHECK(info.loading == true);
  CHECK(info.loading_percent == doctest::Approx(42.5));
  CHECK(info.loading_eta_seconds == 12);
}

TEST_CASE("redis info: a Valkey server shows its own version") {
  CHECK(parse_info("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n").version == "8.0.1");
  CHECK(parse_info("valkey_version:8.0.1\r\nredis_version:7.2.4\r\n").version == "8.0.1");
}

TEST_CASE("redis info: what is missing or no number stays absent") {
  const Info info =
      parse_info("used_memory:12x\r\nmaxmemory:\r\nmaxclients:-1\r\nevicted_keys:nan");
  CHECK_FALSE(info.memory_used.has_value());
  CHECK_FALSE(info.memory_max.has_value());
  CHECK_FALSE(info.clients_max.has_value());
  CHECK_FALSE(info.evicted_keys.has_value());
  CHECK(info.role == "unknown");
  CHECK(info.mode == "unknown");
  CHECK(parse_info("").version.empty());
  CHECK(parse_info(":\n::\n\n:").version.empty());
}

TEST_CASE("redis info: labels come from closed sets and short plain versions") {
  const Info info = parse_info("redis_version:7\"}\n" + ("valkey_version:" + std::string(99, '8')) +
                               "\nredis_mode:evil\nrole:boss\n");
  CHECK(info.version == std::string(32, '8'));
  CHECK(info.mode == "unknown");
  CHECK(info.role == "unknown");
  CHECK(parse_info("redis_version:7\"}{\n").version == "7");
}
