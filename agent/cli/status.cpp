// `vitals status`: the health document of a running agent as a table, once or again and again.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <vitals/text.hpp>

#include "agent/cli/answer.hpp"
#include "agent/cli/client.hpp"
#include "agent/cli/commands.hpp"
#include "agent/cli/remote.hpp"
#include "agent/config/redact.hpp"
#include "probes/registry.hpp"

namespace vitals::cli {
namespace {

struct Row {
  std::string mark, name, status, latency, lasted, why;
};

/// "-" for a check that does not count by somebody's will.
std::string mark_of(const Answer& check) {
  if (check.has("muted_until") || check.has("suppressed_by")) return "-";
  const std::string status = check.text("status");
  if (status == "pass") return "✓";
  if (status == "warn") return "!";
  return status == "fail" ? "✗" : "?";
}

std::string why(const Answer& check) {
  std::string text;
  if (check.has("paused")) text += "paused; ";
  if (check.has("muted_until")) text += "muted until " + check.text("muted_until") + "; ";
  if (check.has("suppressed_by")) text += "suppressed by " + check.text("suppressed_by") + "; ";
  if (check.has("reason")) text += check.text("reason") + ": ";
  return text + check.text("output");
}

Row row_of(const Answer& check, WallTime now) {
  Row row;
  row.mark = mark_of(check);
  row.status = check.text("status");
  row.name = check.text("componentId");
  if (check.has("observedValue")) {
    row.latency = check.text("observedValue") + " " + check.text("observedUnit");
  }
  if (const auto since = check.time("since")) {
    row.lasted =
        human_duration(std::chrono::duration_cast<std::chrono::seconds>(now - *since).count());
  }
  row.why = why(check);
  return row;
}

std::vector<Row> rows_of(const Answer& document, WallTime now) {
  std::vector<Row> rows;
  for (const auto& [key, entries] : document.at("checks").children()) {
    const auto list = entries.children();
    if (!list.empty()) rows.push_back(row_of(list.front().second, now));
  }
  return rows;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string in_colour(const std::string& text, const char* code, bool colour) {
  return colour ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
}

const char* colour_of(std::string_view status) {
  if (status == "pass") return "32";
  if (status == "warn") return "33";
  return status == "fail" ? "31" : "2";
}

/// "quiet for 312s, may stop", "quiet for 0s, stays up: 3 connections"; empty without [autostop].
std::string idleness_of(const Answer& document) {
  if (!document.has("idle")) return {};
  const Answer idle = document.at("idle");
  const std::string kept_by = idle.has("kept_by") ? ": " + idle.text("output") : "";
  std::string text = "quiet for " + idle.text("idle_seconds") + "s";
  text += kept_by.empty() ? ", may stop" : ", stays up" + kept_by;
  std::string holds;
  for (const auto& [key, name] : idle.at("holds").children()) {
    holds += (holds.empty() ? "; busy with " : ", ") + name.text();
  }
  return text + holds;
}

/// The verdict, then a line for each check, worst first; columns as wide as they need to be.
std::vector<std::string> table_of(const Answer& document, WallTime now, bool colour) {
  const std::string verdict = document.text("status");
  const std::string output = document.text("output");
  std::vector<std::string> lines{in_colour(verdict, colour_of(verdict), colour) +
                                 (output.empty() ? "" : ": " + output)};
  if (const std::string idleness = idleness_of(document); !idleness.empty()) {
    lines.push_back(idleness);
  }
  const std::vector<Row> rows = rows_of(document, now);
  if (rows.empty()) return lines;
  std::size_t name = 5;
  std::size_t latency = 7;
  std::size_t lasted = 3;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    latency = std::max(latency, row.latency.size());
    lasted = std::max(lasted, row.lasted.size());
  }
  constexpr std::size_t status = 7;
  lines.push_back(in_colour("  " + padded("STATUS", status) + "  " + padded("CHECK", name) + "  " +
                                padded("LATENCY", latency) + "  " + padded("FOR", lasted) + "  WHY",
                            "2", colour));
  for (const Row& row : rows) {
    const char* const code = row.mark == "-" ? "2" : colour_of(row.status);
    lines.push_back(in_colour(row.mark + " " + padded(row.status, status), code, colour) + "  " +
                    padded(row.name, name) + "  " + padded(row.latency, latency) + "  " +
                    padded(row.lasted, lasted) + "  " + row.why);
  }
  return lines;
}

/// One look at the agent.
struct Look {
  int code = exit_fail;
  bool answered = false;
  std::vector<std::string> lines;  // of the complaint, when nobody answered as an agent does
};

Look look_at(const RemoteAgent& agent, const Arguments& arguments) {
  Look look;
  const auto answer = ask_agent({"GET", agent.url + "/health?format=json", agent.token});
  if (!answer) {
    look.lines = {answer.error().message};
    return look;
  }
  const auto document = Answer::parse(answer.value().body);
  if (!document || !document->has("status")) {
    look.lines = {config::redact_url(agent.url) + " answers, but not as vitals does (HTTP " +
                  std::to_string(answer.value().status) + "); give the agent's URL"};
    return look;
  }
  look.answered = true;
  if (arguments.format == OutputFormat::json) {
    look.lines = {document->document()};
    look.lines.front().pop_back();  // its newline
  } else {
    look.lines =
        table_of(*document, std::chrono::system_clock::now(), colour_wanted(STDOUT_FILENO));
  }
  for (std::string& line : look.lines) line = without_secrets(agent, line);
  const std::string status = document->text("status");
  look.code = exit_code(status == "pass"   ? Status::pass
                        : status == "warn" ? Status::warn
                                           : Status::fail,
                        arguments.fail_on_warn);
  return look;
}

int print(const Look& look) {
  if (!look.answered) return complain(look.lines.front(), look.code);
  for (const std::string& line : look.lines) std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  return look.code;
}

/// The terminal while the table is drawn again and again: a screen of its own, so that what was
/// there before comes back; no cursor, no wrapped lines. Does nothing where the output is none.
class Screen {
 public:
  explicit Screen(bool terminal) : terminal_(terminal) {
    if (terminal_) put("\033[?1049h\033[?25l\033[?7l");
  }
  ~Screen() {
    if (terminal_) put("\033[?7h\033[?25h\033[?1049l");
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// Over the last picture, line by line: erasing first would flicker.
  void draw(const Look& look, const std::string& title) const {
    if (!terminal_) {
      std::printf("%s\n", title.c_str());
      print(look);
      return;
    }
    const std::size_t room = height();
    std::string picture = "\033[H" + title + "\033[K";
    for (std::size_t i = 0; i < look.lines.size(); ++i) {
      const bool last = i + 2 >= room && i + 1 < look.lines.size();
      picture +=
          "\r\n" +
          (last ? "… and " + std::to_string(look.lines.size() - i) + " more" : look.lines[i]) +
          "\033[K";
      if (last) break;
    }
    put(picture + "\033[J");
  }

 private:
  static void put(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  static std::size_t height() {
    winsize size{};
    constexpr std::size_t usual = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3) return usual;
    return size.ws_row;
  }

  bool terminal_;
};

std::string title_of(const RemoteAgent& agent) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char clock[16];
  std::strftime(clock, sizeof clock, "%H:%M:%SZ", &utc);
  return "vitals at " + config::redact_url(agent.url) + ", " + clock;
}

int watch(const RemoteAgent& agent, const Arguments& arguments) {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, number);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  constexpr timespec pause{2, 0};
  const bool terminal = drawing_wanted(STDOUT_FILENO);
  Look look;
  {
    Screen screen(terminal);
    do {
      look = look_at(agent, arguments);
      screen.draw(look, title_of(agent));
    } while (sigtimedwait(&ends, nullptr, &pause) <= 0 && std::ferror(stdout) == 0);
  }
  // Leaves the last picture where the next prompt will be.
  return terminal ? print(look) : look.code;
}

}  // namespace

int status(const Arguments& arguments) {
  signal(SIGPIPE, SIG_IGN);
  initialise_probe_libraries();
  const auto agent = find_agent(arguments);
  if (!agent) return complain(agent.error().message, exit_usage);
  if (arguments.watch) return watch(agent.value(), arguments);
  return print(look_at(agent.value(), arguments));
}

}  // namespace vitals::cli
