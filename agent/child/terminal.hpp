// Job control: the app has the terminal as if we were not there.
#pragma once

#include <sys/types.h>

namespace vitals::child {

/// Is stdin a terminal, and the one that controls our session?
[[nodiscard]] bool is_terminal_ours();

/// Does our process group have the terminal that is stdin? False when stdin is none, when we run in
/// the background, and when that terminal is not our controlling one.
[[nodiscard]] bool have_terminal();

/// Makes `group` the foreground group of stdin's terminal. SIGTTOU must be blocked.
void give_terminal(pid_t group);

/// Nobody could continue us if we stopped: our parent is in another session (init, a container's
/// runtime), and no shell watches.
[[nodiscard]] bool is_orphaned();

/// Stops this process by `signal`, so that the shell above sees what the app did; returns when
/// somebody continues it, and the signal is blocked again. `whole_group`: as the terminal would
/// have stopped all of it, had the app been in our group (a script that runs us).
void stop_ourselves(int signal, bool whole_group);

}  // namespace vitals::child
