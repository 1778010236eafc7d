// The least that a server can do: what it costs is the kernel's share of every figure beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/bench/programs.hpp"

namespace vitals::bench {

/// The word by which the bench starts itself as a bare loop, before the port and the answer's file.
inline constexpr std::string_view bare_loop_word = "--bare-loop";

/// One epoll loop on one thread that reads nothing of what it is asked and sends the same bytes
/// again: a head of ours, and `body`.
[[nodiscard]] Program bare_loop(const std::string& body);

/// Is that program, on 127.0.0.1, until it is killed. Throws when it can't listen.
[[noreturn]] void serve_bare(std::uint16_t port, const std::string& answer);

}  // namespace vitals::bench
