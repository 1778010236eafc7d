// Which Machines are asked.
#include "agent/fleet/sample.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

namespace vitals::fleet {
namespace {

SampleRequest fleet_of(int machines, std::size_t size) {
  SampleRequest request;
  for (int i = 0; i < machines; ++i) request.addresses.push_back("fdaa::" + std::to_string(i));
  request.size = size;
  return request;
}

TEST_CASE("sample: own addresses and doubles are left out, small fleets are asked whole") {
  std::mt19937 random(1);
  auto request = fleet_of(3, 8);
  request.addresses.push_back("fdaa::1");
  request.own = {"fdaa::0", "127.0.0.1"};
  auto chosen = choose_peers(request, random);
  std::sort(chosen.begin(), chosen.end());
  CHECK(chosen == std::vector<std::string>{"fdaa::1", "fdaa::2"});
  request.own = {"fdaa::0", "fdaa::1", "fdaa::2"};
  CHECK(choose_peers(request, random).empty());
}

TEST_CASE("sample: everybody is drawn about equally often, never one twice") {
  std::mt19937 random(7);
  const auto request = fleet_of(40, 8);
  std::map<std::string, int> drawn;
  for (int round = 0; round < 1'000; ++round) {
    const auto chosen = choose_peers(request, random);
    REQUIRE(chosen.size() == 8);
    REQUIRE(std::set<std::string>(chosen.begin(), chosen.end()).size() == 8);
    for (const auto& peer : chosen) ++drawn[peer];
  }
  REQUIRE(drawn.size() == 40);
  for (const auto& [peer, times] : drawn) {
    CAPTURE(peer);
    CHECK(times > 130);
    CHECK(times < 270);
  }
}

TEST_CASE("sample: who answered is asked again while the fleet has it, the silent make room") {
  std::mt19937 random(3);
  auto request = fleet_of(40, 8);
  request.answered = {"fdaa::4", "fdaa::5", "gone"};
  std::set<std::string> others;
  for (int round = 0; round < 50; ++round) {
    const auto chosen = choose_peers(request, random);
    REQUIRE(chosen.size() == 8);
    CHECK(std::count(chosen.begin(), chosen.end(), "fdaa::4") == 1);
    CHECK(std::count(chosen.begin(), chosen.end(), "fdaa::5") == 1);
    CHECK(std::count(chosen.begin(), chosen.end(), "gone") == 0);
    others.insert(chosen.begin(), chosen.end());
  }
  CHECK(others.size() > 30);
}

TEST_CASE("sample: the first look-up waits for nothing, also in the first seconds of a Machine") {
  const TimePoint booted{};
  CHECK(is_look_up_due(std::nullopt, booted));
  CHECK(is_look_up_due(std::nullopt, booted + Duration(3'000)));
  CHECK_FALSE(is_look_up_due(booted + Duration(3'000), booted + Duration(12'999)));
  CHECK(is_look_up_due(booted + Duration(3'000), booted + Duration(13'000)));
}

TEST_CASE("sample: our interfaces are known, and addresses compare in one spelling") {
  const auto own = interface_addresses();
  CHECK(own.contains("127.0.0.1"));
  CHECK(canonical_address("fdaa:0:1:0:0:0:0:3") == "fdaa:0:1::3");
  CHECK(canonical_address("FDAA:0:1::3") == "fdaa:0:1::3");
  CHECK(canonical_address("10.0.0.1") == "10.0.0.1");
  CHECK(canonical_address("a name") == "a name");
}

}  // namespace
}  // namespace vitals::fleet
