// The paths that the front door answers itself, and the words of the answer (contract §9). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <vitals/health.hpp>

#include "agent/front/framing.hpp"

namespace vitals::front {

enum class View { health, ready, live, startup };
enum class FailOn { fail, any, never };

/// One request for us.
struct Question {
  View view = View::health;
  FailOn fail_on = FailOn::fail;
  bool head = false;   // HEAD: no body
  bool close = false;  // the connection ends after the answer
};

/// GET and HEAD of /health, /health/ready, /health/live and /health/startup, in origin form, with
/// or without a query; anything else is the app's. A question with a body is the last one of its
/// connection: nobody should send one, and so we need not read it.
[[nodiscard]] std::optional<Question> question_of(const RequestFrame& frame);

/// What the agent last said; fail everywhere when it is silent.
struct Verdicts {
  Status health = Status::fail;  // pass, warn or fail
  bool ready = false;
  bool live = false;
  bool startup = false;
  bool draining = false;

  [[nodiscard]] bool operator==(const Verdicts&) const = default;
};

struct Facts {
  Verdicts verdicts;
  std::uint64_t uptime_seconds = 0;
  std::uint64_t connections = 0;
};

/// A whole answer, 200 or 503: status, uptime_seconds and connections as JSON, no names.
[[nodiscard]] std::string answer_of(const Question& question, const Facts& facts);

/// A whole answer that closes the connection: 400, 408, 502 or 503. `why` is plain text.
[[nodiscard]] std::string refusal(int status, std::string_view why);

}  // namespace vitals::front
