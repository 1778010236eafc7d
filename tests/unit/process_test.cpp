// What tests start: whom its signals reach.
#include "tests/support/process.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>

using namespace vitals::test;

TEST_CASE("process: who has ended keeps its number for as long as it may be sent signals") {
  auto process = std::make_unique<Process>(Command{.argv = {"sh", "-c", "exit 3"}});
  REQUIRE(process->wait(std::chrono::seconds(30)) == 3);
  const pid_t pid = process->pid();
  // Else they would reach whoever was started with it since.
  CHECK(kill(pid, 0) == 0);
  CHECK(kill(-pid, 0) == 0);
  CHECK_FALSE(process->running());
  process.reset();
  CHECK(kill(pid, 0) != 0);
  CHECK(errno == ESRCH);
}

TEST_CASE("process: what somebody leaves in its group ends with it, however it ended itself") {
  for (const char* last : {"exit 0", "kill -TERM $$"}) {
    auto process = std::make_unique<Process>(
        Command{.argv = {"sh", "-c", std::string("sleep 31415 & echo $!; ") + last}});
    REQUIRE(process->wait(std::chrono::seconds(30)).has_value());
    const pid_t left = std::stoi(process->output());
    CHECK(kill(left, 0) == 0);
    process.reset();
    CHECK(eventually([&] { return kill(left, 0) != 0; }));
  }
}
