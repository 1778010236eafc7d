// Apps for tests of `vitals run`, and a look at the processes around them.
#include "tests/support/app.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/agent.hpp"

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

constexpr auto web_script = R"(
use IO::Socket::INET; use Time::HiRes 'sleep';
my $busy = 0; my $stop = 0;
$SIG{TERM} = $SIG{INT} = sub { exit 7 unless $busy; $stop = 1 };
my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 64,
                              ReuseAddr => 1) or die "no port: $!";
while (1) {
  my $c = $s->accept or next;
  $busy = 1;
  my $head = '';
  while (my $line = <$c>) { $head .= $line; last if $line eq "\r\n"; }
  my $body = "pid $$\n";
  if ($head =~ m{^GET /exit\?(\d+)}) { exit $1; }
  if ($head =~ m{^GET /slow\?(\d+)}) {
    syswrite(STDOUT, "serves slowly\n");
    my $end = Time::HiRes::time() + $1 / 1000;
    while ((my $left = $end - Time::HiRes::time()) > 0) { sleep $left; }
  }
  print $c "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
  close $c;
  $busy = 0;
  exit 7 if $stop;
}
)";

std::string read_file(const fs::path& path) {
  // A process may end while it is read: iterators would throw.
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_agent(const ProcessLine& process) {
  return process.command.find(" run --link 3") != std::string::npos;
}

}  // namespace

std::vector<std::string> perl(const std::string& script, std::vector<std::string> arguments) {
  std::vector<std::string> words{"perl", "-e", script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> web_app(std::uint16_t port) {
  return perl(web_script, {std::to_string(port)});
}

bool serves_slowly(const std::string& output) {
  return output.find("serves slowly\n") != std::string::npos;
}

int pid_of_web_app(std::uint16_t port) {
  const auto answer = http(port, "/");
  return answer.body.starts_with("pid ") ? std::atoi(answer.body.c_str() + 4) : 0;
}

std::vector<ProcessLine> all_processes() {
  std::vector<ProcessLine> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid == 0) continue;
    const std::string stat = read_file(entry.path() / "stat");
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    ProcessLine process;
    process.pid = pid;
    std::istringstream rest(stat.substr(name_end + 1));
    rest >> process.state >> process.parent >> process.group;
    process.command = read_file(entry.path() / "cmdline");
    std::replace(process.command.begin(), process.command.end(), '\0', ' ');
    found.push_back(std::move(process));
  }
  return found;
}

std::vector<ProcessLine> children_of(int parent) {
  auto all = all_processes();
  std::erase_if(all, [&](const ProcessLine& process) { return process.parent != parent; });
  return all;
}

int agent_of(int supervisor) {
  for (const auto& child : children_of(supervisor)) {
    if (is_agent(child) && child.state != 'Z') return child.pid;
  }
  return 0;
}

int app_of(int supervisor) {
  for (const auto& child : children_of(supervisor)) {
    // Between fork and exec a child still looks like its parent.
    const bool ours = child.command.find("vitals run ") != std::string::npos ||
                      child.command.find(" front-door ") != std::string::npos;
    if (!ours && child.pid == child.group && child.state != 'Z') return child.pid;
  }
  return 0;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace vitals::test
