// Bytes of a client and of an app through the front door's conversation: however they are cut, the
// same bytes are forwarded, in order, and none after the byte of doubt.
#include <vitals/assert.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/front/conversation.hpp"

namespace {

using vitals::front::Conversation;
using vitals::front::Step;

struct Outcome {
  std::string up;
  std::string down;
  int asked = 0;
  bool refused = false;

  [[nodiscard]] bool operator==(const Outcome&) const = default;
};

/// One side's bytes, as far as they may go now.
bool take(Conversation& talk, std::string& held, bool from_client, Outcome& outcome) {
  if (held.empty() || outcome.refused) return false;
  const Step step = from_client ? talk.from_client(held) : talk.from_app(held);
  VITALS_ASSERT(step.size <= held.size());
  if (step.act == Step::Act::forward) {
    VITALS_ASSERT(step.size > 0);
    (from_client ? outcome.up : outcome.down) += held.substr(0, step.size);
  }
  if (step.act == Step::Act::ask) ++outcome.asked;
  if (step.act == Step::Act::refuse) {
    VITALS_ASSERT(!step.why.empty() && step.size == 0);
    outcome.refused = true;
  }
  held.erase(0, step.size);
  return step.act != Step::Act::wait && step.act != Step::Act::refuse;
}

/// The app speaks only when a request waits for its answer, so that its bytes mean the same however
/// the client's are cut.
Outcome run(std::string_view client, std::string_view app, std::size_t piece) {
  Conversation talk;
  Outcome outcome;
  std::string up;
  std::string down;
  while (!client.empty() && !outcome.refused) {
    const auto size = std::min(piece, client.size());
    up += client.substr(0, size);
    client.remove_prefix(size);
    bool more = true;
    while (more && !outcome.refused) {
      more = take(talk, up, true, outcome);
      while (!talk.wants_client() && !outcome.refused) {
        if (down.empty() && app.empty()) break;
        if (!take(talk, down, false, outcome)) {
          if (app.empty()) break;
          const auto bytes = std::min(piece, app.size());
          down += app.substr(0, bytes);
          app.remove_prefix(bytes);
        }
        more = true;
      }
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  // Two bytes say where the app's bytes begin, one how large the pieces are.
  const std::size_t piece = data[0] + std::size_t{1};
  const std::size_t split = (data[1] * 256U + data[2]) % (size - 2);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto client = bytes.substr(0, split);
  const auto app = bytes.substr(std::min(split, bytes.size()));
  const Outcome whole = run(client, app, bytes.size() + 1);
  const Outcome cut = run(client, app, piece);
  VITALS_ASSERT(cut.up == whole.up || cut.refused || whole.refused);
  VITALS_ASSERT(whole.up.starts_with(cut.up) || cut.up.starts_with(whole.up));
  // A byte at a time, doubt is found at the same byte.
  if (cut.refused == whole.refused) VITALS_ASSERT(cut.asked == whole.asked);
  return 0;
}
