// Starts the app and the helpers: the one place that forks.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cstddef>

#include <vitals/fd.hpp>

#include "agent/child/link.hpp"

namespace vitals::child {

/// What we were born with, to be given to the app as it was.
struct Origin {
  sigset_t mask{};
  struct sigaction on_child {};  // SIGCHLD may be ignored by our parent
};
/// Blocks every signal, and notes what was before.
[[nodiscard]] Origin take_over_signals();

enum class StartStage : int { exec, setgroups, setgid, setuid };

struct AppStart {
  pid_t pid = 0;  // 0: it could not be started
  int error = 0;  // errno then
  StartStage stage = StartStage::exec;
};

struct AppOptions {
  char* const* argv = nullptr;  // ends with a null pointer; argv[0] is looked up in PATH
  const Account& account;
  const Origin& origin;
  /// Make its group the terminal's foreground group.
  bool foreground = false;
};

/// Starts the app in a process group of its own, with TERM as its signal for our death. Waits until
/// its exec succeeded or failed.
[[nodiscard]] AppStart start_app(const AppOptions& options);

/// Becomes `account` and execs, in this process; returns only when it can't.
[[nodiscard]] AppStart exec_app(char* const* argv, const Account& account);

/// 127 when there is no such program, else 126 (POSIX shells, env(1)).
[[nodiscard]] int start_failure_code(const AppStart& start);
/// Says why on stderr.
void complain_of_start(const AppStart& start, const char* program);

/// The descriptor a helper finds its link at.
inline constexpr int helper_link_fd = 3;
/// The agent finds the front door's page here, once there is one, and its listener, once it has
/// been there, and the configuration that was in force last; the door its two descriptors.
inline constexpr int agent_page_fd = 4;
inline constexpr int agent_listener_fd = 5;
inline constexpr int agent_config_fd = 6;
inline constexpr int door_listener_fd = 3;
inline constexpr int door_page_fd = 4;
/// Program name, command, --link, its number, the options, and a null pointer.
inline constexpr std::size_t helper_words_max = 32;
using HelperWords = std::array<char*, helper_words_max>;

/// Our own binary, kept open: a newer one in its place speaks another protocol, and /proc may be
/// missing later.
class OwnBinary {
 public:
  OwnBinary();
  /// Returns only when it can't.
  void exec(char* const* argv, char* const* environment) const;

 private:
  Fd file_;
};

using HelperDescriptors = std::array<int, 4>;

/// What the supervisor left in place `fd` for us, close-on-exec from here on; empty: nothing.
/// Before anything else opens a descriptor.
[[nodiscard]] Fd inherited_descriptor(int fd);

struct HelperOptions {
  const HelperWords& words;
  HelperDescriptors descriptors{-1, -1, -1, -1};  // 3 to 6 there; -1: none
  bool keeps_environment = true;
};
/// Starts a helper in a process group of its own, with stdin and stdout on /dev/null, the given
/// descriptors and no other of ours or of our parent; TERM, INT and HUP are blocked, for it to wait
/// for. Returns its pid, or -1.
[[nodiscard]] pid_t start_helper(const OwnBinary& binary, const HelperOptions& options);

}  // namespace vitals::child
