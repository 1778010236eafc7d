// Starts the voice bot.
#include "tests/support/voice_bot.hpp"

#include <stdexcept>

namespace vitals::test {

const std::vector<std::string>& VoiceBot::third_parties() {
  static const std::vector<std::string> all{"api.openai.com", "api.elevenlabs.io",
                                            "graph.facebook.com", "api.backblazeb2.com"};
  return all;
}

VoiceBot::VoiceBot() {
  const std::string seen =
      stack.turns({.verdict = "pass", .health = 200, .ready = 200, .check = "db", .status = "pass"},
                  std::chrono::seconds(60));
  if (seen.empty()) return;
  throw std::runtime_error("the voice bot does not come up: " + seen + "\npooler: " + pooler.log());
}

}  // namespace vitals::test
