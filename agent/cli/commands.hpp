// The commands, one function each: they print, and return the exit code.
#pragma once

#include <string>

#include "agent/child/supervisor.hpp"
#include "agent/cli/arguments.hpp"
#include "agent/config/config.hpp"
#include "agent/serve/report.hpp"
#include "agent/verdict/judge.hpp"

namespace vitals::cli {

int serve(const Arguments& arguments);
/// The agent beside the app, started by the supervisor; typed without a command, a usage error.
int run(const Arguments& arguments);
/// `vitals run … -- CMD …`: the supervisor, or CMD itself where Fly runs a one-off command. Before
/// anything else in main: what it becomes inherits all that was changed.
int run_wrapped(char** argv, child::Wrapped wrapped);
int check(const Arguments& arguments);
int validate(const Arguments& arguments);
int status(const Arguments& arguments);
int explain(const Arguments& arguments);
/// drain, undrain, heartbeat, busy, idle, mute, unmute: asks it of the running agent.
int control(const Arguments& arguments);
int kinds(const Arguments& arguments);
/// Offline check of fly.toml files, each with the vitals.toml and the Dockerfile beside it.
int lint(const Arguments& arguments);
int version(const Arguments& arguments);

/// The memory of a process that has read a config holds secrets: from here on it ends in no core
/// file, and nobody but root looks into it.
void forbid_cores();
/// The real environment and the file named on the command line.
[[nodiscard]] ConfigSource config_source(const Arguments& arguments);
/// Prints every mistake on stderr and says what to do next; returns exit_usage.
int report_mistakes(const ConfigMistakes& mistakes);
/// "vitals: <message>" on stderr; returns `code`.
int complain(const std::string& message, int code);
/// `code`, if all that was printed on stdout has arrived; else says that it has not, and a code
/// that would have been 0 is exit_failure. Silent where the reader has gone away by itself (a pipe
/// into head). Once, after the last word.
[[nodiscard]] int delivered(int code);
/// Takes as many descriptors as 1,000 checks and 4,096 clients can need, when the hard limit
/// allows: the soft one is 1,024 almost everywhere, for programs that use select(2). Call before
/// threads start; children that are not ours must get the old limit back.
void raise_descriptor_limit();
/// From FLY_* variables.
[[nodiscard]] Identity identity_of(const Environment& environment);
[[nodiscard]] int exit_code(Status verdict, bool fail_on_warn);
/// A terminal that understands escape sequences.
[[nodiscard]] bool drawing_wanted(int fd);
/// Colour only on such a terminal, and not with NO_COLOR set.
[[nodiscard]] bool colour_wanted(int fd);

}  // namespace vitals::cli
