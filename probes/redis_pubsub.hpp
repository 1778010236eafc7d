// One message through a channel and back: what an app that fans out over Redis depends on.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <vitals/probe.hpp>

#include "probes/redis_connection.hpp"
#include "probes/redis_reply.hpp"

namespace vitals::redis {

struct RoundTrip {
  Connection& publisher;   // logged in
  Connection& subscriber;  // fresh; `login` is sent on it first
  std::span<const Command> login;
  std::string channel;
};

/// Subscribes, publishes a message nobody else can have sent, and waits until it arrives; messages
/// of others on the channel are passed over. Nothing when it arrived, else the fail.
[[nodiscard]] std::optional<ProbeResult> round_trip(const RoundTrip& trip,
                                                    const Deadline& deadline);

}  // namespace vitals::redis
