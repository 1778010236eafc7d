// Where the app listens: addresses of this Machine alone, and the words a door is started with.
#include "agent/front/address.hpp"

#include <doctest/doctest.h>

#include <string>

#include "agent/front/process.hpp"

namespace vitals::front {
namespace {

TEST_SUITE("front address") {
  TEST_CASE("front address: numeric addresses, and localhost for both families") {
    CHECK(upstream_addresses("127.0.0.1:3000").value().size() == 1);
    CHECK(upstream_addresses("[::1]:3000").value()[0].storage.ss_family == AF_INET6);
    const auto both = upstream_addresses("localhost:3000");
    REQUIRE(both.ok());
    REQUIRE(both.value().size() == 2);
    CHECK(both.value()[0].storage.ss_family == AF_INET);
    CHECK(both.value()[1].storage.ss_family == AF_INET6);
  }

  TEST_CASE("front address: names, and ports that nobody can listen on, are refused") {
    for (const std::string text : {"", "3000", ":3000", "127.0.0.1", "127.0.0.1:0",
                                   "127.0.0.1:70000", "app.internal:3000", "::1:3000", "[::1]"}) {
      CAPTURE(text);
      CHECK_FALSE(upstream_addresses(text).ok());
    }
  }

  TEST_CASE("front address: a door is started with the words of the supervisor alone") {
    const auto order = order_of({"3", "4", "127.0.0.1:3000", "3", "json"});
    REQUIRE(order.ok());
    CHECK(order.value().upstream == "127.0.0.1:3000");
    CHECK(order.value().log.level == LogLevel::warn);
    CHECK(order.value().log.format == LogFormat::json);
    using Words = std::vector<std::string>;
    for (const Words& words :
         {Words{}, Words{"3", "4", "x"}, Words{"3", "3", "x", "2", "json"},
          Words{"0", "4", "x", "2", "json"}, Words{"3", "x", "x", "2", "json"},
          Words{"3", "4", "x", "5", "json"}, Words{"3", "4", "x", "-1", "json"}}) {
      CHECK_FALSE(order_of(words).ok());
    }
  }

  TEST_CASE("front address: each client needs two descriptors, and some are for the door itself") {
    CHECK(clients_for(10'240) >= 5'000);
    CHECK(clients_for(10'240) * 2 + reserved_descriptors <= 10'240);
    CHECK(clients_for(0) > 0);
  }
}

}  // namespace
}  // namespace vitals::front
