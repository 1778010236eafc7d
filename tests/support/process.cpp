// Starts, watches and ends child processes for tests.
#include "tests/support/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <vitals/fd.hpp>

namespace vitals::test {
namespace {

namespace fs = std::filesystem;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const path = std::getenv("PATH");
  std::string places(path == nullptr ? "" : path);
  places += ":/usr/sbin:/sbin:" + postgres_bin().string();
  std::istringstream stream(places);
  for (std::string place; std::getline(stream, place, ':');) {
    if (!place.empty() && access((place + "/" + name).c_str(), X_OK) == 0)
      return place + "/" + name;
  }
  throw std::runtime_error("no program '" + name + "' here: ./dev test installs what tests need");
}

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> values;
  if (!command.clean_environment) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string line(*entry);
      const auto equals = line.find('=');
      if (equals != std::string::npos) values[line.substr(0, equals)] = line.substr(equals + 1);
    }
  }
  for (const auto& [name, value] : command.environment) values[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : values) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Ports of this process: below those that the kernel hands out, so that no connection takes one
/// while a server is started again, and claimed, so that test programs side by side don't meet.
constexpr int blocks_first = 20'000;
constexpr int block_size = 256;
constexpr int blocks_max = 48;

/// A dual-stack socket takes the port of both families, or of none.
bool is_free(std::uint16_t port) {
  Fd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int off = 0;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (fd && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) {
    return bind(fd.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0;
  }
  fd.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // a kernel without IPv6
  auto v4 = loopback(port);
  v4.sin_addr.s_addr = htonl(INADDR_ANY);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4) == 0;
}

class PortBlock {
 public:
  PortBlock() {
    for (int i = 0; i < blocks_max; ++i) {
      claim_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      // An abstract name: gone with the process, however it ends.
      const auto name = "vitals-test-ports-" + std::to_string(i);
      name.copy(address.sun_path + 1, sizeof(address.sun_path) - 1);
      const auto length = offsetof(sockaddr_un, sun_path) + 1 + name.size();
      first_ = blocks_first + i * block_size;
      if (bind(claim_.get(), reinterpret_cast<sockaddr*>(&address),
               static_cast<socklen_t>(length)) == 0) {
        return;
      }
    }
    throw std::runtime_error("no free block of ports");
  }
  [[nodiscard]] int first() const { return first_; }

 private:
  Fd claim_;
  int first_ = 0;
};

}  // namespace

TempDir::TempDir() {
  std::string pattern = (fs::temp_directory_path() / "vitals-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
  chmod(path_.c_str(), 0755);
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TempDir::write(const std::string& name, const std::string& content) const {
  auto file = path_ / name;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  return file;
}

std::uint16_t free_port() {
  static const PortBlock block;
  static std::atomic<int> next = 0;
  for (int tried = 0; tried < block_size; ++tried) {
    const auto port = static_cast<std::uint16_t>(block.first() + next++ % block_size);
    if (is_free(port)) return port;
  }
  throw std::runtime_error("no free port");
}

bool accepts_tcp(std::uint16_t port) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto address = loopback(port);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

fs::path postgres_bin() {
  const fs::path root = "/usr/lib/postgresql";
  std::error_code ignored;
  int newest = 0;
  for (const auto& entry : fs::directory_iterator(root, ignored)) {
    newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
  }
  return newest == 0 ? fs::path() : root / std::to_string(newest) / "bin";
}

Process::Process(Command command) {
  auto argv_strings = command.argv;
  const auto program = find_program(argv_strings.at(0));
  auto environment_strings = environment_of(command);
  auto argv = pointers(argv_strings);
  auto environment = pointers(environment_strings);

  std::string log = (fs::temp_directory_path() / "vitals-log-XXXXXX").string();
  const Fd output(mkostemp(log.data(), O_CLOEXEC));
  log_ = log;
  const passwd* account =
      geteuid() == 0 && !command.user.empty() ? getpwnam(command.user.c_str()) : nullptr;
  if (geteuid() == 0 && !command.user.empty() && account == nullptr) {
    throw std::runtime_error("no user " + command.user);
  }
  const uid_t uid = account != nullptr ? account->pw_uid : 0;
  const gid_t gid = account != nullptr ? account->pw_gid : 0;
  const std::string directory = command.directory ? command.directory->string() : "";

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) {
    setpgid(pid_, pid_);
    return;
  }
  setpgid(0, 0);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, 0);
  dup2(output.get(), 1);
  dup2(output.get(), 2);
  if (account != nullptr && (setgroups(1, &gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
    _exit(126);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);  // whoever started the tests may ignore it
  if (!directory.empty() && chdir(directory.c_str()) != 0) _exit(126);
  execve(program.c_str(), argv.data(), environment.data());
  _exit(127);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), code_(other.code_), log_(std::move(other.log_)) {
  other.log_.clear();
}

Process::~Process() {
  if (pid_ > 0) {
    if (!code_) ::kill(-pid_, SIGCONT);
    ::kill(-pid_, SIGKILL);
    wait(std::chrono::seconds(10));
    waitpid(pid_, nullptr, WNOHANG);  // from here on somebody else may get its number
  }
  std::error_code ignored;
  if (!log_.empty()) fs::remove(log_, ignored);
}

void Process::signal(int signal) const { ::kill(pid_, signal); }
void Process::signal_group(int signal) const { ::kill(-pid_, signal); }

bool Process::running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

bool Process::stopped() const {
  std::ostringstream text;
  text << std::ifstream("/proc/" + std::to_string(pid_) + "/stat").rdbuf();
  const auto stat = text.str();
  return stat.find(") T ", std::min(stat.rfind(')'), stat.size())) != std::string::npos;
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  if (code_) return code_;
  eventually(
      [&] {
        // It stays a zombie: as long as we may send signals, its number and its group's are its
        // own.
        siginfo_t ended{};
        if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            ended.si_pid != pid_) {
          return false;
        }
        code_ = ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status;
        return true;
      },
      limit);
  return code_;
}

int Process::stop(int signal_number, std::chrono::milliseconds limit) {
  if (!running()) return *code_;
  signal(signal_number);
  if (const auto code = wait(limit)) return *code;
  signal_group(SIGKILL);
  return wait(std::chrono::seconds(10)).value_or(-1);
}

std::string Process::output() const {
  std::ifstream file(log_, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Finished run(Command command, std::chrono::milliseconds limit) {
  Process process(std::move(command));
  if (!process.wait(limit)) process.signal_group(SIGKILL);
  Finished finished;
  finished.code = process.wait(std::chrono::seconds(10)).value_or(-1);
  finished.output = process.output();
  return finished;
}

}  // namespace vitals::test
