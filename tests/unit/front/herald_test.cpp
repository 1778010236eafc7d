// When the agent speaks at the front door, and when it is silent.
#include "agent/front/herald.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <optional>

#include "tests/support/process.hpp"
#include "tests/support/timing.hpp"

namespace vitals::front {
namespace {

/// A herald that says what it is told to, and the page as the door sees it.
class Fixture {
 public:
  Fixture() {
    auto page = Page::create({});
    REQUIRE(page.ok());
    auto door = Page::open(Fd(dup(page.value().fd())));
    REQUIRE(door.ok());
    door_ = std::move(door).value();
    herald_.emplace(std::move(page).value(), Clock::now(), [this] {
      ++said_;
      return Verdicts{.health = Status::pass, .ready = ready_};
    });
  }

  [[nodiscard]] Herald& herald() { return *herald_; }
  [[nodiscard]] std::optional<Word> word() const { return door_->word(Clock::now()); }
  [[nodiscard]] bool says_ready() const { return word() && word()->verdicts.ready; }
  [[nodiscard]] int said() const { return said_; }
  void set_ready(bool ready) { ready_ = ready; }

 private:
  std::optional<Page> door_;
  std::atomic<bool> ready_{false};
  std::atomic<int> said_{0};
  std::optional<Herald> herald_;
};

TEST_SUITE("front herald") {
  TEST_CASE("front herald: the first word needs no thread, and the end is silence all the same") {
    Fixture fixture;
    CHECK_FALSE(fixture.word());
    fixture.set_ready(true);
    fixture.herald().say();
    CHECK(fixture.says_ready());
    CHECK(fixture.said() == 1);
    fixture.herald().stop();
    CHECK_FALSE(fixture.word());
  }

  TEST_CASE("front herald: it says its word again by itself, until it is stopped") {
    Fixture fixture;
    REQUIRE_FALSE(fixture.herald().start());
    CHECK(test::eventually([&] { return fixture.said() >= 3; }));
    CHECK(test::eventually([&] { return fixture.word().has_value(); }));
    fixture.herald().stop();
    CHECK_FALSE(fixture.word());
    const int said = fixture.said();
    fixture.herald().wake();
    CHECK_FALSE(test::eventually([&] { return fixture.said() != said; }, 2 * herald_beat));
    CHECK_FALSE(fixture.word());
  }

  TEST_CASE("front herald: what has changed is said at once, not at the next beat") {
    constexpr int changes = 20;
    Fixture fixture;
    REQUIRE_FALSE(fixture.herald().start());
    REQUIRE(test::eventually([&] { return fixture.word().has_value(); }));
    const test::Stopwatch watch;
    for (int i = 0; i < changes; ++i) {
      const bool ready = i % 2 == 0;
      fixture.set_ready(ready);
      fixture.herald().wake();
      CHECK(test::eventually([&] { return fixture.says_ready() == ready; }));
    }
    CHECK(watch.took().own() < test::at_most(changes * herald_beat / 2));
  }
}

}  // namespace
}  // namespace vitals::front
