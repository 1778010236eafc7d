// forkpty(3) and a thread that reads what is drawn.
#include "tests/support/terminal.hpp"

#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "tests/support/process.hpp"

namespace vitals::test {

Terminal::Terminal(const std::vector<std::string>& argv, const Options& options) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  winsize size{options.rows, options.columns, 0, 0};
  pid_ = forkpty(&master_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("no pseudo-terminal");
  if (pid_ == 0) {
    setenv("TERM", "xterm", 1);
    for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
    execv(words[0], words.data());
    _exit(127);
  }
  reader_ = std::thread([this] { read_all(); });
}

Terminal::~Terminal() {
  if (!code_) {
    kill(pid_, SIGKILL);
    static_cast<void>(wait(std::chrono::seconds(10)));
  }
  reader_.join();
  close(master_);
}

// Ends when the program and its terminal are gone: EIO.
void Terminal::read_all() {
  std::array<char, 4096> buffer{};
  while (true) {
    const auto size = read(master_, buffer.data(), buffer.size());
    if (size <= 0) return;
    const std::lock_guard lock(mutex_);
    output_.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

std::string Terminal::output() const {
  const std::lock_guard lock(mutex_);
  return output_;
}

void Terminal::type(const std::string& keys) const {
  if (write(master_, keys.data(), keys.size()) < 0) throw std::runtime_error("nobody reads keys");
}

std::optional<int> Terminal::wait(std::chrono::milliseconds limit) {
  int status = 0;
  const bool ended =
      code_ || eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, limit);
  if (!ended) return std::nullopt;
  if (!code_) code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

}  // namespace vitals::test
