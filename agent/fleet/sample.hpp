// Which of the other Machines are asked, and which addresses are our own.
#pragma once

#include <cstddef>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <vitals/time.hpp>

namespace vitals::fleet {

/// Whether a round looks the fleet's addresses up anew. `last`: when that last found any; nothing:
/// it never did.
[[nodiscard]] bool is_look_up_due(const std::optional<TimePoint>& last, TimePoint now);

struct SampleRequest {
  std::vector<std::string> addresses;  // of the fleet, numeric; may hold ours and doubles
  std::set<std::string> own;
  std::set<std::string> answered;  // in the round before
  std::size_t size = 8;
};

/// At most `size` other Machines. Those that answered before stay, as long as the fleet has them:
/// drawing anew each round would turn a fleet that is half sick into a coin toss every ten seconds.
/// The rest is drawn at random, so that silent ones make room for others.
[[nodiscard]] std::vector<std::string> choose_peers(const SampleRequest& request,
                                                    std::mt19937& random);

/// Numeric addresses of this Machine's interfaces, as the resolver writes them. May be asked by any
/// thread; empty when the kernel does not say.
[[nodiscard]] std::set<std::string> interface_addresses();

/// The address as the resolver writes it: "fdaa:0:1::3" for "fdaa:0:1:0:0:0:0:3". What is no
/// address stays as it is.
[[nodiscard]] std::string canonical_address(const std::string& text);

}  // namespace vitals::fleet
