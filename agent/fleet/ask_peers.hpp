// Many HTTP questions at once under one deadline. libcurl stays in ask_peers.cpp.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
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
  std::string last_attempt;  // value of last_attempt_header
  std::string body;
  TimePoint received{};
};

/// Who asks may have reasons to look up before all answers are there.
struct AskWatch {
  /// Readable: look. Negative: nothing.
  int bell = -1;
  /// Called first of all, when there are new replies, when the bell is readable (which is for it to
  /// take back), and at the time that it asked for. Nothing: what there is is enough.
  std::function<std::optional<TimePoint>(const std::vector<Reply>& replies)> look;
};

/// Blocks until every URL has answered, the deadline, its interrupt, or the watch has enough;
/// replies in the order of `urls`. Neither redirects nor proxies nor credentials.
[[nodiscard]] std::vector<Reply> ask_peers(const std::vector<std::string>& urls,
                                           const Deadline& deadline, const AskWatch& watch = {});

}  // namespace vitals::fleet
