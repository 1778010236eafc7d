// The Machines API as this Machine reaches it: a Unix socket that needs no token (contract §10).
#pragma once

#include <optional>
#include <string>

#include <vitals/result.hpp>
#include <vitals/time.hpp>

namespace vitals::idle {

/// Who we are to the API: FLY_APP_NAME and FLY_MACHINE_ID.
struct MachineName {
  std::string app;
  std::string machine;
};

/// What is asked of it; an answer that takes longer is none.
inline constexpr Duration api_timeout{10'000};

/// POST /v1/apps/APP/machines/MACHINE/`verb` ("suspend", "stop") over the socket. Nothing: it was
/// accepted. The error says why not, and the way out. Blocks until the deadline or its interrupt;
/// the answer to "suspend" may come before the Machine sleeps, or after it woke up.
[[nodiscard]] std::optional<Error> ask_machines_api(const std::string& socket,
                                                    const MachineName& name,
                                                    const std::string& verb,
                                                    const Deadline& deadline);

}  // namespace vitals::idle
