// Wording and rate of the log lines about idleness.
#include "agent/idle/narrator.hpp"

#include <utility>

#include <vitals/text.hpp>

namespace vitals::idle {
namespace {

LogLine describe(const Idleness& idleness, TimePoint now) {
  const bool kept = idleness.keeps != Keeps::nothing;
  LogLine line{LogLevel::info, !idleness.idle ? "not idle"
                               : kept         ? "idle, but it stays up"
                                              : "idle"};
  if (idleness.idle && idleness.quiet_since) {
    const auto quiet =
        std::chrono::duration_cast<std::chrono::seconds>(now - *idleness.quiet_since);
    line.fields.push_back({"since", human_duration(quiet.count())});
  }
  if (kept) {
    line.fields.push_back({"kept_by", std::string(to_word(idleness.keeps))});
    line.fields.push_back({"detail", idleness.why});
  }
  return line;
}

}  // namespace

bool Narrator::may_speak(TimePoint now) {
  while (lines_left_ < reason_lines_max && now >= counted_at_ + reason_line_pause) {
    ++lines_left_;
    counted_at_ += reason_line_pause;
  }
  if (lines_left_ == reason_lines_max) counted_at_ = now;
  if (lines_left_ == 0) return false;
  --lines_left_;
  return true;
}

std::optional<LogLine> Narrator::tell(const Idleness& idleness, TimePoint now) {
  const bool same = said_ == idleness.keeps && said_idle_ == idleness.idle;
  if (said_anything_ && same) return std::nullopt;
  // Between work and quiet a busy app goes to and fro.
  const bool to_and_fro = said_anything_ && !said_idle_ && !idleness.idle;
  if (to_and_fro && !may_speak(now)) return std::nullopt;
  said_ = idleness.keeps;
  said_idle_ = idleness.idle;
  said_anything_ = true;
  // The attempt to act has a line of its own.
  if (idleness.keeps == Keeps::refused || idleness.keeps == Keeps::asked) return std::nullopt;
  return describe(idleness, now);
}

}  // namespace vitals::idle
