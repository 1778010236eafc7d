// Hands the terminal to the app, and stops with it.
#include "agent/child/terminal.hpp"

#include <signal.h>
#include <unistd.h>

namespace vitals::child {

bool is_terminal_ours() { return tcgetpgrp(STDIN_FILENO) >= 0; }

bool have_terminal() { return tcgetpgrp(STDIN_FILENO) == getpgrp(); }

void give_terminal(pid_t group) { tcsetpgrp(STDIN_FILENO, group); }

bool is_orphaned() {
  const pid_t parent = getppid();  // 0: outside of our container
  return parent == 0 || getsid(parent) != getsid(0);
}

void stop_ourselves(int signal, bool whole_group) {
  sigset_t only;
  sigset_t before;
  sigemptyset(&only);
  sigaddset(&only, signal);
  kill(whole_group ? 0 : getpid(), signal);
  sigprocmask(SIG_UNBLOCK, &only, &before);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace vitals::child
