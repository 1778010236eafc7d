// Who sees details and who may control, as tables.
#include "agent/serve/permissions.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace vitals;

TEST_CASE("permissions: only the right bearer token matches, and an empty one never") {
  CHECK(bearer_matches("Bearer secret", "secret"));
  CHECK(bearer_matches("bearer  secret", "secret"));
  CHECK_FALSE(bearer_matches("Bearer secre", "secret"));
  CHECK_FALSE(bearer_matches("Bearer secrets", "secret"));
  CHECK_FALSE(bearer_matches("Bearer secretsecret", "secret"));
  CHECK_FALSE(bearer_matches("Bearer Secret", "secret"));
  CHECK_FALSE(bearer_matches("Bearer", "secret"));
  CHECK_FALSE(bearer_matches("Bearer ", "secret"));
  CHECK_FALSE(bearer_matches("Basic secret", "secret"));
  CHECK_FALSE(bearer_matches("secret", "secret"));
  CHECK_FALSE(bearer_matches("", "secret"));
  CHECK_FALSE(bearer_matches("Bearer ", ""));
  CHECK_FALSE(bearer_matches("Bearer x", ""));
}

TEST_CASE("permissions: details are shown as [server] details says") {
  struct Row {
    bool loopback, forwarded, token;
    bool private_, always, token_only, never;
  };
  const std::vector<Row> rows{
      {false, false, false, true, true, false, false},
      {false, false, true, true, true, true, false},
      {false, true, false, false, true, false, false},
      {false, true, true, true, true, true, false},
      {true, false, false, true, true, false, false},
      {true, true, false, false, true, false, false},
      {true, true, true, true, true, true, false},
  };
  for (const auto& row : rows) {
    const Caller caller{row.loopback, row.forwarded, row.token};
    CAPTURE(row.loopback);
    CAPTURE(row.forwarded);
    CAPTURE(row.token);
    CHECK(may_see_details(Details::private_, caller) == row.private_);
    CHECK(may_see_details(Details::always, caller) == row.always);
    CHECK(may_see_details(Details::token, caller) == row.token_only);
    CHECK(may_see_details(Details::never, caller) == row.never);
  }
}

TEST_CASE("permissions: control takes the token, or a loopback peer that came through no proxy") {
  CHECK(may_control({.from_loopback = true, .forwarded = false, .has_token = false}));
  CHECK(may_control({.from_loopback = false, .forwarded = false, .has_token = true}));
  CHECK(may_control({.from_loopback = true, .forwarded = true, .has_token = true}));
  CHECK_FALSE(may_control({.from_loopback = true, .forwarded = true, .has_token = false}));
  CHECK_FALSE(may_control({.from_loopback = false, .forwarded = false, .has_token = false}));
  CHECK_FALSE(may_control({.from_loopback = false, .forwarded = true, .has_token = false}));
}
