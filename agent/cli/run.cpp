// `vitals run -- CMD`: which of its processes this one is.
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>

#include "agent/child/account.hpp"
#include "agent/child/link.hpp"
#include "agent/child/spawn.hpp"
#include "agent/child/supervisor.hpp"
#include "agent/cli/commands.hpp"

namespace vitals::cli {
namespace {

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

/// CMD in our place, as its user. No agent: a one-off command is nobody's service.
int exec_through(char** argv, child::Wrapped wrapped) {
  // Cores are forbidden to this memory alone: a limit would be CMD's, too.
  prctl(PR_SET_DUMPABLE, 0);
  const auto arguments = parse_arguments({argv + 1, argv + wrapped.command - 1});
  if (!arguments) return complain(arguments.error().message, exit_usage);
  const auto user = load_app_user(config_source(arguments.value()));
  if (!user) return report_mistakes(user.error());
  const auto account = child::account_of(user.value());
  if (!account) return report_mistakes({{account.error().message}});
  char* const* const command = argv + wrapped.command;
  const auto failure = child::exec_app(command, account.value());
  child::complain_of_start(failure, command[0]);
  return child::start_failure_code(failure);
}

}  // namespace

int run(const Arguments& arguments) {
  if (arguments.link && child::is_link(*arguments.link)) return serve(arguments);
  std::fprintf(stderr, "vitals: nothing to run; write the command after --: %s\n%s",
               "vitals run -- node server.js", usage().c_str());
  return exit_usage;
}

int run_wrapped(char** argv, child::Wrapped wrapped) {
  const bool one_off = is_set("RELEASE_COMMAND") || is_set("FLY_TEST_COMMAND");
  return one_off ? exec_through(argv, wrapped) : child::supervise(argv, wrapped);
}

}  // namespace vitals::cli
