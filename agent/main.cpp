// vitals: one honest verdict for one Machine. This file only picks the command.
#include <cstdio>
#include <string>
#include <vector>

#include "agent/cli/commands.hpp"
#include "agent/front/process.hpp"

namespace vitals::cli {
namespace {

int run_command(const Arguments& arguments) {
  if (arguments.help) {
    std::fputs(usage().c_str(), stdout);
    return exit_ok;
  }
  if (arguments.command == "serve") return serve(arguments);
  if (arguments.command == "run") return run(arguments);
  if (arguments.command == "check") return check(arguments);
  if (arguments.command == "validate") return validate(arguments);
  if (arguments.command == "status") return status(arguments);
  if (arguments.command == "explain") return explain(arguments);
  if (arguments.command == "kinds") return kinds(arguments);
  if (arguments.command == "lint") return lint(arguments);
  if (arguments.command == "version") return version(arguments);
  return control(arguments);
}

}  // namespace
}  // namespace vitals::cli

int main(int argc, char** argv) {
  using namespace vitals::cli;
  vitals::child::fill_standard_descriptors();
  const auto wrapped = vitals::child::find_wrapped(argc, argv);
  if (wrapped.command != 0) return run_wrapped(argv, wrapped);
  forbid_cores();
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (!words.empty() && words[0] == vitals::front::command_word) {
    return vitals::front::run_door({words.begin() + 1, words.end()});
  }
  const auto parsed = parse_arguments(words);
  if (!parsed) {
    if (!words.empty()) std::fprintf(stderr, "vitals: %s\n", parsed.error().message.c_str());
    std::fputs(words.empty() ? usage().c_str() : "Try 'vitals --help'.\n", stderr);
    return exit_usage;
  }
  return delivered(run_command(parsed.value()));
}
