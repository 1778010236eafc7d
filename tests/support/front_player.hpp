// Plays the bytes of one client through the front door's conversation, against an app that answers
// every request at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/front/conversation.hpp"

namespace vitals::test {

struct Played {
  std::string forwarded;                // what the app got
  std::vector<std::string> requests{};  // the same, cut where one of its requests ended
  int asked = 0;                        // questions for us
  std::string refused{};                // why it ended; empty: it did not
  bool tunnel = false;
  std::string left{};  // not understood yet

  [[nodiscard]] bool operator==(const Played&) const = default;
};

/// The client's bytes arrive `piece` at a time.
Played play(std::string_view client, std::size_t piece = std::string_view::npos,
            std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

struct Corpus {
  std::string_view name;
  std::string bytes;
};
/// Heads and bodies that two parsers may read differently: none of them may be forwarded whole.
const std::vector<Corpus>& smuggling_corpus();

}  // namespace vitals::test
