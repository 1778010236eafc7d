// What the agent and the front door read of each other, in time and out of it.
#include "agent/front/page.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vitals::front {
namespace {

const TimePoint start = TimePoint(std::chrono::hours(100));
const Verdicts well{Status::warn, true, false, true, true};

TEST_SUITE("front page") {
  TEST_CASE("front page: the other side reads what one side says") {
    auto agent = Page::create({});
    REQUIRE(agent.ok());
    auto door = Page::open(Fd(dup(agent.value().fd())));
    REQUIRE(door.ok());
    CHECK_FALSE(door.value().word(start).has_value());
    agent.value().say(well, start, start + std::chrono::seconds(90));
    const auto word = door.value().word(start + std::chrono::seconds(91));
    REQUIRE(word.has_value());
    CHECK(word->verdicts == well);
    CHECK(word->uptime_seconds == 91);

    door.value().set_in_flight(3, start);
    door.value().set_connections(7, start + std::chrono::seconds(1));
    for (const int status : {101, 200, 204, 404, 503, 999}) door.value().count_answer(status);
    const Counts counts = agent.value().counts();
    CHECK(counts.in_flight == 3);
    CHECK(counts.connections == 7);
    CHECK(counts.answers == std::array<std::uint64_t, status_classes>{1, 2, 0, 1, 2});
    CHECK(TimePoint(Duration(counts.active_ms)) == start + std::chrono::seconds(1));
  }

  TEST_CASE("front page: an agent that says nothing for a while is silent, and comes back") {
    auto page = Page::create({});
    REQUIRE(page.ok());
    Page& both = page.value();
    both.say(well, start, start);
    CHECK(both.word(start + silence_max).has_value());
    CHECK_FALSE(both.word(start + silence_max + Duration(1)).has_value());
    CHECK(both.word(start + std::chrono::hours(2), std::chrono::hours(3)).has_value());
    both.say(well, start, start + std::chrono::hours(2));
    CHECK(both.word(start + std::chrono::hours(2)).has_value());
    both.fall_silent();
    CHECK_FALSE(both.word(start + std::chrono::hours(2)).has_value());
  }

  TEST_CASE("front page: it tells an agent that comes back what the door was made with") {
    const std::string longest = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535";
    for (const DoorAddresses& made : {DoorAddresses{}, DoorAddresses{"[::]:8080", "localhost:3000"},
                                      DoorAddresses{longest, longest}}) {
      CAPTURE(made.front);
      auto first = Page::create(made);
      REQUIRE(first.ok());
      first.value().say(well, start, start);
      first.value().set_connections(7, start);
      const auto next = Page::open(Fd(dup(first.value().fd())));
      REQUIRE(next.ok());
      CHECK(next.value().addresses() == made);
      CHECK(next.value().word(start)->verdicts == well);
    }
  }

  TEST_CASE("front page: neither side can cut it, and nothing else is taken for it") {
    auto page = Page::create({});
    REQUIRE(page.ok());
    CHECK(ftruncate(page.value().fd(), 0) != 0);
    const Fd other(memfd_create("other", MFD_CLOEXEC));
    CHECK_FALSE(Page::open(Fd(dup(other.get()))).ok());
    CHECK_FALSE(Page::open(Fd(-1)).ok());
  }
}

}  // namespace
}  // namespace vitals::front
