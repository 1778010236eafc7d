// Facts of a Postgres as measurements; what they are made of is tested against real servers.
#include "probes/postgres_depth.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace vitals;
using namespace vitals::postgres;

TEST_SUITE("postgres") {
  TEST_CASE("postgres depth: a version is short and harmless") {
    CHECK(short_version("15.18 (Debian 15.18-0+deb12u1)") == "15.18");
    CHECK(short_version("17beta2") == "17beta2");
    CHECK(short_version("1.18.0/bouncer") == "1.18.0");
    CHECK(short_version("\"\n15") == "");
    CHECK(short_version(std::string(100, '1')).size() == 32);
  }

  TEST_CASE("postgres: a process id that no server has was made up by a pooler") {
    for (const int real : {1, 2, 1234, 32'768, 4'194'304}) CHECK_FALSE(is_made_up(real));
    for (const int invented : {0, -1, std::numeric_limits<int>::min(), 4'194'305, 0x12345678,
                               std::numeric_limits<int>::max()}) {
      CHECK(is_made_up(invented));
    }
  }

  TEST_CASE("postgres depth: what is not known is not measured") {
    CHECK(Facts().measurements().empty());
    Facts facts;
    facts.version = "15.18";
    facts.in_recovery = true;
    facts.sessions = Sessions();
    const auto all = facts.measurements();
    REQUIRE(all.size() == 2 + Sessions::states.size());
    CHECK(all[0].metric->name == "postgres_info");
    CHECK(all[0].labels == std::vector<std::string>{"15.18", "unknown"});
    CHECK(all[1].metric->name == "postgres_in_recovery");
    CHECK(all[1].value == 1);
    for (const auto& one : all) CHECK(one.labels.size() == one.metric->labels.size());
  }

  TEST_CASE("postgres depth: a primary lags behind nobody; a replica's lag may be unknown") {
    const auto lag_of = [](const Facts& facts) -> std::optional<double> {
      for (const auto& one : facts.measurements()) {
        if (one.metric->name == "postgres_replication_lag_seconds") return one.value;
      }
      return std::nullopt;
    };
    Facts facts;
    CHECK(lag_of(facts) == std::nullopt);
    facts.in_recovery = false;
    CHECK(lag_of(facts) == 0);
    facts.in_recovery = true;
    CHECK(lag_of(facts) == std::nullopt);
    facts.lag_seconds = 1.5;
    CHECK(lag_of(facts) == 1.5);
  }

  TEST_CASE("postgres depth: exporters' names are the exporters'") {
    std::vector<std::string> aliases;
    for (const auto& metric : metric_specs()) {
      if (!metric.alias.empty()) aliases.emplace_back(metric.alias);
      CHECK(metric.alias.empty() == (metric.exporter == Exporter::none));
    }
    CHECK(aliases ==
          std::vector<std::string>{"pg_replication_is_replica", "pg_replication_lag_seconds",
                                   "pg_stat_activity_count", "pg_settings_max_connections"});
  }
}
