// When other Machines are asked, and what is remembered of their answers: a fleet of one peer.
#include "agent/fleet/fleet.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <chrono>
#include <ctime>
#include <iomanip>
#include <memory>
#include <sstream>
#include <string>

#include "tests/support/process.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/verdict_fixture.hpp"

namespace vitals::fleet {
namespace {

using namespace std::chrono_literals;
using test::eventually;

std::string time_as(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::ostringstream text;
  text << std::put_time(&parts, format);
  return text.str();
}

/// A peer whose check "db" passes, and was asked this very second.
std::string passing_answer() {
  const std::string body =
      R"({"status":"pass","checks":{"db:responseTime":[{"componentId":"db","status":"pass","time":")" +
      time_as("%Y-%m-%dT%H:%M:%SZ") + R"("}]}})";
  return test::http_answer("200 OK", body,
                           "Date: " + time_as("%a, %d %b %Y %H:%M:%S GMT") + "\r\n");
}

/// A board with one shared critical check and a fleet behind it; the peer answers as told.
class Fixture {
 public:
  explicit Fixture(int fall, std::function<std::string()> answer,
                   Duration timeout = Duration(5'000))
      : port_(test::free_port()),
        peer_(
            [answer](test::ScriptedConnection& connection) {
              connection.read_request();
              connection.send(answer());
            },
            {.public_port = port_}),
        board_(Instant::now(), [this](const Event&) { fleet_.nudge(); }),
        fleet_(board_, [](const std::string&, const Deadline&) {
          // Loopback, but none of our addresses.
          return Result<std::vector<std::string>>(std::vector<std::string>{"127.0.0.2"});
        }) {
    spec_->fall = fall;
    spec_->timeout = timeout;
    board_.set_checks({spec_}, SharedRule::fleet, Instant::now());
    REQUIRE(!fleet_.configure({.peers = "app.internal", .port = port_, .own_address = ""}));
  }
  ~Fixture() { fleet_.stop(); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  void pass() { finish(passed("")); }
  void fail() { finish(failed(Reason::refused, "connection refused")); }
  /// As one that took so long.
  void fail_after(Duration time) {
    Instant started = Instant::now();
    started.mono -= time;
    started.wall -= time;
    const auto attempt = board_.begin(*spec_, started);
    REQUIRE(attempt);
    REQUIRE(board_.finish(*attempt, {started, Instant::now(), failed(Reason::timeout, "")}));
  }
  [[nodiscard]] bool ready() const { return judge(*board_.latest(), Clock::now()).ready; }
  [[nodiscard]] std::size_t asked() const { return peer_.requests().size(); }
  [[nodiscard]] Status status() const { return board_.latest()->checks[0]->status; }
  [[nodiscard]] bool wants_retry() const { return board_.wants_retry("db"); }
  /// Nothing while nobody has said a word.
  [[nodiscard]] std::optional<FleetWord> word() const {
    const auto snapshot = board_.latest();
    if (snapshot->fleet.empty()) return std::nullopt;
    return snapshot->fleet.front();
  }
  [[nodiscard]] bool hears(FleetVerdict verdict) const {
    return eventually([&] { return word() && word()->verdict == verdict; });
  }

 private:
  void finish(ProbeResult result) {
    const Instant now = Instant::now();
    const auto attempt = board_.begin(*spec_, now);
    REQUIRE(attempt);
    REQUIRE(board_.finish(*attempt, {now, Instant::now(), std::move(result)}));
  }

  std::uint16_t port_;
  test::ScriptedServer peer_;
  std::shared_ptr<CheckSpec> spec_ = test::spec("db");
  StatusBoard board_;
  Fleet fleet_;
};

const auto hidden = [] { return test::http_answer("200 OK", R"({"status":"pass"})"); };

TEST_CASE("fleet: others are asked from the first failed attempt on, and not before") {
  Fixture fixture(3, hidden);
  fixture.pass();
  CHECK_FALSE(eventually([&] { return fixture.asked() > 0; }, 300ms));
  fixture.fail();
  CHECK(eventually([&] { return fixture.asked() > 0; }));
  CHECK(fixture.status() == Status::pass);
  fixture.pass();
  CHECK(eventually([&] { return !fixture.word(); }));
}

TEST_CASE("fleet: while the others can't tell, the check is asked at its retry_interval") {
  Fixture fixture(1, hidden);
  fixture.pass();
  CHECK_FALSE(fixture.wants_retry());
  fixture.fail();
  CHECK(fixture.status() == Status::fail);
  CHECK(eventually([&] { return fixture.wants_retry(); }));
  CHECK(fixture.word()->verdict == FleetVerdict::alone);
}

/// This process can open nothing while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none{0, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_CASE("fleet: where it can't be started, no check waits for what others say") {
  StatusBoard board(Instant::now(), [](const Event&) {});
  const auto spec = test::spec("db");
  spec->fall = 1;
  board.set_checks({spec}, SharedRule::fleet, Instant::now());
  std::optional<Fleet> fleet;
  {
    const NoDescriptors no_descriptors;
    fleet.emplace(board, [](const std::string&, const Deadline&) {
      return Result<std::vector<std::string>>(Error{"nobody looks up"});
    });
  }
  CHECK(fleet->configure({.peers = "app.internal", .own_address = ""}));
  const Instant now = Instant::now();
  const auto attempt = board.begin(*spec, now);
  REQUIRE(attempt);
  REQUIRE(board.finish(*attempt, {now, Instant::now(), failed(Reason::refused, "")}));
  CHECK(board.latest()->checks[0]->status == Status::fail);
  CHECK(board.latest()->fleet.empty());
  CHECK_FALSE(board.wants_retry("db"));
}

TEST_CASE("fleet: what the others said of a failure that ended says nothing of the next one") {
  Fixture fixture(1'000, passing_answer);
  fixture.pass();
  fixture.fail();
  // Whole seconds of the peer's clock: two of them lie between our failures for sure.
  CHECK(fixture.hears(FleetVerdict::alone));
  CHECK(test::stays(
      [&] { return fixture.word() && fixture.word()->verdict == FleetVerdict::alone; }, 2'500ms));
  const auto ours = [&] {
    fixture.fail();
    return fixture.word() && fixture.word()->verdict == FleetVerdict::ours;
  };
  REQUIRE(eventually(ours));
  CHECK_FALSE(fixture.word()->undecided);
  fixture.pass();
  fixture.fail();
  CHECK(fixture.hears(FleetVerdict::alone));
}

TEST_CASE("fleet: with the answers in hand the failed attempt that turns the check takes it out") {
  // An attempt of another Machine that lies between the first two of ours: 2 s before this moment,
  // whenever it is asked for.
  const auto now = Clock::now();
  Fixture fixture(
      3,
      [now] {
        const auto age = std::chrono::duration_cast<Duration>(Clock::now() - now) + Duration(2'000);
        return test::http_answer(
            "200 OK", R"({"status":"pass"})",
            "Vitals-Last-Attempt: pass; began_ms=" + std::to_string(age.count()) +
                "; ended_ms=" + std::to_string(age.count() - 1) + "\r\n");
      },
      Duration(2'000));
  fixture.pass();
  REQUIRE(fixture.ready());
  fixture.fail_after(Duration(4'000));
  fixture.fail_after(Duration(100));
  // 6 s after the first one began, which is the worst case.
  CHECK(fixture.hears(FleetVerdict::ours));
  CHECK(fixture.status() == Status::pass);
  CHECK(fixture.ready());
  fixture.fail_after(Duration(50));
  CHECK(fixture.status() == Status::fail);
  CHECK_FALSE(fixture.ready());
}

}  // namespace
}  // namespace vitals::fleet
