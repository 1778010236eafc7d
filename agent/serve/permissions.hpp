// Who may see details and who may control: contract §3.1 and §5 as pure functions.
#pragma once

#include <string_view>

#include "agent/config/config.hpp"

namespace vitals {

/// What a request shows of its sender.
struct Caller {
  bool from_loopback = false;  // true peer address
  bool forwarded = false;      // came through a proxy by its own word
  bool has_token = false;      // the right bearer token
};

/// True when `authorization` is "Bearer <token>" with the right token; an empty token is nobody's.
/// Takes the same time for every wrong token of one length.
[[nodiscard]] bool bearer_matches(std::string_view authorization, std::string_view token);

[[nodiscard]] bool may_see_details(Details details, const Caller& caller);
[[nodiscard]] bool may_control(const Caller& caller);

}  // namespace vitals
