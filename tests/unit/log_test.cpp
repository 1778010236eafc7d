// Log lines: exact text in both formats, hostile values, and a stderr that takes nothing.
#include "agent/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <csignal>
#include <regex>
#include <sstream>
#include <thread>

#include <vitals/fd.hpp>

#include "tests/support/skipped.hpp"
#include "tests/support/snapshots.hpp"
#include "tests/support/timing.hpp"

namespace vitals::test {
namespace {

using Json = nlohmann::ordered_json;

/// A pipe with the log at its writing end.
class Pipe {
 public:
  Pipe() {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  [[nodiscard]] int writing_end() const { return write_.get(); }
  void close_reading_end() { read_.reset(); }

  /// Blocks until there is something.
  ssize_t take(char* buffer, std::size_t size) const { return read(read_.get(), buffer, size); }

  /// What is in the pipe now.
  [[nodiscard]] std::string drain() const {
    std::string all;
    std::array<char, 4096> buffer{};
    for (pollfd ready{read_.get(), POLLIN, 0}; poll(&ready, 1, 0) == 1 && ready.revents != 0;) {
      const ssize_t length = read(read_.get(), buffer.data(), buffer.size());
      if (length <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(length));
    }
    return all;
  }

 private:
  Fd read_;
  Fd write_;
};

/// The one line that `write` logs, without its time stamp.
template <typename Write>
std::string logged(LogConfig config, Write write) {
  const Pipe pipe;
  Log log(config, pipe.writing_end());
  write(log);
  const std::string all = pipe.drain();
  static const std::regex stamp(
      R"(^(time=|\{"time":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z("?,| ))");
  std::smatch match;
  if (!std::regex_search(all, match, stamp)) return all;
  return all.substr(static_cast<std::size_t>(match.length()));
}

constexpr LogConfig json{LogLevel::info, LogFormat::json};
constexpr LogConfig logfmt{LogLevel::info, LogFormat::logfmt};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_SUITE("log") {
  TEST_CASE("log: a line is logfmt or JSON, to the byte behind its time stamp") {
    const auto write = [](Log& log) {
      log.line(LogLevel::warn, "check failed",
               {{"check", "db"}, {"detail", "too many clients"}, {"duration_ms", "4.1", true}});
    };
    CHECK(logged(logfmt, write) ==
          "level=warn msg=\"check failed\" check=db detail=\"too many clients\" duration_ms=4.1\n");
    CHECK(logged(json, write) ==
          "\"level\":\"warn\",\"msg\":\"check failed\",\"check\":\"db\","
          "\"detail\":\"too many clients\",\"duration_ms\":4.1}\n");
  }

  TEST_CASE("log: the time stamp is UTC of now, to the millisecond") {
    const Pipe pipe;
    Log log(logfmt, pipe.writing_end());
    const auto before = std::chrono::system_clock::now();
    log.line(LogLevel::info, "x");
    const auto after = std::chrono::system_clock::now();
    std::tm parts{};
    int milliseconds = 0;
    const std::string line = pipe.drain();
    REQUIRE(std::sscanf(line.c_str(), "time=%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon,
                        &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec,
                        &milliseconds) == 7);
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    const auto stamp = std::chrono::system_clock::from_time_t(timegm(&parts)) +
                       std::chrono::milliseconds(milliseconds);
    CHECK(stamp >= before - std::chrono::milliseconds(1));
    CHECK(stamp <= after);
  }

  TEST_CASE("log: values are quoted exactly when logfmt needs it") {
    struct Row {
      std::string value;
      std::string shown;
    };
    const std::vector<Row> rows{{"plain", "plain"},
                                {"", "\"\""},
                                {"two words", "\"two words\""},
                                {"a=b", "\"a=b\""},
                                {"say \"hi\"", "\"say \\\"hi\\\"\""},
                                {"back\\slash", "\"back\\\\slash\""},
                                {"é€", "é€"},
                                {"http://127.0.0.1:80/x", "http://127.0.0.1:80/x"}};
    for (const Row& row : rows) {
      CHECK(logged(logfmt, [&](Log& log) {
              log.line(LogLevel::info, "m", {{"k", row.value}});
            }) == "level=info msg=m k=" + row.shown + "\n");
    }
  }

  TEST_CASE("log: hostile values stay one line, without escape sequences, valid in both formats") {
    const auto write = [](Log& log) {
      log.line(LogLevel::error, hostile_text, {{"detail", hostile_text}});
    };
    const std::string text = logged(logfmt, write);
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\xff') == std::string::npos);
    CHECK(text.find("detail=\"\\\"quoted\\\" back\\\\slash new line[31m ") != std::string::npos);
    const std::string rest = logged(json, write);
    CHECK(std::count(rest.begin(), rest.end(), '\n') == 1);
    const Json document = Json::parse("{" + rest);
    CHECK(document["detail"] == "\"quoted\" back\\slash new line[31m \xEF\xBF\xBD\xEF\xBF\xBD €");
    CHECK(document["msg"] == document["detail"]);
  }

  TEST_CASE("log: only levels at or above the configured one are written; a reload changes that") {
    const Pipe pipe;
    Log log({LogLevel::warn, LogFormat::logfmt}, pipe.writing_end());
    log.line(LogLevel::info, "hidden");
    log.line(LogLevel::warn, "shown");
    CHECK_FALSE(log.enabled(LogLevel::info));
    log.configure({LogLevel::debug, LogFormat::json});
    CHECK(log.enabled(LogLevel::debug));
    CHECK_FALSE(log.enabled(LogLevel::trace));
    log.line(LogLevel::debug, "as json");
    const auto lines = lines_of(pipe.drain());
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].ends_with("level=warn msg=shown"));
    CHECK(Json::parse(lines[1])["level"] == "debug");
  }

  TEST_CASE("log: a long line is cut value by value and stays whole") {
    const std::string noise(10'000, '"');
    for (const LogConfig config : {logfmt, json}) {
      const Pipe pipe;
      Log log(config, pipe.writing_end());
      log.line(LogLevel::info, "long", {{"a", noise}, {"b", noise}, {"c", noise}, {"last", "end"}});
      const std::string line = pipe.drain();
      CHECK(line.size() <= log_line_max);
      CHECK(line.size() > log_line_max / 4);
      CHECK(line.find("end") != std::string::npos);
      if (config.format == LogFormat::json) CHECK(Json::parse(line)["last"] == "end");
    }
  }

  TEST_CASE("log: a full pipe loses whole lines at once, and says later how many") {
    const Pipe pipe;
    Log log(logfmt, pipe.writing_end());
    const Stopwatch watch;
    int written = 0;
    while (log.lost() < 100) log.line(LogLevel::info, "line", {{"n", std::to_string(written++)}});
    CHECK(watch.took().own() < test::at_most(std::chrono::seconds(5)));
    // We share the pipe with the app: it must not have become non-blocking for others.
    CHECK((fcntl(pipe.writing_end(), F_GETFL) & O_NONBLOCK) == 0);

    const auto before = lines_of(pipe.drain());
    CHECK(before.size() == static_cast<std::size_t>(written - 100));
    for (const std::string& line : before) REQUIRE(line.find(" msg=line n=") != std::string::npos);
    log.line(LogLevel::info, "after");
    const auto after = lines_of(pipe.drain());
    REQUIRE(after.size() == 2);
    CHECK(after[0].ends_with("level=warn msg=\"log lines lost\" lines=100"));
    CHECK(after[1].ends_with("level=info msg=after"));
    log.line(LogLevel::info, "again");
    CHECK(lines_of(pipe.drain()).size() == 1);
    CHECK(log.lost() == 100);
  }

  TEST_CASE("log: a pipe that others fill at the same moment never holds a writer up") {
    const Pipe pipe;
    const iovec byte{const_cast<char*>("x"), 1};
    if (pwritev2(pipe.writing_end(), &byte, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
      return test::skipped("pipes of this kernel know no RWF_NOWAIT (Linux 6.4)");
    }
    Log log(logfmt, pipe.writing_end());
    std::atomic<bool> done{false};
    // Like the app: writes to the same pipe through a description of its own, whenever it can.
    std::thread app([&] {
      const std::string path = "/proc/self/fd/" + std::to_string(pipe.writing_end());
      const Fd end(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      const std::string line(4096, 'x');
      while (!done) static_cast<void>(::write(end.get(), line.data(), line.size()));
    });
    std::atomic<int> lines{0};
    std::thread agent([&] {
      for (; !done; ++lines) log.line(LogLevel::info, "line");
    });
    int stuck = 0;
    std::array<char, 4096> page{};
    const auto end = Clock::now() + std::chrono::seconds(2);
    while (Clock::now() < end && stuck == 0) {
      // Both race for the room this makes. A log that then waits for more of it stands still.
      static_cast<void>(pipe.take(page.data(), page.size()));
      const int seen = lines;
      // Long enough for a machine that stands still meanwhile; who is stuck is so for good.
      const auto limit = Clock::now() + std::chrono::seconds(20);
      while (lines < seen + 2 && Clock::now() < limit) std::this_thread::yield();
      if (lines < seen + 2) ++stuck;
    }
    CHECK(stuck == 0);
    done = true;
    app.join();
    for (const int last = lines; lines == last && stuck > 0;) static_cast<void>(pipe.drain());
    agent.join();
    CHECK(log.lost() > 0);
  }

  TEST_CASE("log: a full socket tears no line either") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    Log log(logfmt, ours.get());
    int written = 0;
    while (log.lost() < 10) {
      log.line(LogLevel::info, "line", {{"n", std::to_string(written++)}, {"x", "01234567"}});
    }
    std::string all;
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t length = recv(theirs.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (length > 0) {
        all.append(buffer.data(), static_cast<std::size_t>(length));
        continue;
      }
      if (log.lost() > 10) break;
      log.line(LogLevel::info, "after");
      if (all.ends_with("msg=after\n")) break;
    }
    for (const std::string& line : lines_of(all)) {
      REQUIRE(line.starts_with("time="));
      REQUIRE((line.ends_with(" x=01234567") || line.ends_with("msg=after") ||
               line.find("log lines lost") != std::string::npos));
    }
    CHECK(all.ends_with("msg=after\n"));
  }

  TEST_CASE("log: a closed stderr costs lines, nothing else") {
    std::signal(SIGPIPE, SIG_IGN);  // as in main
    Pipe pipe;
    Log log(logfmt, pipe.writing_end());
    pipe.close_reading_end();
    log.line(LogLevel::error, "nobody reads");
    CHECK(log.lost() == 1);
    Log nowhere(logfmt, -1);
    nowhere.line(LogLevel::error, "no descriptor");
    CHECK(nowhere.lost() == 1);
  }

  TEST_CASE("log: threads write whole lines") {
    const Pipe pipe;
    Log log(json, pipe.writing_end());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log, t] {
        for (int i = 0; i < 50; ++i) {
          log.line(LogLevel::info, "x", {{"t", std::to_string(t), true}, {"pad", "0123456789"}});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto lines = lines_of(pipe.drain());
    CHECK(lines.size() + log.lost() == 200);
    for (const std::string& line : lines) CHECK(Json::parse(line)["pad"] == "0123456789");
  }
}

}  // namespace
}  // namespace vitals::test
