// Apps for tests of `vitals run`: small Perl programs that behave, or don't, in one known way.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace vitals::test {

/// `perl -e script arguments…`; the script's arguments are in @ARGV.
std::vector<std::string> perl(const std::string& script, std::vector<std::string> arguments = {});

/// An HTTP server on 127.0.0.1:port that answers "pid <its pid>". /slow?N answers after N
/// milliseconds (serves_slowly), TERM lets the request in flight finish and exits with 7, /exit?N
/// exits with N.
std::vector<std::string> web_app(std::uint16_t port);

/// True once a request for /slow is with such an app that writes into `output`.
bool serves_slowly(const std::string& output);

/// The pid that web_app() names, 0 while it does not answer.
int pid_of_web_app(std::uint16_t port);

struct ProcessLine {
  int pid = 0;
  int parent = 0;
  int group = 0;
  char state = '?';
  std::string command;  // words with blanks between
};
/// All processes of the machine.
std::vector<ProcessLine> all_processes();
/// Direct children of `parent`.
std::vector<ProcessLine> children_of(int parent);
/// The agent beside the app of this supervisor, 0 when it does not run.
int agent_of(int supervisor);
/// The app of this supervisor, 0 when it does not run.
int app_of(int supervisor);

/// Lines of a file, empty when it is not there.
std::vector<std::string> lines_of(const std::string& path);

}  // namespace vitals::test
