// Formats and writes the supervisor's lines.
#include "agent/child/say.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

namespace vitals::child {
namespace {

constexpr std::array<std::string_view, 3> level_names{"info", "warn", "error"};

/// Whole or not at all, and only when somebody takes it: the app must not wait for our log.
void write_line(std::string_view line) {
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return;
  // A full pipe that lost its room since is the app's own doing; nothing is left to try.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

/// `count` digits of `value`, with zeros in front.
void put_digits(char* at, int count, std::int64_t value) {
  for (int i = count - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::array<char, 24> utc_text(std::int64_t unix_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> moment{milliseconds(unix_ms)};
  const auto midnight = floor<days>(moment);
  const year_month_day date{midnight};
  const hh_mm_ss<milliseconds> time{moment - midnight};
  std::array<char, 24> text{};
  std::memcpy(text.data(), "0000-00-00T00:00:00.000Z", text.size());
  put_digits(text.data(), 4, static_cast<int>(date.year()));
  put_digits(text.data() + 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text.data() + 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text.data() + 11, 2, time.hours().count());
  put_digits(text.data() + 14, 2, time.minutes().count());
  put_digits(text.data() + 17, 2, time.seconds().count());
  put_digits(text.data() + 20, 3, time.subseconds().count());
  return text;
}

Say::Say(bool json, SayLevel level, std::string_view message) : json_(json) {
  append(json_ ? "{\"time\":\"" : "time=");
  append_time();
  append(json_ ? "\",\"level\":\"" : " level=");
  append(level_names[static_cast<std::size_t>(level)]);
  append(json_ ? "\"" : "");
  text("msg", message);
}

Say::~Say() {
  // Room for these was kept.
  constexpr std::string_view json_end = "}\n";
  constexpr std::string_view plain_end = "\n";
  const std::string_view end = json_ ? json_end : plain_end;
  std::memcpy(line_.data() + size_, end.data(), end.size());
  write_line({line_.data(), size_ + end.size()});
}

Say& Say::number(std::string_view key, std::int64_t value) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  append_key(key);
  append({digits.data(), static_cast<std::size_t>(end - digits.data())});
  return *this;
}

Say& Say::text(std::string_view key, std::string_view value) {
  append_key(key);
  append_value(value);
  return *this;
}

void Say::append(std::string_view text) {
  constexpr std::size_t end_max = 2;
  const std::size_t room = line_.size() - end_max - size_;
  const std::size_t size = std::min(room, text.size());
  std::memcpy(line_.data() + size_, text.data(), size);
  size_ += size;
}

void Say::append_key(std::string_view key) {
  append(json_ ? ",\"" : " ");
  append(key);
  append(json_ ? "\":" : "=");
}

/// Our own words alone come here: printable, without quotes or backslashes.
void Say::append_value(std::string_view value) {
  const bool bare = !json_ && value.find(' ') == std::string_view::npos;
  if (!bare) append("\"");
  append(value);
  if (!bare) append("\"");
}

void Say::append_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto text = utc_text(std::chrono::floor<std::chrono::milliseconds>(now).count());
  append({text.data(), text.size()});
}

void complain(std::string_view first, std::string_view second, std::string_view third) {
  std::array<char, 1'024> line;
  std::size_t size = 0;
  for (const std::string_view part :
       {std::string_view("vitals: "), first, second, third, std::string_view("\n")}) {
    const std::size_t length = std::min(part.size(), line.size() - size);
    std::memcpy(line.data() + size, part.data(), length);
    size += length;
  }
  write_line({line.data(), size});
}

}  // namespace vitals::child
