// The supervisor's own lines look like the agent's.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>

#include <vitals/fd.hpp>

#include "agent/child/say.hpp"

namespace vitals::child {
namespace {

/// Lines are written when they end, and these are nobody's.
class Silence {
 public:
  Silence() : stderr_(dup(STDERR_FILENO)) {
    const Fd nothing(open("/dev/null", O_WRONLY | O_CLOEXEC));
    dup2(nothing.get(), STDERR_FILENO);
  }
  ~Silence() { dup2(stderr_.get(), STDERR_FILENO); }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  Fd stderr_;
};

TEST_CASE("say: a time is UTC to the millisecond") {
  const auto text = [](std::int64_t ms) {
    const auto array = utc_text(ms);
    return std::string(array.data(), array.size());
  };
  CHECK(text(0) == "1970-01-01T00:00:00.000Z");
  CHECK(text(951'782'400'123) == "2000-02-29T00:00:00.123Z");
  CHECK(text(1'795'219'199'999) == "2026-11-20T23:59:59.999Z");
}

std::string line_of(bool json) {
  const Silence silence;
  Say say(json, SayLevel::error, "two words");
  say.text("process", "agent").number("code", -7);
  return std::string(say.line());
}

TEST_CASE("say: logfmt and JSON carry the same keys as the log") {
  const auto plain = line_of(false);
  CHECK(plain.starts_with("time=20"));
  CHECK(plain.ends_with("Z level=error msg=\"two words\" process=agent code=-7"));
  const auto document = nlohmann::json::parse(line_of(true) + "}");
  CHECK(document["level"] == "error");
  CHECK(document["msg"] == "two words");
  CHECK(document["process"] == "agent");
  CHECK(document["code"] == -7);
}

TEST_CASE("say: what does not fit is cut") {
  const Silence silence;
  Say say(false, SayLevel::info, "long");
  for (int i = 0; i < 100; ++i) say.text("key", "a value of some length");
  CHECK(say.line().size() <= 510);
}

}  // namespace
}  // namespace vitals::child
