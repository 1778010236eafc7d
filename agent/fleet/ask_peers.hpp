// Many HTTP questions at once under one deadline. libcurl stays in ask_peers.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <vitals/time.hpp>

namespace vitals::fleet {

/// Bytes of an answer that are read; one with more is none. A health document of one check has less
/// than 2 KiB.
inline constexpr std::size_t answer_max = 16 * 1024;

struct Reply {
  int status = 0;  // 0: none within the deadline, or not whole
  std::string date;
  std::string body;
  TimePoint received{};
};

/// Blocks until every URL has answered, the deadline, or its interrupt; replies in the order of
/// `urls`. Neither redirects nor proxies nor credentials.
[[nodiscard]] std::vector<Reply> ask_peers(const std::vector<std::string>& urls,
                                           const Deadline& deadline);

}  // namespace vitals::fleet
