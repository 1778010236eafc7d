// Who may see details and who may control.
#include "agent/serve/permissions.hpp"

#include <algorithm>
#include <cstddef>

namespace vitals {
namespace {

constexpr std::string_view scheme = "bearer";

bool is_scheme(std::string_view word) {
  return std::equal(word.begin(), word.end(), scheme.begin(), scheme.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Looks at every byte, so that the time tells nothing of how many were right.
bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  volatile unsigned difference = given.size() == secret.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto other = static_cast<unsigned char>(secret[i % secret.size()]);
    difference = difference | (static_cast<unsigned char>(given[i]) ^ static_cast<unsigned>(other));
  }
  return difference == 0;
}

}  // namespace

bool bearer_matches(std::string_view authorization, std::string_view token) {
  if (token.empty()) return false;
  const auto blank = authorization.find(' ');
  if (blank == std::string_view::npos || !is_scheme(authorization.substr(0, blank))) return false;
  auto given = authorization.substr(blank);
  given.remove_prefix(std::min(given.find_first_not_of(' '), given.size()));
  return !given.empty() && equal_in_constant_time(given, token);
}

bool may_see_details(Details details, const Caller& caller) {
  switch (details) {
    case Details::private_:
      return !caller.forwarded || caller.has_token;
    case Details::always:
      return true;
    case Details::token:
      return caller.has_token;
    case Details::never:
      return false;
  }
  VITALS_ASSERT(false);
  return false;
}

bool may_control(const Caller& caller) {
  return caller.has_token || (caller.from_loopback && !caller.forwarded);
}

}  // namespace vitals
