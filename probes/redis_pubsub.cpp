// One message through a channel and back: what an app that fans out over Redis depends on.
#include "probes/redis_pubsub.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "probes/redis_classify.hpp"

namespace vitals::redis {
namespace {

/// Other Machines probe through the same channel: chance tells us apart.
std::string unique_message() {
  std::random_device source;
  const std::uint64_t number = (std::uint64_t{source()} << 32) | source();
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "vitals-%016llx",
                static_cast<unsigned long long>(number));
  return text.data();
}

ProbeResult refused(const std::string& command, const Reply& reply) {
  if (auto result = judge_error(reply.text)) return *result;
  const bool denied = classify_error(reply.text) == ErrorKind::no_permission;
  return failed(denied ? Reason::auth : Reason::assertion, command + ": " + reply.text);
}

/// The fail in what came back, if there is one. The last of `commands` is the one that matters.
std::optional<ProbeResult> judge_exchange(const RedisExchange& exchange, const Command& command) {
  for (const Reply& reply : exchange.replies) {
    if (reply.is_error()) return refused(command.front(), reply);
  }
  if (exchange.failure) {
    return failed(exchange.failure->reason, command.front() + ": " + exchange.failure->detail);
  }
  return std::nullopt;
}

bool carries(const Reply& reply, const std::string& message) {
  return reply.elements.size() == 3 && reply.elements[0].text == "message" &&
         reply.elements[2].text == message;
}

}  // namespace

std::optional<ProbeResult> round_trip(const RoundTrip& trip, const Deadline& deadline) {
  std::vector<Command> commands(trip.login.begin(), trip.login.end());
  commands.push_back({"SUBSCRIBE", trip.channel});
  const RedisExchange subscribed = trip.subscriber.exchange(commands, deadline);
  if (auto result = judge_exchange(subscribed, commands.back())) return result;

  const std::string message = unique_message();
  const std::array<Command, 1> publish{{{"PUBLISH", trip.channel, message}}};
  const RedisExchange published = trip.publisher.exchange(publish, deadline);
  if (auto result = judge_exchange(published, publish.front())) return result;

  while (true) {
    const RedisExchange received = trip.subscriber.receive(1, deadline);
    if (received.failure) {
      return failed(received.failure->reason,
                    "published, but the message did not come back to its subscriber");
    }
    if (carries(received.replies.front(), message)) return std::nullopt;
  }
}

}  // namespace vitals::redis
